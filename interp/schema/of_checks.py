"""The tables of the method's own tests: heads of known roles and known accuracy, coverage, p under nulls."""

from interp.errors import COUNT, SHARE
from interp.schema.form import Column, Table, count, share, text
from interp.schema.of_ablation import LOSSES
from interp.schema.of_roles import MEASURED
from interp.schema.recurring import (
    CI_HIGH,
    CI_LOW,
    EFFECT_P,
    EFFECT_Q,
    HEADS,
    LIFT,
    MASS,
    NOT_NEGATIVE,
    QUERIES,
    ROLE,
    RUN,
    SPLIT,
    SPLITS,
    STATISTIC,
    WHOLE,
    P,
    Q,
    ends_of,
    interval_of,
)

# heads of known roles

KIND = text("kind", "kind of planted model", ("causal", "encoder"))
PLANTED_SEED = count("planted_seed", "none", "seed that it was planted from")
PLAN = text("plan", "what the head was planned to be")
HAS_ROLE = Column("has_role", "true or false", "none", "whether any role was planted in the head")
_COUNTS = {
    "found": "planted roles that were given",
    "missed": "planted roles that were not given, and should have been",
    "false": "roles given that were neither planted nor follow from what was",
    "implied": "roles given that were not planted and follow from the head's definition",
    "absent": "planted roles that the text never asks for",
    "untestable": "planted roles that the text is too small to test",
    "no_role": "roles given, false or implied, to heads without any planted role",
}


def _rate(name: str, meaning: str, empty: str) -> tuple[Column, ...]:
    rate = Column(name, "number", "share of roles", meaning, SHARE, empty)
    return rate, *ends_of(rate, empty=empty)


KNOWN_ANSWERS = Table(
    "known_answers",
    "precision and recall on planted heads: a row per kind of model and role",
    (
        *RUN,
        *(KIND, ROLE._replace(meaning="name of the role; `all` of them together")),
        *(Column(name, "whole number", "roles of heads", meaning, WHOLE) for name, meaning in _COUNTS.items()),
        *_rate("precision", "found ÷ (found + false)", "neither found nor falsely given"),
        *_rate("recall", "found ÷ (found + missed)", "never planted where it could be found"),
    ),
)
NOT_GIVEN = "the role was not given"
MARKS = Table(
    "marks",
    "the verdict on every head and role that was planted or given: a row per planted model, text, head and role",
    (
        *RUN,
        *(KIND, PLANTED_SEED, text("text", "name of the corpus that it was asked about")),
        *(*HEADS, ROLE),
        text(
            "verdict",
            "what became of it: see the columns of known_answers",
            ("found", "missed", "false", "implied", "absent", "untestable"),
        ),
        LIFT._replace(
            name="true_lift", meaning="the lift that it has by the head's own definition", empty="the text never asks"
        ),
        *(one._replace(empty=NOT_GIVEN) for one in (QUERIES, MASS, LIFT, CI_LOW, CI_HIGH, P, Q)),
        *(PLAN, HAS_ROLE),
    ),
)
PLANTED_STRENGTH = Table(
    "planted_strength",
    "roles planted at a known strength, and how strong they are found: a row per planted model, head and role",
    (
        *RUN,
        *(*HEADS, ROLE),
        share("strength", "share of attention", "attention on the targets that was planted"),
        share("measured", "share of attention", "mass on the held-out split"),
        *interval_of("the measured mass", "share of attention", SHARE),
        *(PLAN, HAS_ROLE, KIND, PLANTED_SEED),
    ),
)
PLANTED_EFFECTS = Table(
    "planted_effects",
    "what ablating each planted head costs on repeated words, in log_prob: a row per planted model and head",
    (*RUN, *HEADS, *LOSSES, EFFECT_P, EFFECT_Q, PLAN, HAS_ROLE, KIND, PLANTED_SEED),
)

# heads of known accuracy

