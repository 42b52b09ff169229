"""The tables of what causes a behaviour: heads of roles, circuits, and pairs of heads, replaced together."""

from interp.errors import COUNT, SHARE
from interp.schema.form import Column, Table, count, share, text
from interp.schema.of_behaviours import RUN
from interp.schema.recurring import FEW_BLOCKS, interval_of

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
TABLES = (ROLE_ABLATION, ROLE_ABLATION_DRAWS)
