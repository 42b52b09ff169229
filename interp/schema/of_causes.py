"""The tables of what causes a behaviour: heads of roles, circuits, and pairs of heads, replaced together."""

from interp.errors import COUNT, SHARE, Range
from interp.schema.form import Column, Table, count, share, text
from interp.schema.of_behaviours import RUN
from interp.schema.recurring import FEW_BLOCKS, HEADS, ends_of, interval_of

MEASURED = text(
    "metric",
    "logit_difference, log_prob and accuracy of the answer to a prompt; log_prob_of_repeats: of the tokens that stood "
    "in the sequence before",
)
UNIT = "that of metric"
DOCUMENTS = Column("n", "whole number", "documents", "prompts, or documents of repeated tokens, measured", COUNT)
REPLACEMENT = text(
    "replacement",
    "what takes the place of z: zero, mean, resample, uniform; noise: z of the corrupted text; denoise: z of the clean "
    "text, in the corrupted one",
)
HEADS_TOGETHER = text("heads", "heads that are replaced together, as layer.head")
ROLE = text("role", "the role whose heads these are, or the name given to them")

ROLE_ABLATION = Table(
    "role_ablation",
    "the heads of a role replaced together, and what they are held against: a row per replacement, metric and control",
    (
        *RUN,
        ROLE,
        text(
            "control",
            "whose heads are replaced: none (the role's own), random (of the same layers), as loud (of nearest mean "
            "output norm), heads of another role; same answer: the role's own, by z of a prompt with the same answer",
        ),
        REPLACEMENT,
        MEASURED,
        Column("draws", "whole number", "sets of heads", "how many sets the row is the mean of", COUNT),
        HEADS_TOGETHER._replace(empty="several sets (table `role_ablation_draws`)"),
        Column("size", "whole number", "heads", "how many are replaced together", COUNT),
        DOCUMENTS,
        Column("before", "number", UNIT, "mean of the model as it is; of denoise, on the corrupted text"),
        Column("after", "number", UNIT, "mean with these heads replaced"),
        Column("effect", "number", UNIT, "before minus after; of denoise, after minus before: positive, they help"),
        *interval_of("effect, over blocks of documents", UNIT),
        share("p", "probability", "two-sided sign-flip p of the null hypothesis of no effect", FEW_BLOCKS),
        Column("difference", "number", UNIT, "effect of the role's heads minus that of these", None, "control is none"),
        *(
            one._replace(name=f"difference_{end}")
            for end, one in zip(
                ("low", "high"),
                interval_of("that difference, block by block", UNIT, empty=f"control is none, or {FEW_BLOCKS}"),
                strict=True,
            )
        ),
        Column(
            "reaching",
            "number",
            "share of draws",
            "random sets whose effect is at least that of the role's heads",
            SHARE,
            "one set only",
        ),
        text(
            "verdict",
            "of the role's heads, by the interval of effect: matter (above 0), hurt, nothing; of controls, by that of "
            "difference: less (the control has less effect), more, alike",
            ("matter", "hurt", "nothing", "less", "more", "alike"),
            FEW_BLOCKS,
        ),
        text(
            "disagrees",
            "the replacements under which the verdict is another, and the controls that do not have less effect",
            None,
            "nothing disagrees",
        ),
    ),
)
ROLE_ABLATION_DRAWS = Table(
    "role_ablation_draws",
    "every random set of heads: a row per replacement, metric, role and set",
    (
        *RUN,
        ROLE,
        REPLACEMENT,
        MEASURED,
        count("draw", "none", "number of the set"),
        HEADS_TOGETHER,
        Column("effect", "number", UNIT, "as in the table `role_ablation`"),
    ),
)

PROMPTS = Column("n", "whole number", "prompts", "prompts of the confirm half, on which nothing was chosen", COUNT)
OUTSIDE = text("replacement", "what takes the place of z of all heads that are not left: as in `role_ablation`")
CHOSEN = (OUTSIDE, MEASURED)
LEFT = "with these heads left and all others replaced"


def with_ends(name: str, unit: str, meaning: str, empty: str = "") -> tuple[Column, ...]:
    """A number, `NAME_low` and `NAME_high`."""
    value = Column(name, "number", unit, meaning, None, empty)
    return value, *ends_of(value)