TYPES = ("even", "clustered", "by_length")
ACCURACY = share("accuracy", "share of queries", "how often the planted head is right", "over all, or under a null")
PLANTED_HEADS = Table(
    "planted_heads",
    "the scores of planted heads on the corpus as it is, beside their truth: a row per role, head and split",
    (
        *RUN,
        text(
            "kind",
            "how the head errs: the same everywhere, by document, by length, or as the baseline",
            (*TYPES, "null: document", "null: population"),
        ),
        ACCURACY,
        share("true_hit", "share of queries", "its hit rate over the whole population"),
        *MEASURED,
    ),
)
ONE_CORPUS = "no spread: one drawn corpus"
DRAWN = Column("corpora", "whole number", "corpora", "drawn corpora that these are of", COUNT)
COVERAGE = share("coverage", "share of intervals", "95 % intervals that contain the true value")
OUTSIDE = (
    *(one._replace(name=f"share_{one.name.removeprefix('coverage_')}") for one in ends_of(COVERAGE, empty=ONE_CORPUS)),
    share("below", "share of intervals", "true value below the interval"),
    share("above", "share of intervals", "true value above the interval"),
)


def _small_p(level: str, meaning: str) -> tuple[Column, ...]:
    small = share(f"share_{level}", "share of tests", meaning)
    return small, *ends_of(small, empty=ONE_CORPUS)


SMALL_P = (*_small_p("05", "p of .05 or less"), *_small_p("01", "p of .01 or less"))
CALIBRATION = Table(
    "calibration",
    "how often 95 % intervals contain the true value of planted heads: a row per condition and number of blocks",
    (
        *RUN,
        text("statistic", "what the interval is of", ("lift", "hit")),
        ROLE._replace(meaning="name of the role; `any` of them"),
        text("kind", "how the planted head errs; `any` of them", ("any", *TYPES)),
        ACCURACY,
        text("split", "documents that the interval is of; `any` of them", ("any", *SPLITS)),
        Column("blocks", "text", "blocks of documents", "non-empty blocks, in classes"),
        Column("intervals", "whole number", "intervals", "intervals that these are", COUNT),
        DRAWN,
        Column(
            "blocks_by_size", "number", "blocks of documents", "effective number by size, (Σn)²/Σn², mean", NOT_NEGATIVE
        ),
        *(COVERAGE, *OUTSIDE),
    ),
)
CALIBRATION_HEADS = Table(
    "calibration_heads",
    "the same of the model's own heads, on corpora drawn from their documents: a row per role and class of blocks",
    (
        *RUN,
        *(ROLE._replace(meaning="name of the role; `any` of them"), STATISTIC),
        text("in_half", "half whose blocks make the class; `any`: no class", ("any", "confirm", "fewer")),
        Column("effective", "text", "blocks of documents", "effective number of clusters, in classes; `any` of them"),
        Column("tests", "whole number", "tests", "tests that these are", COUNT),
        DRAWN,
        Column("effective_blocks", "number", "blocks of documents", "effective number of clusters, mean", NOT_NEGATIVE),
        *(COVERAGE, *OUTSIDE, *SMALL_P),
    ),
)
TIES = Column(
    "ties",
    "text",
    "none",
    "sign vectors that tie: counted as in every table, or broken at random",
    ("counted", "broken"),
)
NULL = text(
    "null",
    "head that is no better than the baseline: swapped with it query by query, as good in every "
    "document, or as good in the whole population",
    ("exchange", "document", "population"),
)
NULL_P = Table(
    "null_p",
    "whether p is uniform where there is nothing to find: a row per way to count ties, null and split",
    (
        *RUN,
        *(TIES, NULL, SPLIT),
        Column("tests", "whole number", "tests", "tests that these are", COUNT),
        DRAWN,
        share("mean_p", "probability", "mean of p; .5 if it is uniform"),
        share("ks", "share of tests", "largest distance between the share of p ≤ x and x"),
        share("ks_p", "probability", "p of that distance (Kolmogorov & Smirnov)"),
        *SMALL_P,
    ),
)
NULL_P_CURVE = Table(
    "null_p_curve",
    "the share of p up to each level where there is nothing to find: a row per way with ties, null, split and level",
    (
        *RUN,
        *(TIES, NULL, SPLIT),
        share("level", "probability", "the level"),
        share("share", "share of tests", "p up to that level; the level itself if p is uniform"),
        share("share_low", "share of tests", "lower end of its 95 % interval", ONE_CORPUS),
        share("share_high", "share of tests", "upper end of its 95 % interval", ONE_CORPUS),
    ),
)

TABLES = (
    *(KNOWN_ANSWERS, MARKS, PLANTED_STRENGTH, PLANTED_EFFECTS),
    *(PLANTED_HEADS, CALIBRATION, CALIBRATION_HEADS, NULL_P, NULL_P_CURVE),
)
