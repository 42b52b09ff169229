"""The tables of runs side by side, and the sums by block that intervals of their differences are made of."""

from interp.schema.form import Column, Table, count, text
from interp.schema.recurring import (
    ABLATION,
    BASELINE,
    CI_HIGH,
    CI_LOW,
    CORPUS,
    DEFINITION,
    DOCUMENTS,
    EFFECT,
    EFFECT_HIGH,
    EFFECT_LOW,
    EFFECT_P,
    EFFECT_Q,
    FAMILY,
    HEADS,
    INTACT,
    LIFT,
    METRIC,
    MODEL,
    OF_METRIC,
    OF_STATISTIC,
    QUERIES,
    ROLE,
    RUN,
    SEED,
    STATISTIC,
    P,
    Q,
)

UNPAIRED = "the first run; other documents; too few blocks; or a run that keeps no sums by block"
FIRST_RUN = "the first run, or one whose counterpart in the first run is missing"

BLOCK_N = count("n_B", "queries or documents", "how many there are in block B of documents")
ROLE_BLOCKS = Table(
    "role_blocks",
    "sums over each of the 32 blocks of the held-out split, for comparisons of runs: a row per role and head",
    (
        *(*RUN, DEFINITION, ROLE, *HEADS, BLOCK_N),
        Column("excess_B", "number", OF_STATISTIC, "statistic minus baseline, summed over the queries of block B"),
    ),
)
EFFECT_BLOCKS = Table(
    "effect_blocks",
    "sums over each of the 64 blocks of documents, for comparisons of runs: a row per head, ablation and metric",
    (
        *(*RUN, *HEADS, ABLATION, METRIC, BLOCK_N),
        Column("effect_B", "number", OF_METRIC, "intact minus ablated, summed over the documents of block B"),
    ),
)

RUN_NAME = text("run", "name of the run, which tells it from the others")
ABOUT = (RUN_NAME, MODEL, CORPUS, SEED)
SAME = Column("same_documents", "true or false", "none", "whether it has read the documents of the first run")


def _difference(of: str, unit: str) -> tuple[Column, ...]:
    """A difference from the first run and its interval."""
    ends = (("difference_low", "lower"), ("difference_high", "upper"))
    return (
        SAME,
        Column("difference", "number", unit, f"{of} minus that of the first run", empty=FIRST_RUN),
        *(
            Column(name, "number", unit, f"{end} end of its 95 % interval, blocks paired", empty=UNPAIRED)
            for name, end in ends
        ),
    )


_OF_ROLES = (
    *(*ABOUT, DEFINITION, ROLE, FAMILY, *HEADS),
    Column("has_role", "true or false", "none", "whether the head has the role in that run"),
    *(QUERIES, STATISTIC),
    Column("value", "number", OF_STATISTIC, "that statistic on the held-out split", empty="attention is not finite"),
    *(BASELINE, LIFT, CI_LOW, CI_HIGH, P, Q),
    *_difference("lift", OF_STATISTIC),
)
COMPARED_RUNS = Table(
    "compared_runs",
    "the runs that are compared, a row each",
    (
        RUN_NAME,
        text("folder", "its folder"),
        MODEL,
        text("weights_sha256", "hash of the model's weights", empty="the model has no file of weights"),
        CORPUS,
        text("corpus_sha256", "hash of what was read"),
        count("documents", "documents", "documents of the corpus"),
        SEED,
        SAME,
        *(
            count(name, unit, meaning)._replace(empty="the run scores no roles")
            for name, unit, meaning in (
                ("heads", "heads", "heads of the model"),
                ("heads_with_role", "heads", "heads that have a role"),
                ("roles", "roles", "roles that heads have, in all"),
            )
        ),
    ),
)
COMPARED_ROLES = Table("compared_roles", "the best head of every role in every run: a row per role and run", _OF_ROLES)
COMPARED_HEADS = Table(
    "compared_heads", "what the same head does in every run: a row per role, head and run", _OF_ROLES
)
COMPARED_EFFECTS = Table(
    "compared_effects",
    "what ablating the same head costs in every run: a row per head, ablation, metric and run",
    (
        *(*ABOUT, *HEADS, ABLATION, METRIC, DOCUMENTS, INTACT, EFFECT, EFFECT_LOW, EFFECT_HIGH, EFFECT_P, EFFECT_Q),
        *_difference("effect", OF_METRIC),
    ),
)

TABLES = (ROLE_BLOCKS, EFFECT_BLOCKS, COMPARED_RUNS, COMPARED_ROLES, COMPARED_HEADS, COMPARED_EFFECTS)
