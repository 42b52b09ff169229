"""The tables of trained gates."""

from interp.errors import Range
from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import (
    ABLATION,
    DOCUMENTS,
    EFFECT,
    FEW_BLOCKS,
    HEADS,
    METRIC,
    NO_VALUE,
    NOT_NEGATIVE,
    OF_METRIC,
    RUN,
    WHOLE,
    ends_of,
    interval_of,
)

_OTHER = "all heads, or none of them"
STRENGTH = Column(
    "strength", "number", "that of the metric, per head", "λ, the price of an open gate in training", NOT_NEGATIVE
)
GATE_SEED = Column("gate_seed", "whole number", "none", "seed of the training, from 0", WHOLE)
SEEDS = Column("seeds", "whole number", "trainings", "trainings with this strength", Range(True, 1))
GATE = share("gate", "none", "its gate without noise: 0 is ablated, 1 as it was")
_OVER_EFFECT = EFFECT._replace(
    name="over_effect",
    meaning="value less that with as many heads of the largest single-head effects",
    empty=f"heads that were not chosen by gates; or {NO_VALUE}",
)
_OVER_RANDOM = _OVER_EFFECT._replace(
    name="over_random", meaning="value less the mean of that with as many heads drawn at random"
)

GATE_CURVE = Table(
    "gate_curve",
    "what the model is good for with the heads that gates keep, and with as many chosen otherwise, all others ablated: "
    "a row per metric and choice of heads",
    (
        *RUN,
        text(
            "chosen_by",
            "what chose the heads: gates, effect (the largest single-head effects on the discovery split), random; "
            "or all of them, or none",
            ("gates", "effect", "random", "all", "none"),
        ),
        STRENGTH._replace(empty=_OTHER),
        GATE_SEED._replace(empty=_OTHER),
        Column(
            "draw", "whole number", "none", "number of a random draw", WHOLE, "not random, or the mean over the draws"
        ),
        *(ABLATION, METRIC),
        count("heads_kept", "heads", "heads that are not ablated"),
        share("share_kept", "share of heads", "the same as a share of all"),
        DOCUMENTS._replace(meaning="documents of the held-out split that have a value"),
        EFFECT._replace(name="value", meaning="the metric with these heads alone, mean over documents"),
        *interval_of("that mean", OF_METRIC),
        *(_OVER_EFFECT, *ends_of(_OVER_EFFECT, empty=f"{_OVER_EFFECT.empty}; or {FEW_BLOCKS}")),
        *(_OVER_RANDOM, *ends_of(_OVER_RANDOM, empty=f"{_OVER_RANDOM.empty}; or {FEW_BLOCKS}")),
    ),
)
GATE_HEADS = Table(
    "gate_heads",
    "how often gates keep every head: a row per strength and head",
    (
        *RUN,
        STRENGTH,
        *HEADS,
        SEEDS,
        count("times_kept", "trainings", "trainings that keep it"),
        share("share_kept", "share of trainings", "the same as a share of all"),
        GATE._replace(meaning="mean of its gate over the trainings"),
        EFFECT._replace(
            meaning="what its ablation alone costs on the discovery split (an estimate where one was asked)"
        ),
    ),
)
_KEEP_NONE = "there is one training only, or none keeps a head"
GATE_AGREEMENT = Table(
    "gate_agreement",
    "how far trainings with other seeds keep the same heads: a row per strength",
    (
        *RUN,
        STRENGTH,
        SEEDS,
        count("fewest_kept", "heads", "heads kept by the training that keeps fewest"),
        count("most_kept", "heads", "heads kept by the training that keeps most"),
        Column("undecided", "number", "heads", "gates that ended between 0 and 1, mean over trainings", NOT_NEGATIVE),
        share("jaccard", "share of heads", "heads kept by both ÷ by either, mean over pairs of trainings", _KEEP_NONE),
        share("lowest", "share of heads", "the same of the pair that agrees least", _KEEP_NONE),
        share("highest", "share of heads", "the same of the pair that agrees most", _KEEP_NONE),
        share("chance", "share of heads", "the mean expected of random sets of the same sizes", _KEEP_NONE),
    ),
)
GATES = Table(
    "gates",
    "every trained gate: a row per strength, seed and head",
    (
        *RUN,
        *(STRENGTH, GATE_SEED),
        *HEADS,
        Column("log_alpha", "number", "none", "its trained parameter; above 0 the head is kept", None),
        GATE,
        Column("kept", "true or false", "none", "whether the gate is above one half"),
    ),
)
GATE_TRAINING = Table(
    "gate_training",
    "the way of every training: a row per strength, seed and step",
    (
        *RUN,
        *(STRENGTH, GATE_SEED),
        count("step", "steps", "number of the step, from 0"),
        Column("value", "number", "that of the first metric", "mean over the step's documents, under sampled gates"),
        Column("expected_open", "number", "heads", "expected number of gates above 0 before the step", NOT_NEGATIVE),
        Column("objective", "number", "that of the first metric", "strength × expected_open − value, to be small"),
    ),
)
TABLES = (GATE_CURVE, GATE_HEADS, GATE_AGREEMENT, GATES, GATE_TRAINING)
