"""The tables of parsers that know attention."""

from interp.errors import Range
from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import FEW_BLOCKS, HEADS, RUN, SIGNED_SHARE, interval_of

_NO_FIT = "a parser that is not fitted (branching)"
_UAS = "share of words"
_OVER = Column("over_right", "number", _UAS, "uas less that of right_branching on the same words", SIGNED_SHARE)

PROBE = Table(
    "probe",
    "how many governors a parser finds that knows attention, words or distances: a row per parser",
    (
        *RUN,
        text(
            "probe",
            "what the parser knows: attention of `all_heads`, of the `best_head` (on the discovery split), of the "
            "`syntax_role_heads` (with a role on the discovery split), of all heads with `random_weights`; `distance` "
            "alone; `distance_and_words`; all three (`all_heads_and_words`); or the next word (`right_branching`, "
            "`left_branching`)",
            (
                *("all_heads", "best_head", "syntax_role_heads", "distance", "distance_and_words"),
                *("all_heads_and_words", "random_weights", "right_branching", "left_branching"),
            ),
        ),
        count("null_seed", "none", "seed of the random weights")._replace(empty="the model itself"),
        count("heads", "heads", "heads whose attention it knows"),
        text("which", "these heads, where they are not all", None, "all heads, or none"),
        count("weights", "weights", "numbers that are fitted"),
        count("steps", "steps", "after how many the weights stood that were kept")._replace(empty=_NO_FIT),
        Column("n", "whole number", "words", "words of the held-out split with a governor, without punctuation",
               Range(True, 1)),
        share("uas", _UAS, "unlabelled attachment score: words of which the highest candidate is the governor"),
        *interval_of("that", _UAS, SIGNED_SHARE),
        _OVER,
        _OVER._replace(name="over_right_low", meaning="lower end of its 95 % interval", empty=FEW_BLOCKS),
        _OVER._replace(name="over_right_high", meaning="upper end of its 95 % interval", empty=FEW_BLOCKS),
        Column("log_likelihood", "number", "nats per word", "mean log p of the governor on the held-out split",
               Range(False, float("-inf"), 0), _NO_FIT),
    ),
)  # fmt: skip
PROBE_WEIGHTS = Table(
    "probe_weights",
    "what the parser of all heads makes of each: a row per head",
    (
        *RUN,
        *HEADS,
        Column("to_governor", "number", "logits per share of attention",
               "weight of its attention from a word to a candidate"),
        Column("from_governor", "number", "logits per share of attention",
               "weight of its attention from a candidate to the word"),
    ),
)  # fmt: skip
TABLES = (PROBE, PROBE_WEIGHTS)
