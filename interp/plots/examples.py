"""A document that a run has kept: which tokens heads attend to in it."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from interp.errors import InterpError
from interp.examples import STEPS, Example, Examples, Marked
from interp.heads import head_name
from interp.plots.captions import add_caption, how_many
from interp.plots.style import (
    MOST_HEIGHT,
    PAGE,
    SEQUENTIAL,
    SMALL,
    Style,
    add_colour_bar,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
    text_width,
)

MOST_HEADS = 4
BAR = 0.8
"""Inches that the colour bar and the gaps take."""
LINE = SMALL + 1.0
"""Points from one token at an axis to the next."""


@styled
def token_matrices(
    examples: Examples,
    heads: Sequence[tuple],
    document: int | None = None,
    *,
    role: str | None = None,
    style: Style = PAGE,
) -> Figure:
    """Token × token matrices of up to four `heads` in one document that a run has kept: rows attend to columns.

    `examples` are what `interp.load_examples` gives of a run's folder; a head is (layer, head) or, where there are
    several sites, (site, layer, head). `document` is its number in the corpus, as in the table `examples`; the first
    that was kept where none is given. With `role`, the name of one that is asked of tokens, its targets have a frame.
    Raises `InterpError` for a head, document or role that the examples do not have.
    """
    if not examples.documents:
        return nothing_to_show("the run has kept no document", style)
    example = _document(examples, document)
    chosen = [_head(examples, given) for given in heads]
    if not 1 <= len(chosen) <= MOST_HEADS:
        raise InterpError(f"{len(chosen)} heads were given; a figure shows 1 to {MOST_HEADS}.")
    marked = None if role is None else _marked(examples, role)

    sides = [(example.query_side(site).tokens, example.key_side(site).tokens) for site, _, _ in chosen]
    longest = max(text_width(short(token)) for both in sides for side in both for token in side) / 72
    most = max(len(side) for both in sides for side in both)
    across = 1 if style.is_narrow else min(len(chosen), 2)
    rows = -(-len(chosen) // across)
    # one matrix alone needs no more of a page than is good to read, and all of them fit on one
    widest, highest = min((style.inches - BAR) / across, 4.5) - longest, (MOST_HEIGHT - 0.6) / rows - longest - 0.35
    cell = min(widest / most, highest / most, 0.3)
    step = max(int(np.ceil(LINE / (cell * 72))), 1)
    figure = new_figure(style, rows * (most * cell + longest + 0.35) + 0.5)
    norm = Normalize(0, 1)
    drawn = panels(figure, len(chosen), across)
    for axes, place, (queries, keys) in zip(drawn, chosen, sides, strict=True):
        site, layer, head = place
        pattern = example.patterns[site][examples.of_site(site).index((layer, head))]
        axes.pcolormesh(
            np.arange(len(keys) + 1) - 0.5, np.arange(len(queries) + 1) - 0.5, pattern / STEPS, norm=norm,
            cmap=SEQUENTIAL, edgecolors="white", linewidth=0.3 if cell * 72 > 6 else 0,
        )  # fmt: skip
        if marked is not None:
            _frame_targets(axes, example, site, marked[0])
        axes.set_xticks(range(0, len(keys), step), [short(key) for key in keys[::step]], rotation=90, fontsize=SMALL)
        axes.set_yticks(range(0, len(queries), step), [short(query) for query in queries[::step]], fontsize=SMALL)
        axes.tick_params(length=0, pad=2)
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)
        axes.set_title(f"head {head_name(*place)}")
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, "attention from row to column", shrink=0.6, aspect=25)
    notes = [] if marked is None else [f"Framed: the targets of the role {marked[1].name} that can be seen."]
    notes += [f"Of {step} tokens, one is named."] if step > 1 else []
    shows = "Attention from the token of a row to that of a column (0 to 1), special tokens included, head by head."
    counts = [f"1 document (number {example.document})", how_many(most, "tokens"), how_many(len(chosen), "heads")]
    add_caption(figure, pd.DataFrame(), shows, counts, notes)
    return figure


def _frame_targets(axes: Axes, example: Example, site: str, number: int) -> None:
    """A frame around every target of the role of this number."""
    for role, query, key in example.marks[site]:
        if role == number:
            axes.add_patch(Rectangle((key - 0.5, query - 0.5), 1, 1, fill=False, edgecolor="black", linewidth=0.5))


def _document(examples: Examples, document: int | None) -> Example:
    kept = {example.document: example for example in examples.documents}
    if document is None:
        return examples.documents[0]
    if document not in kept:
        raise InterpError(f"Document {document} is not among the examples. Allowed: {', '.join(map(str, kept))}.")
    return kept[document]


def _head(examples: Examples, given: tuple) -> tuple[str, int, int]:
    sites = list(dict.fromkeys(site for site, _, _ in examples.heads))
    if len(given) == 2 and len(sites) > 1:
        raise InterpError(f"Head {given} could be any of {', '.join(sites)}: give (site, layer, head).")
    place = given if len(given) == 3 else (sites[0], *given)
    if place not in examples.heads:
        layers, most = (max(head[number] for head in examples.heads) for number in (1, 2))
        raise InterpError(f"Head {given} is not in the examples: layers 0 to {layers}, heads 0 to {most}, {sites}.")
    return place


def _marked(examples: Examples, role: str) -> tuple[int, Marked]:
    """The number of the role among those that are marked, and what is known of it."""
    of_tokens = {one.name: (number, one) for number, one in enumerate(examples.roles) if one.unit == "token"}
    if role not in of_tokens:
        raise InterpError(
            f"The role {role!r} is not marked on tokens in these examples. "
            f"Allowed: {', '.join(of_tokens) or 'none, as the run asked for none of tokens'}."
        )
    return of_tokens[role]
