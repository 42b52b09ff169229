"""Columns that stand in many tables; where one means something more special there, its table says so."""

from typing import get_args

from interp.errors import COUNT, SHARE, Range
from interp.heads import Site
from interp.schema.form import Column, count, share, text

NOT_NEGATIVE = Range(False, 0)
"""Numbers that cannot be negative."""
WHOLE = COUNT._replace(lowest=0)
SIGNED_SHARE = SHARE._replace(lowest=-1)
SPLITS = ("select", "confirm", "all")

NOT_FINITE = "the head's attention is not finite (broken weights)"
FEW_BLOCKS = "documents in fewer than classify.min_blocks blocks"
UNTESTABLE = "the corpus is too small to test it (classify.min_queries, classify.min_blocks)"
OF_STATISTIC = "share of queries (hit) or of attention (mass)"
OF_METRIC = "that of the column metric"
NO_ROLE = "the head has no role"

# where a table comes from

MODEL = text("model", "name of the model")
CORPUS = text("corpus", "name of the corpus")
SEED = count("seed", "none", "seed of the run: of resampling, sign flips and random draws")
RUN = (MODEL, CORPUS, SEED)

# which head

SITE = text("site", "which attention of the model the head belongs to; `self` where it has one", get_args(Site))
LAYER = count("layer", "none", "layer of the head, counted from 0")
HEAD = count("head", "none", "number of the head in its layer, counted from 0")
HEADS = (SITE, LAYER, HEAD)

# which role

DEFINITION = text("definition", "id of the card that defines it (table `definitions`)")
ROLE = text("role", "name of the role: where the head would attend")
FAMILY = text("family", "family of the role, such as positional, copying, syntax")
SPLIT = text("split", "documents: discovery split (select), held-out split (confirm), or all of them", SPLITS)
STATISTIC = text("statistic", "which of hit and mass the role is judged by", ("hit", "mass"))

# what was measured of it

QUERIES = Column("n", "whole number", "queries", "scored queries: words or tokens that have a target", COUNT)
HIT = share(
    "hit",
    "share of queries",
    "how often the largest attention is on a target (ties share the credit)",
    NOT_FINITE,
)
MASS = share("mass", "share of attention", "mean attention on the targets", NOT_FINITE)
WORD_MASS = share(
    "word_mass",
    "share of attention",
    "mean attention on all candidates: words, or mentions",
    f"a role over tokens; or {NOT_FINITE}",
)
BASELINE = share("baseline", OF_STATISTIC, "what the best model-free baseline has on the same queries")
BASELINE_NAME = text("baseline_name", "that baseline: the best one on the discovery split")
LIFT = Column("lift", "number", OF_STATISTIC, "statistic minus baseline, per query", SIGNED_SHARE, NOT_FINITE)
CI_LOW = Column(
    "ci_low",
    "number",
    OF_STATISTIC,
    "lower end of the lift's 95 % interval, over blocks of documents",
    SIGNED_SHARE,
    FEW_BLOCKS,
)
CI_HIGH = CI_LOW._replace(name="ci_high", meaning="upper end of that interval")
P = share(
    "p",
    "probability",
    "one-sided sign-flip p of the null hypothesis that the lift is not above 0",
    UNTESTABLE,
)
Q = share(
    "q",
    "false discovery rate",
    "Benjamini-Hochberg q over all tests of the run",
    f"not the held-out split; or {UNTESTABLE}",
)
P_MAX_T = share(
    "p_max_t",
    "probability",
    "p corrected for the family-wise error over all tests of the run (max-T)",
    Q.empty,
)
DETECTABLE = Column(
    "detectable",
    "number",
    OF_STATISTIC,
    "smallest lift that the test could have shown with 80 % power; inf: none, however large",
    NOT_NEGATIVE,
    Q.empty,
)
NO_ANNOTATION = "the role has no annotation baseline (no gold tags, or judged by mass)"
GUESS_POS = text(
    "guess_pos",
    "the best annotation baseline on the discovery split: a rule of gold tags",
    None,
    NO_ANNOTATION,
)
LIFT_POS = Column(
    "lift_pos",
    "number",
    "share of queries",
    "hit minus that annotation baseline, per query",
    SIGNED_SHARE,
    NO_ANNOTATION,
)
LIFT_POS_LOW = LIFT_POS._replace(
    name="lift_pos_low", meaning="lower end of its 95 % interval", empty=f"{NO_ANNOTATION}; or {FEW_BLOCKS}"
)
LIFT_POS_HIGH = LIFT_POS_LOW._replace(name="lift_pos_high", meaning="upper end of its 95 % interval")
EFFECTIVE_BLOCKS = Column(
    "effective_blocks",
    "number",
    "blocks of documents",
    "effective number of clusters: how many blocks decide the lift; below 10 mistrust interval and p of a mass",
    NOT_NEGATIVE,
    NOT_FINITE,
)

# of a metric

ABLATION = text("ablation", "what replaces a head's output; `approximate` or `estimate` where that is what it is")
METRIC = text(
    "metric",
    "what is measured, larger is better: log_prob, pseudo_log_prob and kl (minus the divergence) in nats per token, "
    "embedding_cosine (1: unchanged), accuracy in shares of pairs, logit_difference in nats",
)
DOCUMENTS = count("n", "documents", "documents that have a value")
NO_VALUE = "no document has a value, or none that is finite"
EFFECT = Column(
    "effect", "number", OF_METRIC, "intact minus ablated, mean over documents: positive where it helped", None, NO_VALUE
)
EFFECT_TOKEN = EFFECT._replace(name="effect_token", meaning="the same, documents weighted by their scored tokens")
INTACT = EFFECT._replace(name="intact", meaning="the metric of the intact model, mean over documents")
ABLATED = EFFECT._replace(name="ablated", meaning="the metric without it, mean over documents")
EFFECT_LOW = Column(
    "ci_low", "number", OF_METRIC, "lower end of the effect's 95 % interval, over blocks of documents", None, FEW_BLOCKS
)
EFFECT_HIGH = EFFECT_LOW._replace(name="ci_high", meaning="upper end of that interval")
UNSIGNED = "a metric that measures the size of a change (kl, embedding_cosine), an estimate, or too few blocks"
EFFECT_P = share("p", "probability", "two-sided sign-flip p of the null hypothesis of no effect", UNSIGNED)
EFFECT_Q = share("q", "false discovery rate", "Benjamini-Hochberg q over all these tests", UNSIGNED)


def interval_of(what: str, unit: str, allowed: Range | None = None, *, empty: str = FEW_BLOCKS) -> tuple[Column, ...]:
    """`ci_low` and `ci_high` of something else."""
    low = Column("ci_low", "number", unit, f"lower end of the 95 % interval of {what}", allowed, empty)
    return low, low._replace(name="ci_high", meaning=f"upper end of the 95 % interval of {what}")


def ends_of(column: Column, *, empty: str = FEW_BLOCKS, low: str = "low", high: str = "high") -> tuple[Column, ...]:
    """`NAME_low` and `NAME_high` of a column."""
    lower = column._replace(name=f"{column.name}_{low}", meaning=f"lower end of its 95 % interval ({column.name})")
    upper = column._replace(name=f"{column.name}_{high}", meaning=f"upper end of its 95 % interval ({column.name})")
    return lower._replace(empty=empty), upper._replace(empty=empty)
