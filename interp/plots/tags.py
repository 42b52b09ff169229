"""Parts of speech by parts of speech: where words of each tag attend, head by head."""

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.labels import name_run
from interp.plots.style import (
    DIVERGING,
    FULL_WIDTH,
    add_colour_bar,
    add_note,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
)

ACROSS = 3


@styled
def tag_matrices(tags: pd.DataFrame, *, heads: int = 6, least: int = 50) -> Figure:
    """Tags that attend (rows) by tags attended to (columns), of the heads with the largest excess over all words.

    Colours: `excess`, the share of the attention on words that goes to the tag, less that of even attention. At most
    one head is shown for each tag attended to, so that a common tag does not fill the figure. Rows of tags with fewer
    than `least` words are left out. `tags` needs: site layer head from_tag to_tag n excess.
    """
    check_table(tags, "tags", [*HEAD, "from_tag", "to_tag", "n", "excess"])
    tags = tags[tags["excess"].notna()]
    overall = tags[tags["from_tag"] == "any"].sort_values("excess", ascending=False, kind="stable")
    # the first row of a head, then the first head of a tag
    chosen = overall.drop_duplicates(HEAD).drop_duplicates("to_tag").head(heads)
    enough = tags[(tags["n"] >= least) | (tags["from_tag"] == "any")]
    if chosen.empty:
        return nothing_to_show("no word with a part of speech attended to another")
    names = sorted(set(enough["from_tag"]) - {"any"})
    rows, columns = [*names, "any"], sorted(set(tags["to_tag"]))
    matrices = [
        _matrix(enough[(enough[HEAD] == list(place)).all(axis=1)], rows, columns)
        for place in chosen[HEAD].itertuples(index=False)
    ]
    top = max(float(np.nanmax(np.abs(matrices))), 1e-6)
    norm = TwoSlopeNorm(0, -top, top)

    down = -(-len(matrices) // ACROSS)
    figure = new_figure(FULL_WIDTH, down * (len(rows) * 0.125 + 0.75) + 0.95)
    drawn = panels(figure, len(matrices), ACROSS)
    for number, (axes, matrix, row) in enumerate(zip(drawn, matrices, chosen.itertuples(), strict=True)):
        edges = np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5
        axes.pcolormesh(
            *edges, np.ma.masked_invalid(matrix), norm=norm, cmap=DIVERGING, edgecolors="white", linewidth=0.2
        )
        axes.invert_yaxis()
        axes.set_xticks(range(len(columns)), map(short, columns), rotation=90)
        axes.set_yticks(range(len(rows)), map(short, rows) if number % ACROSS == 0 else [])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.axhline(len(rows) - 1.5, color="0.3", linewidth=0.6)
        axes.set_title(f"head {head_name(row.site, row.layer, row.head)}, most to {short(row.to_tag)}")  # type: ignore[arg-type]
        axes.set_ylabel("words that attend" if number % ACROSS == 0 else "")
        axes.set_xlabel("words attended to" if number + ACROSS >= len(matrices) else "")
    below = {"location": "bottom", "shrink": 0.4, "aspect": 30}
    add_colour_bar(figure, drawn, norm, DIVERGING, "share of the attention on words − even attention", **below)
    notes = ["Heads: the largest excess over all words (last row), one for each tag."]
    left_out = tags["from_tag"].nunique() - len(rows)
    if left_out:
        notes.append(f"Rows of tags with fewer than {least} words are left out ({left_out}).")
    add_note(figure, notes)
    name_run(figure, tags)
    return figure


def _matrix(table: pd.DataFrame, rows: list[str], columns: list[str]) -> np.ndarray:
    wide = table.pivot_table(index="from_tag", columns="to_tag", values="excess", aggfunc="first")
    return floats_of(wide.reindex(index=rows, columns=columns))


def floats_of(table: pd.DataFrame) -> np.ndarray:
    """The table as floats, what is empty as NaN."""
    return np.stack([floats(table[column]) for column in table], axis=1)
