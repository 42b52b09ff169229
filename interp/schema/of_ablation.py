"""The tables of ablation: what the model loses without a head, without several, and while more and more are gone."""

from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import (
    ABLATED,
    ABLATION,
    DOCUMENTS,
    EFFECT,
    EFFECT_HIGH,
    EFFECT_LOW,
    EFFECT_P,
    EFFECT_Q,
    EFFECT_TOKEN,
    HEADS,
    INTACT,
    METRIC,
    NO_VALUE,
    NOT_NEGATIVE,
    OF_METRIC,
    RUN,
    SIGNED_SHARE,
    WHOLE,
    ends_of,
    interval_of,
)

LOSSES = (ABLATION, METRIC, DOCUMENTS, INTACT, ABLATED, EFFECT, EFFECT_TOKEN, EFFECT_LOW, EFFECT_HIGH)
EFFECTS = Table(
    "effects",
    "what the model loses when one head is ablated: a row per head, ablation and metric",
    (
        *RUN,
        *HEADS,
        *(*LOSSES, EFFECT_P, EFFECT_Q),
        Column(
            "error",
            "number",
            OF_METRIC,
            "how far low precision moves the effect, on a sample of documents",
            NOT_NEGATIVE,
            only="ablation.precision=delta or bfloat16",
        ),
        Column("top", "true or false", "none", "whether it is settled as one of the top heads", only="ablation.top=N"),
        Column(
            "rank_agreement",
            "number",
            "none",
            "Spearman's correlation of the estimates' sizes with the exact effects of a sample of documents",
            SIGNED_SHARE,
            "all heads have the same effect",
            only="ablation.estimate=NAME",
        ),
    ),
)
SETS = Table(
    "sets",
    "what the model loses when several heads are ablated together: a row per set of heads and metric",
    (
        *RUN,
        text("set", "name of the set"),
        text("heads", "its heads, as layer.head with the site in front where there are several"),
        count("size", "heads", "how many these are"),
        *(*LOSSES, EFFECT_P, EFFECT_Q),
        Column("sum_of_effects", "number", OF_METRIC, "sum of the effects of its heads alone", None, NO_VALUE),
    ),
)

ORDER = text("order", "what orders the heads: their effects, an estimate, a role's lift, or `random`")
ORDER_SEED = Column(
    "order_seed",
    "whole number",
    "none",
    "seed of a random order",
    WHOLE,
    "an order that is not random, or the mean over the random ones",
)
STEP = (
    *(ORDER, ORDER_SEED, ABLATION, METRIC),
    count("heads_left", "heads", "heads that are not ablated"),
    share("share_left", "share of heads", "the same as a share of all"),
    DOCUMENTS,
)
PRUNING_CURVE = Table(
    "pruning_curve",
    "what the model is still good for while more heads are ablated: a row per order, metric and step",
    (
        *RUN,
        *STEP,
        EFFECT._replace(name="value", meaning="the metric with these heads left, mean over documents"),
        *interval_of("that mean", OF_METRIC),
    ),
)
_DIFFERENCE = EFFECT._replace(
    name="difference",
    meaning="area minus the mean area of the random orders",
    empty="a random order, or there is none to compare with",
)
PRUNING_AREA = Table(
    "pruning_area",
    "each order in one number, the area under metric against share of heads left: a row per order and metric",
    (
        *RUN,
        *(ORDER, ORDER_SEED, ABLATION, METRIC, DOCUMENTS),
        EFFECT._replace(name="area", meaning="area under the curve, by the trapezoid rule"),
        *interval_of("the area", OF_METRIC),
        *(
            _DIFFERENCE,
            *ends_of(_DIFFERENCE, empty=f"{_DIFFERENCE.empty}; or too few blocks", low="ci_low", high="ci_high"),
        ),
    ),
)
_EXCESS = EFFECT._replace(name="excess", meaning="joint effect minus that sum")
JOINT_EFFECTS = Table(
    "joint_effects",
    "what heads cost together, beside the sum of what each costs alone: a row per order, metric and step",
    (
        *RUN,
        *STEP,
        EFFECT._replace(name="joint_effect", meaning="the metric with all heads minus that with these left"),
        *interval_of("the joint effect", OF_METRIC),
        EFFECT._replace(name="sum_of_effects", meaning="sum of what each of the ablated heads costs alone"),
        Column(
            "ratio",
            "number",
            "none",
            "joint effect ÷ that sum; above 1 heads stand in for each other",
            None,
            "the sum is 0",
        ),
        *(_EXCESS, *ends_of(_EXCESS, low="ci_low", high="ci_high")),
    ),
)

TABLES = (EFFECTS, SETS, PRUNING_CURVE, PRUNING_AREA, JOINT_EFFECTS)
