"""The tables of patching: what goes with one head, and along one path."""

from interp.errors import Range
from interp.schema.form import Column, Table, share, text
from interp.schema.of_behaviours import NATS, PROMPTS_ASKED, RUN
from interp.schema.recurring import FEW_BLOCKS, HEADS, interval_of

_CAUSED = (
    PROMPTS_ASKED._replace(meaning="prompts that have a value", allowed=Range(True, 0)),
    Column("clean", "number", NATS, "logit difference on the prompts' texts, mean over prompts", None, "n is 0"),
    Column("corrupted", "number", NATS, "logit difference on the corrupted texts, mean over prompts", None, "n is 0"),
    Column("patched", "number", NATS, "logit difference of the run that is patched, mean over prompts", None, "n is 0"),
)
_SHARE = "share of clean − corrupted"
_EQUAL = "clean equals corrupted, or n is 0"
_EFFECT = Column(
    "effect",
    "number",
    _SHARE,
    "noise: (clean − patched) ÷ (clean − corrupted); denoise: (patched − corrupted) ÷ (clean − corrupted); means over "
    "prompts are taken first",
    None,
    _EQUAL,
)
PATCHING = Table(
    "patching",
    "activation patching, each head alone: a row per direction, part, position and head",
    (
        *RUN,
        text(
            "direction",
            "noise: what the head computes with on the corrupted text is put into the run on the clean one; denoise: "
            "the reverse",
            ("noise", "denoise"),
        ),
        text(
            "part",
            "what is put there: z, the head's queries, keys, values, or its pattern",
            ("z", "q", "k", "v", "pattern"),
        ),
        text(
            "position",
            "where: `all`, or a named position of the prompts (table `prompts`); of z, q and pattern the one that "
            "attends, of k and v the one that is attended to",
        ),
        *HEADS,
        *_CAUSED,
        _EFFECT,
        *interval_of(
            "effect, over blocks of prompts", _SHARE, empty=f"{FEW_BLOCKS}; or in a resample clean equals corrupted"
        ),
        share("p", "none", "of patching changing nothing: two-sided sign flips of blocks of prompts", FEW_BLOCKS),
        share(
            "q",
            "none",
            "p adjusted over the heads of one direction, part and position (Benjamini–Hochberg)",
            FEW_BLOCKS,
        ),
        _EFFECT._replace(
            name="estimate", meaning="effect by attribution patching: gradient × change of z", only="patching.estimate"
        ),
    ),
)
PATHS = Table(
    "paths",
    "path patching: a row per receiver and sender that has a path to it",
    (
        *RUN,
        text("sender", "the head whose z is that of the corrupted text, such as 3.1"),
        *HEADS,
        text("receiver", "the head that reads the change, such as 23.3; or `output`: the final norm and language head"),
        text(
            "receiver_input",
            "what of the receiver reads it: q, k, v; of the output the `stream`",
            ("q", "k", "v", "stream"),
        ),
        *_CAUSED,
        _EFFECT._replace(meaning="(clean − patched) ÷ (clean − corrupted); means over prompts are taken first"),
        *interval_of(
            "effect, over blocks of prompts", _SHARE, empty=f"{FEW_BLOCKS}; or in a resample clean equals corrupted"
        ),
        share("p", "none", "of the path carrying nothing: two-sided sign flips of blocks of prompts", FEW_BLOCKS),
        share("q", "none", "p adjusted over the senders to one input of one receiver (Benjamini–Hochberg)", FEW_BLOCKS),
    ),
)
TABLES = (PATCHING, PATHS)
