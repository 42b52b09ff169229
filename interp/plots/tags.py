"""Parts of speech by parts of speech: where words of each tag attend, head by head."""

import numpy as np
import pandas as pd
from matplotlib.colors import TwoSlopeNorm
from matplotlib.figure import Figure

from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, counted, heads_in
from interp.plots.heat_map import NEGATIVE, mark_negative
from interp.plots.labels import name_run, wrapped
from interp.plots.style import (
    DIVERGING,
    MOST_HEIGHT,
    PAGE,
    Style,
    add_colour_bar,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    points,
    short,
    styled,
    text_width,
)

AROUND = 0.95
"""Inches that a row of panels takes beside its cells: a title, labels and gaps."""
BELOW = 0.95
"""Inches for the colour bar and the notes."""


@styled
def tag_matrices(tags: pd.DataFrame, *, heads: int = 6, least: int = 50, style: Style = PAGE) -> Figure:
    """Tags that attend (rows) by tags attended to (columns), of the heads with the largest excess over all words.

    Colours: `excess`, the share of the attention on words that goes to the tag, less that of even attention. At most
    one head is shown for each tag attended to, so that a common tag does not fill the figure, and as many as a page
    has room for. Rows of tags with fewer than `least` words are left out. `tags` needs: site layer head from_tag
    to_tag n excess.
    """
    check_table(tags, "tags", [*HEAD, "from_tag", "to_tag", "n", "excess"])
    tags = tags[tags["excess"].notna()]
    overall = tags[tags["from_tag"] == "any"].sort_values("excess", ascending=False, kind="stable")
    # the first row of a head, then the first head of a tag
    chosen = overall.drop_duplicates(HEAD).drop_duplicates("to_tag").head(heads)
    enough = tags[(tags["n"] >= least) | (tags["from_tag"] == "any")]
    if chosen.empty:
        return nothing_to_show("no word with a part of speech attended to another", style)
    names = sorted(set(enough["from_tag"]) - {"any"})
    rows, columns = [*names, "any"], sorted(set(tags["to_tag"]))

    line = (points("xtick.labelsize") + 1.5) / 72
    longest = max(text_width(short(name), points("xtick.labelsize")) for name in [*rows, *columns]) / 72
    across = max(int((style.inches - longest - 0.2) / (len(columns) * line + 0.1)), 1)
    across = min(across, 3, len(chosen))
    tall = len(rows) * line + longest + AROUND - 0.3
    down = max(min(-(-len(chosen) // across), int((MOST_HEIGHT - BELOW) / tall)), 1)
    chosen = chosen.head(across * down)
    matrices = [
        _matrix(enough[(enough[HEAD] == list(place)).all(axis=1)], rows, columns)
        for place in chosen[HEAD].itertuples(index=False)
    ]
    top = max(float(np.nanmax(np.abs(matrices))), 1e-6)
    norm = TwoSlopeNorm(0, -top, top)

    figure = new_figure(style, down * tall + BELOW)
    drawn, has_negative = panels(figure, len(matrices), across), False
    for number, (axes, matrix, row) in enumerate(zip(drawn, matrices, chosen.itertuples(), strict=True)):
        edges = np.arange(len(columns) + 1) - 0.5, np.arange(len(rows) + 1) - 0.5
        axes.pcolormesh(
            *edges, np.ma.masked_invalid(matrix), norm=norm, cmap=DIVERGING, edgecolors="white", linewidth=0.2
        )
        has_negative |= mark_negative(axes, matrix, norm)
        axes.invert_yaxis()
        axes.set_xticks(range(len(columns)), map(short, columns), rotation=90)
        axes.set_yticks(range(len(rows)), map(short, rows) if number % across == 0 else [])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.axhline(len(rows) - 1.5, color="0.3", linewidth=0.6)
        title = f"head {head_name(row.site, row.layer, row.head)}, most to {short(row.to_tag)}"  # type: ignore[arg-type]
        axes.set_title(wrapped(title, style.inches * 72 / across - 25))
        axes.set_ylabel("words that attend" if number % across == 0 else "")
        axes.set_xlabel("words attended to" if number + across >= len(matrices) else "")
    below = {"location": "bottom", "shrink": 0.4 if across > 1 else 0.9, "aspect": 30}
    label = "share of the attention on words − even attention"
    add_colour_bar(figure, drawn, norm, DIVERGING, wrapped(label, style.inches * 72 - 40, 7.0), **below)
    notes = ["Heads: the largest excess over all words (last row), one for each tag."]
    left_out = tags["from_tag"].nunique() - len(rows)
    if left_out:
        notes.append(f"Rows of tags with fewer than {least} words are left out ({left_out}).")
    notes += [NEGATIVE] if has_negative else []
    shows = "Where words of each part of speech attend; 95 % intervals are in the table tags."
    counts = [f"{len(matrices)} of {heads_in(tags)}", counted(enough[enough["from_tag"] == "any"], "words")]
    add_caption(figure, tags, shows, [*counts, counted(enough[enough["from_tag"] != "any"], "words a tag")], notes)
    name_run(figure, tags)
    return figure


def _matrix(table: pd.DataFrame, rows: list[str], columns: list[str]) -> np.ndarray:
    wide = table.pivot_table(index="from_tag", columns="to_tag", values="excess", aggfunc="first")
    return floats_of(wide.reindex(index=rows, columns=columns))


def floats_of(table: pd.DataFrame) -> np.ndarray:
    """The table as floats, what is empty as NaN."""
    return np.stack([floats(table[column]) for column in table], axis=1)
