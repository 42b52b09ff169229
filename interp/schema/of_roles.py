"""The tables of roles: every score, the roles that stand, what could have been shown, and the same of null models."""

from interp.schema.form import Column, Table, count, share, text
from interp.schema.recurring import (
    BASELINE,
    BASELINE_NAME,
    CI_HIGH,
    CI_LOW,
    DEFINITION,
    DETECTABLE,
    EFFECTIVE_BLOCKS,
    FAMILY,
    GUESS_POS,
    HEADS,
    HIT,
    LIFT,
    LIFT_POS,
    LIFT_POS_HIGH,
    LIFT_POS_LOW,
    MASS,
    NO_ROLE,
    OF_STATISTIC,
    P_MAX_T,
    QUERIES,
    ROLE,
    RUN,
    SIGNED_SHARE,
    SITE,
    SPLIT,
    STATISTIC,
    UNTESTABLE,
    WHOLE,
    WORD_MASS,
    P,
    Q,
)

CONFIRM = " (held-out split)"

MEASURED = (
    *(DEFINITION, ROLE, FAMILY, *HEADS, SPLIT, QUERIES, HIT, MASS, WORD_MASS, BASELINE, BASELINE_NAME, LIFT),
    *(CI_LOW, CI_HIGH, P, Q, STATISTIC, GUESS_POS, LIFT_POS, LIFT_POS_LOW, LIFT_POS_HIGH, P_MAX_T, DETECTABLE),
    EFFECTIVE_BLOCKS,
)
SCORES = Table("scores", "what every head does for every role: a row per role, head and split", (*RUN, *MEASURED))

STABILITY = share(
    "stability",
    "share of re-splits",
    "how often the role stands when the 64 blocks of documents are split into halves anew, 20 times",
    "the run makes no re-splits",
)
STRENGTH = share("strength", "share of attention", f"how strong the role is: its mass{CONFIRM}")
FEWER_BLOCKS = EFFECTIVE_BLOCKS._replace(
    name="fewer_effective_blocks", meaning="the same in the split that has fewer; below 10 the summary names the role"
)


def _where_a_role_is(*columns: Column) -> tuple[Column, ...]:
    """The columns of rows that may say `unclassified`: empty there."""
    return tuple(
        column._replace(empty=f"{NO_ROLE}; or {column.empty}" if column.empty else NO_ROLE) for column in columns
    )


ASSIGNED = (
    *_where_a_role_is(DEFINITION),
    *HEADS,
    ROLE._replace(meaning="a role that the head has; `unclassified` where it has none"),
    *_where_a_role_is(FAMILY, STATISTIC, QUERIES, HIT, MASS, BASELINE, LIFT, CI_LOW, CI_HIGH, P._replace(empty="")),
    *_where_a_role_is(Q._replace(empty=""), STABILITY, STRENGTH),
    DETECTABLE._replace(
        meaning="smallest lift that could have been shown with 80 % power: of the role; without one, of the median "
        "testable role; inf: none, however large",
        empty=UNTESTABLE,
    ),
    *_where_a_role_is(GUESS_POS, LIFT_POS, LIFT_POS_LOW, LIFT_POS_HIGH, EFFECTIVE_BLOCKS, FEWER_BLOCKS),
)
ROLES = Table(
    "roles",
    "which roles every head has, on the held-out split: a row per head and role, or one that says `unclassified`",
    (*RUN, *ASSIGNED),
)

POWER = Table(
    "power",
    "how small a lift this corpus could have shown: a row per testable role and site, on the held-out split",
    (
        *RUN,
        *(DEFINITION, ROLE, FAMILY, SITE, QUERIES),
        count("heads", "heads", "heads that the role was tested of"),
        DETECTABLE._replace(
            meaning="smallest lift that the median head's test could have shown with 80 % power; inf: none", empty=""
        ),
        DETECTABLE._replace(name="detectable_lowest", meaning="the same of the surest head", empty=""),
        DETECTABLE._replace(name="detectable_highest", meaning="the same of the least sure head", empty=""),
        share("room", OF_STATISTIC, "1 − baseline: the largest lift that there can be"),
        count("hidden", "heads", "heads of which not even that could have been shown"),
    ),
)

