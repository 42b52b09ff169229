"""The tables of behaviours: prompts, whether a model can answer them, and by what it does."""

from interp.errors import COUNT, Range
from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import FEW_BLOCKS, HEAD, HEADS, LAYER, MODEL, SEED, SITE, interval_of

BEHAVIOUR = text("behaviour", "name of the behaviour")
RUN = (MODEL, BEHAVIOUR, SEED)
PROMPTS_ASKED = Column("n", "whole number", "prompts", "prompts of the behaviour that the model can read", COUNT)
METRICS = ("logit_difference", "log_prob", "accuracy")
METRIC = text(
    "metric",
    "at the last position of the text: logit of the right answer less that of the wrong one, log-probability of the "
    "right one, or whether the right one has the larger logit",
    METRICS,
)
PLACES = {
    "indirect": "ioi: the name that is said once",
    "subject": "ioi: the other name, where it is first said",
    "again": "ioi: that name, where it is said again",
}
"""Named positions of the project's own behaviours."""
TOKENS = Range(True, -1)

ABILITY = Table(
    "ability",
    "whether the model can do what the behaviour asks: a row per text and metric",
    (
        *RUN,
        text("text", "the prompt's text, or the corrupted one in its place", ("clean", "corrupted")),
        METRIC,
        PROMPTS_ASKED,
        Column("value", "number", "nats (accuracy: share of prompts)", "mean of the metric over prompts"),
        *interval_of("that, over blocks of prompts", "nats (accuracy: share of prompts)"),
        Column("chance", "number", "that of value", "what a model has that knows nothing", None, "metric is log_prob"),
    ),
)
PROMPTS = Table(
    "prompts",
    "every prompt as it was asked, so that anyone can compute again: a row per prompt",
    (
        *RUN,
        count("prompt", "none", "number of the prompt"),
        text("template", "the template that it is made of"),
        text("text", "what the model reads; the answer comes after its last token"),
        text("right", "the right answer, one token as it continues the text"),
        text("wrong", "the wrong answer, one token as it continues the text"),
        text("corrupted", "a text of as many tokens after which nothing speaks for the right answer"),
        text("source", "what it shares with other prompts: template and words; by its hash, the block"),
        count("block", "none", "block of that source"),
        *(
            Column(
                name,
                "whole number",
                "tokens",
                f"position of a token, from 0: {what}",
                TOKENS,
                only=what.partition(":")[0],
            )
            for name, what in PLACES.items()
        ),
        count("end", "tokens", "position of the last token of the text"),
    ),
)
NATS = "nats"
_SUMMED = "mean over prompts of what it adds to logit(right) − logit(wrong); {} add up to the mean logit difference"
ATTRIBUTION = Table(
    "attribution",
    "the logit difference as a sum of what every component writes: a row per component",
    (
        *RUN,
        text(
            "component",
            "what writes: token embeddings, absolute positions, a head, the bias of a layer's attention, an MLP, the "
            "bias of the final norm, that of the language head",
            ("embedding", "position", "head", "attention_bias", "mlp", "norm_bias", "unembedding_bias"),
        ),
        SITE,
        *(
            one._replace(meaning=f"{one.meaning}; −1 where the component has none", allowed=Range(True, -1))
            for one in (LAYER, HEAD)
        ),
        PROMPTS_ASKED,
        Column("value", "number", NATS, _SUMMED.format("all rows")),
        *interval_of("value, over blocks of prompts", NATS),
        share("p", "none", "of its being other than zero: two-sided sign flips of blocks of prompts", FEW_BLOCKS),
        share("q", "none", "p adjusted over the components (Benjamini–Hochberg)", FEW_BLOCKS),
    ),
)
ATTRIBUTION_BY_KEY = Table(
    "attribution_by_key",
    "what every head adds because of the position it attends to from the last: a row per head and position",
    (
        *RUN,
        *HEADS,
        text("key", "named position of the prompts (table `prompts`); `elsewhere`: all others together"),
        PROMPTS_ASKED._replace(meaning="prompts that have this position", allowed=Range(True, 0)),
        Column("value", "number", NATS, _SUMMED.format("all rows of all heads, biases and MLPs"), None, "n is 0"),
        *interval_of("value, over blocks of prompts", NATS),
    ),
)
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
TABLES = (ATTRIBUTION, ATTRIBUTION_BY_KEY, PATCHING, PATHS, ABILITY, PROMPTS)
