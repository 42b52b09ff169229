"""The tables of how far apart heads are."""

from interp.errors import Range
from interp.schema.form import Column, Table, count, text
from interp.schema.recurring import FEW_BLOCKS, HEADS, LAYER, NOT_NEGATIVE, RUN, SITE, interval_of

ONE = "the site has one head"
_NULL = text("null", "`random_init`: the same architecture with random weights", ("none", "random_init"))
_NULL_SEED = count("null_seed", "none", "seed of the random weights")._replace(empty="not a null")
_QUERIES = Column("n", "whole number", "queries", "tokens that see two keys or more", Range(True, 0))
_DIVERGENCE = Range(False, 0, 0.6931472)
_OF_SITE = text("site", "which attention of the model the heads belong to; `self` where it has one", SITE.allowed)  # type: ignore[arg-type]

DIVERSITY = Table(
    "diversity",
    "how many heads do different things: a row per measure, null and site, and per layer for `within_layer`",
    (
        *RUN,
        _NULL,
        _NULL_SEED,
        _OF_SITE,
        text(
            "measure",
            "`effective_heads`: the Vendi score by 1 − divergence/log 2; of the mean divergence of two heads: "
            "`within_layers` (of the same layer, all layers), `within_layer` (of this layer), `between_layers` (of two "
            "layers), and `within_less_between`",
            ("effective_heads", "within_layers", "between_layers", "within_less_between", "within_layer"),
        ),
        LAYER._replace(meaning="the layer, counted from 0", empty="a measure of all layers"),
        count("heads", "heads", "heads that it is about"),
        _QUERIES,
        Column("value", "number", "heads, or nats", "effective_heads in heads, all others in nats", None,
               "no two such heads"),
        *interval_of("the value", "heads, or nats", empty=f"no two such heads, or {FEW_BLOCKS}"),
    ),
)  # fmt: skip
HEAD_MAP = Table(
    "head_map",
    "heads in the plane, so that distances are as like those of their attention as can be: a row per head and null",
    (
        *RUN,
        _NULL,
        _NULL_SEED,
        *HEADS,
        _QUERIES,
        Column("x", "number", "nats", "place from left to right; directions have no meaning"),
        Column("y", "number", "nats", "place from below"),
        Column("stress", "number", "share", "√ of the squared errors of all distances over their squares; 0: exact",
               NOT_NEGATIVE),
        text("best_role", "its role of largest lift that is not first, self or separator; `unclassified` without one"),
        text("best_family", "family of that role; `unclassified` without one, and for heads with random weights"),
        count("nearest_layer", "none", "layer of the head whose attention is most alike")._replace(empty=ONE),
        count("nearest_head", "none", "number of that head in its layer")._replace(empty=ONE),
        Column("nearest", "number", "nats per query", "mean divergence from that head", _DIVERGENCE, ONE),
    ),
)  # fmt: skip
HEAD_DISTANCES = Table(
    "head_distances",
    "how far apart the attention of two heads is: a row per two heads of a site, and null",
    (
        *RUN,
        _NULL,
        _NULL_SEED,
        *HEADS,
        count("other_layer", "none", "layer of the other head"),
        count("other_head", "none", "number of the other head in its layer"),
        _QUERIES,
        Column("distance", "number", "nats per query", "mean Jensen–Shannon divergence; log 2 (.693): no key in common",
               _DIVERGENCE),
        *interval_of("the distance", "nats per query", _DIVERGENCE),
    ),
)  # fmt: skip
TABLES = (DIVERSITY, HEAD_MAP, HEAD_DISTANCES)