# null models

NULL = text(
    "null",
    "what was made meaningless: nothing (`none`, the real pass), gold, attention or weights",
    ("none", "permuted_gold", "shuffled_rows", "random_init"),
)
NULL_SEED = Column(
    "null_seed", "whole number", "none", "seed that this null was drawn from", WHOLE, "the real pass (null `none`)"
)
NO_TEST = "no role of the family could be tested"
_LARGEST = (
    LIFT._replace(name="largest_lift", meaning="the largest lift of all tests", empty=NO_TEST),
    ROLE._replace(name="largest_role", meaning="the role that it is of", empty=NO_TEST),
    *(
        one._replace(name=f"largest_{one.name}", meaning=f"the {one.name} of the head that it is of", empty=NO_TEST)
        for one in HEADS
    ),
)
NULLS = Table(
    "nulls",
    "how many roles are found where there are none: a row per null, seed and family, on the held-out split",
    (
        *RUN,
        *(NULL, NULL_SEED, FAMILY._replace(meaning="family of the roles; `all` of them together")),
        count("tests", "tests", "pairs of a testable role and a head"),
        count("heads", "heads", "heads of the model"),
        count("heads_with_role", "heads", "heads that were given any of these roles"),
        count("roles", "roles", "roles that they were given, head by head"),
        *_LARGEST,
        LIFT._replace(
            name="largest_chosen_lift",
            meaning="the largest lift of heads that were best on the discovery split: without the luck of the choice",
            empty=NO_TEST,
        ),
    ),
)
NULL_LIFTS = Table(
    "null_lifts",
    "each testable role's best head by the discovery split, and its lift on the held-out split: a row per null, seed, "
    "role and site",
    (
        *RUN,
        *(NULL, NULL_SEED, DEFINITION, ROLE, FAMILY, *HEADS, QUERIES, LIFT._replace(empty="")),
        *(CI_LOW, CI_HIGH, P._replace(empty=""), Q._replace(empty="")),
    ),
)

SHAPE = text("shape", "architecture of the network", ("minilm", "gpt2", "llama"))
WEIGHTS_SEED = count("weights_seed", "none", "seed of its random weights")
RANDOM_INIT = Table(
    "random_init",
    "whether heads with random weights get roles: a row per architecture and seed",
    (
        *RUN,
        *(SHAPE, WEIGHTS_SEED),
        count("layers", "layers", "layers of the network"),
        count("heads", "heads", "heads of the network"),
        count("tested_roles", "roles", "roles that the corpus could test"),
        count("heads_with_role", "heads", "heads that were given any role"),
        count("roles_given", "roles", "roles that they were given, head by head"),
        LIFT._replace(name="largest_lift", meaning=f"the largest lift of all tests{CONFIRM}", empty=UNTESTABLE),
        ROLE._replace(name="largest_lift_role", meaning="the role that it is of", empty=UNTESTABLE),
    ),
)
GIVEN = Table(
    "given",
    "the roles that heads with random weights were given: a row per architecture, seed, head and role",
    (
        *RUN,
        *(DEFINITION, *HEADS, ROLE, FAMILY, STATISTIC, QUERIES, HIT, MASS, BASELINE, LIFT, CI_LOW, CI_HIGH),
        *(P._replace(empty=""), Q._replace(empty=""), STABILITY, STRENGTH, DETECTABLE, GUESS_POS, LIFT_POS),
        *(LIFT_POS_LOW, LIFT_POS_HIGH, EFFECTIVE_BLOCKS, FEWER_BLOCKS, SHAPE, WEIGHTS_SEED),
    ),
)

# how firm roles are