CIRCUIT = Table(
    "circuit",
    "how much of a behaviour a circuit has: a row for the circuit, one for the mean over random sets of its size",
    (
        *RUN,
        text("circuit", "the circuit, or sets of as many other heads of the same layers", ("circuit", "random")),
        HEADS_TOGETHER._replace(meaning="its heads, as layer.head", empty="random sets"),
        count("size", "heads", "how many are left"),
        Column("draws", "whole number", "sets of heads", "how many sets the row is the mean of", COUNT),
        PROMPTS,
        Column("full", "number", UNIT, "F(M): mean of the whole model"),
        Column("empty", "number", UNIT, "F(∅): mean with every head replaced"),
        *with_ends("value", UNIT, f"F(C): mean {LEFT}"),
        *with_ends("faithfulness", UNIT, "|F(M) − F(C)|: the smaller, the more faithful"),
        *with_ends("share", "none", "F(C) / F(M)"),
        *with_ends("normalised", "none", "(F(C) − F(∅)) / (F(M) − F(∅))"),
        Column(
            "reaching", "number", "share of draws", "random sets whose |F(M) − F(C)| is no larger", SHARE, "random sets"
        ),
        *CHOSEN,
    ),
)
CIRCUIT_COMPLETENESS = Table(
    "circuit_completeness",
    "the circuit and the model without subsets K of the circuit: a row per subset",
    (
        *RUN,
        text(
            "kind", "how K was chosen: not at all, at random, or head by head to be worst", ("none", "random", "greedy")
        ),
        count("subset", "none", "number of the subset"),
        HEADS_TOGETHER._replace(meaning="heads of K, as layer.head", empty="kind is none"),
        count("size", "heads", "how many these are"),
        PROMPTS,
        Column("circuit", "number", UNIT, "F(C∖K)"),
        Column("model_without", "number", UNIT, "F(M∖K): K alone is replaced"),
        *with_ends("difference", UNIT, "F(C∖K) − F(M∖K)"),
        *with_ends("incompleteness", UNIT, "its size, which is small for every K where a circuit is complete"),
        *CHOSEN,
    ),
)
CIRCUIT_MINIMALITY = Table(
    "circuit_minimality",
    "whether each head of the circuit is needed: a row per head",
    (
        *RUN,
        *HEADS,
        text(
            "subset", "heads of K, the subset without which this head matters most, chosen on select", None, "no head"
        ),
        PROMPTS,
        Column("with_head", "number", UNIT, "F(C∖K)"),
        Column("without", "number", UNIT, "F(C∖K) less this head"),
        *with_ends("change", UNIT, "with_head minus without"),
        *with_ends("share", "none", "that, as a share of F(M)"),
        *CHOSEN,
    ),
)
RANKING = text("ranking", "what orders heads: what they add directly (attribution), its size, or `random`")
DRAW = Column("draw", "whole number", "none", "number of a random ranking", Range(True, 0), "no single random ranking")
CIRCUIT_CURVE = Table(
    "circuit_curve",
    "what the first heads of a ranking have of the behaviour: a row per ranking and number of heads",
    (
        *RUN,
        RANKING,
        DRAW,
        count("heads_left", "heads", "heads that are left"),
        share("share_left", "share of heads", "the same as a share of all"),
        PROMPTS,
        Column("value", "number", UNIT, f"F(C): mean {LEFT}"),
        Column("faithfulness", "number", "none", "(F(C) − F(∅)) / (F(M) − F(∅))"),
        *interval_of("faithfulness, over blocks of prompts", "none"),
        *CHOSEN,
    ),
)
CIRCUIT_AREAS = Table(
    "circuit_areas",
    "areas of the faithfulness curve over the share of heads left: a row per ranking, one for the mean of random ones",
    (
        *RUN,
        RANKING,
        DRAW,
        Column("draws", "whole number", "rankings", "how many the row is the mean of", COUNT),
        PROMPTS,
        *with_ends("cpr", "none", "area under the curve (CPR): the larger, the better"),
        *with_ends("cmd", "none", "area between the curve and 1 (CMD): the smaller, the better"),
        *CHOSEN,
    ),
)
CIRCUITS = (CIRCUIT, CIRCUIT_COMPLETENESS, CIRCUIT_MINIMALITY, CIRCUIT_CURVE, CIRCUIT_AREAS)

NATS = "nats of the logit difference"
ASKED = PROMPTS._replace(meaning="prompts measured: the confirm half; all, where heads were given")
INTERACTIONS = Table(
    "interactions",
    "heads replaced together beside the same heads alone: a row per pair, and one for all heads",
    (
        *RUN,
        HEADS_TOGETHER,
        count("size", "heads", "how many these are"),
        OUTSIDE._replace(meaning="what takes the place of z: as in `role_ablation`"),
        MEASURED,
        ASKED,
        Column("joint", "number", UNIT, "effect of all of them together"),
        Column("sum_of_effects", "number", UNIT, "sum of the effects of each alone"),
        Column("interaction", "number", UNIT, "joint minus that sum: positive, where each stands in for the other"),
        *interval_of("interaction, over blocks of prompts", UNIT),
        share("p", "probability", "two-sided sign-flip p of the null hypothesis of no interaction", FEW_BLOCKS),
        share("q", "false discovery rate", "Benjamini-Hochberg q over these rows", FEW_BLOCKS),
    ),
)
SELF_REPAIR = Table(
    "self_repair",
    "what a head adds directly beside what is lost without it: a row per head that is replaced",
    (
        *RUN,
        *HEADS,
        ASKED,
        *with_ends("direct", NATS, "what the head adds directly, less what stands in its place does"),
        *with_ends("total", NATS, "what is lost when it is replaced"),
        *with_ends("repaired", NATS, "direct minus total: what all else makes up for"),
        *with_ends("by_heads", NATS, "what other heads add more than before, through the norm of the whole model"),
        *with_ends("by_rest", NATS, "repaired minus by_heads: by MLPs, and by the scale of the final norm"),
        OUTSIDE._replace(meaning="what takes the place of z: as in `role_ablation`"),
    ),
)
CHANGED_HEADS = Table(
    "changed_heads",
    "what a later head adds while a head is replaced: a row per replaced head and head of a later layer",
    (
        *RUN,
        *HEADS,
        count("other_layer", "none", "layer of the later head"),
        count("other_head", "none", "its number in its layer"),
        ASKED,
        Column("before", "number", NATS, "what it adds directly in the whole model"),
        Column("change", "number", NATS, "what it adds more while the head is replaced"),
        *interval_of("change, over blocks of prompts", NATS),
        share("p", "probability", "two-sided sign-flip p of the null hypothesis of no change", FEW_BLOCKS),
        share("q", "false discovery rate", "Benjamini-Hochberg q over these rows", FEW_BLOCKS),
        OUTSIDE._replace(meaning="what takes the place of z: as in `role_ablation`"),
    ),
)
TABLES = (ROLE_ABLATION, ROLE_ABLATION_DRAWS, *CIRCUITS, INTERACTIONS, SELF_REPAIR, CHANGED_HEADS)
