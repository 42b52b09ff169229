"""What heads do for their roles, beside what is found where there is nothing to find."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import name_run
from interp.plots.style import (
    BASELINE,
    PAGE,
    Style,
    check_table,
    families_in,
    floats,
    marker,
    new_figure,
    nothing_to_show,
    panels,
    points,
    styled,
)

NAMES = {
    "none": "real",
    "permuted_gold": "gold\npermuted",
    "shuffled_rows": "attention\nshuffled",
    "random_init": "random\nweights",
}


@styled
def real_against_nulls(lifts: pd.DataFrame, margin: float | None = None, *, style: Style = PAGE) -> Figure:
    """For each family of roles, the lift of every role's best head: real, and in each null (seeds side by side).

    A dot is one role (the head chosen on select, its lift on confirm); a line at 0, and one at `margin`. `lifts` needs:
    null null_seed role family lift.
    """
    check_table(lifts, "null_lifts", ["null", "null_seed", "role", "family", "lift"])
    lifts = lifts[lifts["lift"].notna()]
    if lifts.empty:
        return nothing_to_show("no role had enough queries and source documents to be tested", style)
    families = families_in(lifts["family"])
    nulls = list(dict.fromkeys(lifts["null"]))
    across = 1 if style.is_narrow else min(len(families), 3)
    rows = -(-len(families) // across)
    figure = new_figure(style, 0.7 + (1.35 if style.is_narrow else 2.1) * rows)
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
                values, is_real = floats(of_seed["lift"]), null == "none"
                colour = style.family_colour(family) if is_real else "0.45"
                if is_real and "ci_low" in of_seed:
                    # side by side, so that intervals can be told apart
                    x = x + np.linspace(-0.2, 0.2, len(values)) if len(values) > 1 else x
                    axes.vlines(x, floats(of_seed["ci_low"]), floats(of_seed["ci_high"]), color=colour, linewidth=0.6)
                look = {"marker": marker(family), "s": 12} if is_real else {"marker": "o", "s": 7, "alpha": 0.6}
                axes.scatter(np.broadcast_to(x, len(values)), values, color=colour, linewidths=0, **look)
            if here.empty:
                axes.annotate(
                    "does not apply",
                    (place, 0),
                    (0, 4),
                    textcoords="offset points",
                    ha="center",
                    color="0.45",
                    fontsize=6,
                    bbox={"facecolor": "white", "edgecolor": "none", "pad": 1},
                )
        axes.set_title(family)
        axes.set_xticks(range(len(nulls)), [str(NAMES.get(null, null)) for null in nulls])
        axes.set_xlim(-0.5, len(nulls) - 0.5)
        axes.tick_params(axis="x", length=0)
    figure.supylabel("lift of each role's best head (held-out split)", fontsize=points("axes.labelsize"))
    notes = ["A mark is a role: its head was chosen on the discovery split. Seeds of a null stand side by side."]
    notes += ["Bars: 95 % intervals of real lifts."] if "ci_low" in lifts and lifts["ci_low"].notna().any() else []
    notes += [] if margin is None else ["Dotted: the margin that a role asks for."]
    shows = "What each role's best head does, beside what is found where there is nothing to find."
    real = lifts[lifts["null"] == "none"]
    seeds = lifts.loc[lifts["null"] != "none", ["null", "null_seed"]].drop_duplicates()
    counts = [how_many(real["role"].nunique(), "roles"), counted(real, "queries a role")]
    add_caption(figure, lifts, shows, [*counts, how_many(len(seeds), "seeds of nulls")], notes)
    name_run(figure, lifts)
    return figure
