"""How many governors each parser finds: attention alone, words and distances, and random weights."""

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.plots.captions import add_caption, counted, how_many
from interp.plots.labels import dot, legend_above
from interp.plots.style import (
    BASELINE,
    PAGE,
    Style,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    short,
    styled,
)

OF_HEADS = ("all_heads", "syntax_role_heads", "best_head")
WITH_BOTH = ("all_heads_and_words",)
MOST_ROWS = 45


@styled
def probe_bars(probe: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The share of words whose governor each parser finds (UAS), with its 95 % interval; the best on top.

    `probe` needs: probe null_seed heads which n uas ci_low ci_high.
    """
    check_table(probe, "probe", ["probe", "null_seed", "heads", "which", "n", "uas", "ci_low", "ci_high"])
    known = probe[probe["uas"].notna()].sort_values("uas", kind="stable").tail(MOST_ROWS)
    if known.empty:
        return nothing_to_show("no parser was fitted", style)
    rows = np.arange(len(known))
    figure = new_figure(style, 0.19 * len(known) + 0.95)
    axes = figure.subplots()
    kinds = {"attention": style.series[0], "attention, words and distances": style.series[2],
             "no attention of the model": BASELINE}  # fmt: skip
    marks = dict(zip(kinds, "osD", strict=True))
    of = ["attention" if name in OF_HEADS else "attention, words and distances" if name in WITH_BOTH
          else "no attention of the model" for name in known["probe"]]  # fmt: skip
    for kind, colour in kinds.items():
        here = np.array([one == kind for one in of])
        value, low, high = (floats(known[name])[here] for name in ("uas", "ci_low", "ci_high"))
        axes.hlines(rows[here], low, high, color=colour, linewidth=1.0)
        axes.scatter(value, rows[here], color=colour, s=14, marker=marks[kind], zorder=2)
    names = []
    for name, heads, which, seed in zip(
        known["probe"], known["heads"], known["which"], known["null_seed"], strict=True
    ):
        of_heads = f" {which}" if heads == 1 else f" ({heads})" if name == "syntax_role_heads" else ""
        names.append(f"{str(name).replace('_', ' ')}{of_heads}{'' if pd.isna(seed) else f' (seed {seed})'}")
    axes.set_yticks(rows, [short(name) for name in names])
    axes.set(xlabel="share of governors found (UAS)", ylim=(-0.7, len(known) - 0.3), xlim=(0, 1))
    legend_above(figure, known, [dot(kinds[one], one, marker=marks[one]) for one in kinds if one in of],
                 handletextpad=0.1)  # fmt: skip
    shows = "The share of words whose governor each parser finds on the held-out split, punctuation left out."
    notes = ["Bars: 95 % intervals."] if known["ci_low"].notna().any() else []
    add_caption(figure, known, shows, [counted(known, "words"), how_many(len(known), "parsers")], notes)
    return figure