SENSITIVITY = Table(
    "sensitivity",
    "which roles hang on a choice: a row per choice made otherwise, compared with the run's own",
    (
        *RUN,
        text(
            "factor",
            "what was chosen otherwise",
            ("aggregation", "definition", "sample size", "corpus", "margin", "seed"),
        ),
        text("level", "what was chosen instead"),
        count("roles_compared", "roles", "roles that could be tested both ways"),
        count("not_testable", "roles", "roles that could be tested by the run's own choice alone"),
        count("heads", "heads", "heads of the model"),
        count("heads_with_role", "heads", "heads that have any of these roles by this choice"),
        count("heads_flipped", "heads", "heads whose set of roles changes"),
        share("share_flipped", "share of heads", "the same as a share of all heads", "no role compared"),
        share(
            "share_flipped_with_role",
            "share of heads",
            "as a share of those with a role by either choice",
            "no head has a role by either choice",
        ),
        count("pairs", "pairs", "pairs of a head and a role that it has by this choice"),
        count("pairs_gained", "pairs", "those that the run's own choice does not give"),
        count("pairs_lost", "pairs", "those that the run's own choice gives and this does not"),
        share(
            "jaccard",
            "share of pairs",
            "pairs by both choices ÷ pairs by either (Jaccard); 1 where none has any",
            "no role compared",
        ),
    ),
)

OTHER = text("other", "name of the model that heads are matched with; the same one without another")
ALIKE = "no head differs from another, or attention is not finite"
RELIABILITY = Table(
    "reliability",
    "whether heads keep their order from one half of the documents to the other: a row per role with queries in both",
    (
        *RUN,
        *(DEFINITION, ROLE, FAMILY),
        count("heads", "heads", "heads that the role is asked of"),
        QUERIES,
        Column(
            "correlation",
            "number",
            "none",
            "Pearson's r over heads, between the lifts of the two halves",
            SIGNED_SHARE,
            ALIKE,
        ),
        Column(
            "reliability", "number", "none", "of the whole corpus: 2r/(1+r) (Spearman 1910; Brown 1910)", None, ALIKE
        ),
        Column("ci_low", "number", "none", "lower end of its 95 % interval, over heads", None, ALIKE),
        Column("ci_high", "number", "none", "upper end of that interval", None, ALIKE),
        Column("random_splits", "number", "none", "median reliability over 50 random halves", None, ALIKE),
        OTHER,
    ),
)
BY = text("by", "what makes heads alike: their lifts by role, or their attention", ("roles", "attention"))
SIMILARITY = Column(
    "similarity",
    "number",
    "none",
    "by roles: cosine of centred role profiles; by attention: 1 where it is the same",
    SIGNED_SHARE,
)
MATCHES = Table(
    "matches",
    "which head of the other model each head is matched with, one to one: a row per pair and way to be alike",
    (
        *RUN,
        *HEADS,
        *(
            one._replace(name=f"other_{one.name}", meaning=f"the {one.name} of the head that it is matched with")
            for one in HEADS
        ),
        SIMILARITY._replace(meaning=f"how alike the two are; {SIMILARITY.meaning}"),
        SIMILARITY._replace(name="largest", meaning="how alike it is to the head of the other model most like it"),
        *(BY, OTHER),
    ),
)
NOT_TESTED = "by attention, which is held against no such null"
MATCHING = Table(
    "matching",
    "how alike matched heads are on average, and whether more than by chance: a row per way to be alike",
    (
        *RUN,
        BY,
        count("heads", "heads", "heads of the model"),
        count("other_heads", "heads", "heads of the other model"),
        SIMILARITY._replace(meaning="mean over matched heads"),
        text("null", "what it is held against", ("role labels dealt anew",), NOT_TESTED),
        SIMILARITY._replace(name="null_mean", meaning="mean over draws of that null", empty=NOT_TESTED),
        SIMILARITY._replace(name="null_high", meaning="its 95th percentile", empty=NOT_TESTED),
        share("p", "probability", "share of draws that are as alike, the measured one included", NOT_TESTED),
        OTHER,
    ),
)
MATCHING_NULL = Table(
    "matching_null",
    "mean similarity of matched heads under each null: a row per draw, or per model with random weights",
    (
        *RUN,
        BY,
        text("null", "role labels dealt anew, or `random:` and the name of the untrained model"),
        SIMILARITY._replace(meaning="mean over matched heads"),
        OTHER,
    ),
)

TABLES = (
    *(SCORES, ROLES, POWER, NULLS, NULL_LIFTS, RANDOM_INIT, GIVEN),
    *(SENSITIVITY, RELIABILITY, MATCHES, MATCHING, MATCHING_NULL),
)
