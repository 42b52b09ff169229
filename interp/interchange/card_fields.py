"""Which columns of which tables a head card has; their names, units and meanings are those of the tables."""

from interp.schema import TABLES
from interp.schema.recurring import HEADS, RUN

ROLE = (
    *("role", "family", "definition", "statistic", "n", "hit", "mass", "baseline", "baseline_name"),
    *("lift", "ci_low", "ci_high", "p", "q"),
    *("guess_pos", "lift_pos", "lift_pos_low", "lift_pos_high", "stability", "effective_blocks"),
    "fewer_effective_blocks",
)
"""Of the table `roles`; the name of the baseline is that of the table `scores`."""

EFFECT = (*("metric", "ablation", "n", "intact", "ablated", "effect", "effect_token", "ci_low", "ci_high", "p", "q"),)
"""Of the table `effects`."""

ATTENTION = ("entropy", "mean_distance", "null_attention")
"""Of the table `atlas`."""

SHAPE = ("definition", "n", "value", "ci_low", "ci_high")
"""Of the table `shape`."""

ANATOMY = tuple(column.name for column in TABLES["anatomy"].columns if column not in (*RUN, *HEADS))
"""Of the table `anatomy`: all that it says of a head."""

EXPLAINED = ("definition", "n", "explained", "ci_low", "ci_high")
"""Of the table `explanations`, of a run of experiment=explain."""

RULE = ("rule", "family", "share")
"""Of the table `cards`, the rules of one head in the order in which they were chosen."""
