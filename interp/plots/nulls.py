"""What heads do for their roles, beside what is found where there is nothing to find."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.plots.labels import name_run
from interp.plots.style import (
    BASELINE,
    FULL_WIDTH,
    add_note,
    check_table,
    families_in,
    family_colour,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)

NAMES = {
    "none": "real",
    "permuted_gold": "gold\npermuted",
    "shuffled_rows": "attention\nshuffled",
    "random_init": "random\nweights",
}


@styled
def real_against_nulls(lifts: pd.DataFrame, margin: float | None = None) -> Figure:
    """For each family of roles, the lift of every role's best head: real, and in each null (seeds side by side).

    A dot is one role (the head chosen on select, its lift on confirm); a line at 0, and one at `margin`. `lifts` needs:
    null null_seed role family lift.
    """
    check_table(lifts, "null_lifts", ["null", "null_seed", "role", "family", "lift"])
    lifts = lifts[lifts["lift"].notna()]
    if lifts.empty:
        return nothing_to_show("no role had enough queries and source documents to be tested")
    families = families_in(lifts["family"])
    nulls = list(dict.fromkeys(lifts["null"]))
    across = min(len(families), 3)
    figure = new_figure(FULL_WIDTH, 0.5 + 2.1 * -(-len(families) // across))
    all_axes = panels(figure, len(families), across, sharey=True)
    for family, axes in zip(families, all_axes, strict=True):
        of_family = lifts[lifts["family"] == family]
        axes.axhline(0, color=BASELINE, linewidth=0.6, zorder=0)
        if margin is not None:
            axes.axhline(margin, color=BASELINE, linewidth=0.6, linestyle=":", zorder=0)
        for place, null in enumerate(nulls):
            here = of_family[of_family["null"] == null]
            seeds = list(dict.fromkeys(here["null_seed"].astype(object)))
            for number, seed in enumerate(seeds):
                of_seed = here[here["null_seed"].isna()] if pd.isna(seed) else here[here["null_seed"] == seed]
                x = place + (0.6 * ((number + 0.5) / len(seeds) - 0.5))
                colour = family_colour(family) if null == "none" else "0.45"
                values = floats(of_seed["lift"])
                axes.scatter(np.full(len(values), x), values, s=7, color=colour, alpha=0.6, linewidths=0)
            if here.empty:
                axes.annotate(
                    "does not apply",
                    (place, 0),
                    (0, 4),
                    textcoords="offset points",
                    ha="center",
                    color="0.45",
                    fontsize=6,
                )
        axes.set_title(family)
        axes.set_xticks(range(len(nulls)), [str(NAMES.get(null, null)) for null in nulls])
        axes.set_xlim(-0.5, len(nulls) - 0.5)
        axes.tick_params(axis="x", length=0)
    for axes in all_axes[::across]:
        axes.set_ylabel("lift of each role's best head\n(held-out split)")
    notes = ["A dot is a role: its head was chosen on the discovery split. Seeds of a null stand side by side."]
    notes += [] if margin is None else ["Dotted: the margin that a role asks for."]
    add_note(figure, notes)
    name_run(figure, lifts)
    return figure
