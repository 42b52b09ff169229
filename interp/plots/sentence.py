"""One sentence: which words each head attends to."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path

from interp.errors import InterpError
from interp.heads import HEAD, head_name
from interp.plots.captions import add_caption, heads_in, how_many
from interp.plots.labels import name_run
from interp.plots.style import (
    MOST_HEIGHT,
    PAGE,
    SEQUENTIAL,
    Style,
    add_colour_bar,
    check_table,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    short,
    styled,
    text_width,
)
from interp.tables.sentence import most_attending_heads, words_of

MOST_HEADS = 4
MOST_ROWS = 10
MOST_BARS = 5
"""Candidates with a bar each; more are a map."""
LEAST_MASS = 0.1
LABEL = 6.0
"""Points of a word at an axis."""
LINE = LABEL + 1.0
"""Points from one word at an axis to the next."""
HATCHES = ("", "////", "....", "xxxx", "----")


def sentence_figures(tables: Mapping[str, pd.DataFrame], *, style: Style = PAGE) -> dict[str, Figure]:
    """The best heads as arcs and as matrices; with a query also its candidates, head by head.

    `tables` are `attention` and, with a query, `candidates`, as `interp.explain_sentence` gives them.
    """
    attention, heads = tables["attention"], most_attending_heads(tables)
    words = words_of(attention)
    figures = {"matrices": attention_matrices(attention, heads, style=style)}
    if across := most_attending_heads({"attention": attention}, sites=("cross",)):
        figures["cross_matrices"] = attention_matrices(attention, across, style=style)
    if "candidates" not in tables:
        return figures | {"arcs": attention_arcs(attention, words, heads, style=style)}
    found = tables["candidates"]
    return figures | {
        "arcs": attention_arcs(attention, words, heads, query=int(found["query"].iloc[0]), style=style),
        "candidates": candidate_bars(found.assign(query_word=[words[i] for i in found["query"]]), style=style),
    }


@styled
def attention_arcs(
    attention: pd.DataFrame,
    words: Sequence[str],
    heads: Sequence[tuple],
    query: int | np.integer | None = None,
    *,
    style: Style = PAGE,
) -> Figure:
    """Arcs from each word to the words it attends to, wider and darker with more mass; a panel per head, four at most.

    `heads` are (site, layer, head), or (layer, head) where a model has one site. Arcs below a mass of 0.1 are
    left out. With `query` (a word's position) only that word's arcs are drawn. Every word is named where there is room.
    `attention` needs: site layer head query key mass.
    """
    check_table(attention, "attention", [*HEAD, "query", "key", "mass"])
    if attention.empty or not len(words):
        return nothing_to_show("the sentence has no attention between words", style)
    if query is not None and not 0 <= query < len(words):
        raise InterpError(f"query={query} is no word of the sentence; its words are 0 to {len(words) - 1}.")
    if int(attention[["query", "key"]].to_numpy().max()) >= len(words):
        raise InterpError(f"The table attention speaks of more words than the {len(words)} given.")
    words = [short(word) for word in words]
    chosen = _choose(attention, heads)
    slot = (style.inches - 0.3) * 72 / len(words)
    longest = max(text_width(word, 7.0) for word in words)
    turn = 0 if longest < slot - 2 else 45 if slot > 14 else 90
    # where a line of words has no room, they stand in two, one below the other
    lines = 1 if turn != 90 or slot >= LINE else 2
    step = max(int(np.ceil(LINE / slot / 2)), 1) if lines == 2 else 1
    each = 1.15 + (lines * longest / 72 if turn else 0.15)
    # arcs may be lower, so that more heads have room
    each = max(min(each, (MOST_HEIGHT - 0.6) / len(chosen)), each - 0.5)
    kept = _that_fit(chosen, each)
    figure = new_figure(style, len(kept) * each + 0.5)
    for axes, (name, table) in zip(panels(figure, len(kept), 1), kept.items(), strict=True):
        table = table if query is None else table[table["query"] == query]
        _arcs(axes, table[floats(table["mass"]) >= LEAST_MASS], len(words), style)
        _name_words(axes, words, turn, lines, step)
        if query is not None:
            colour = style.family_colour("lexical")
            for label in [*axes.get_xticklabels(), *axes.get_xticklabels(minor=True)]:
                if label.get_text() == words[query] and round(label.get_position()[0]) == query:
                    label.set(color=colour, fontweight="bold")
            axes.plot(query, 0, "o", color=colour, markersize=4, clip_on=False, zorder=4)
        # its name may have no room below the axis
        axes.set_title(f"head {name}" if query is None or step == 1 else f"head {name}, from {words[query]} ({query})")
    name_run(figure, attention)
    notes = [
        f"Arcs run from a word to the word it attends to; mass below {LEAST_MASS} is not drawn.",
        _not_counted(kept),
    ]
    shows = (
        "Which words each head attends to; an arc is the wider and darker the more attention it stands for (0 to 1)."
    )
    add_caption(figure, attention, shows, _counts(kept, chosen, len(words)), [*notes, *_left_out(kept, chosen, step)])
    return figure


def _name_words(axes: Axes, words: Sequence[str], turn: int, lines: int, step: int) -> None:
    """The words under an axis; in two lines, every second further down at the end of a stroke."""
    named = range(0, len(words), step)
    axes.set_xticks(
        named[::lines], [words[place] for place in named[::lines]], rotation=turn, fontsize=7 if turn != 90 else LABEL
    )
    if turn == 45:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    if lines == 2 and len(named) > 1:
        depth = max(text_width(words[place]) for place in named[::2]) + 5
        axes.set_xticks(named[1::2], [words[place] for place in named[1::2]], minor=True, rotation=90, fontsize=LABEL)
        axes.tick_params(axis="x", which="minor", length=depth, width=0.3, color="0.75", pad=1)


def _that_fit(chosen: Mapping[str, pd.DataFrame], each: float) -> dict[str, pd.DataFrame]:
    """The first heads, as many as a page has room for with so many inches each; one at least."""
    return dict(list(chosen.items())[: max(int((MOST_HEIGHT - 0.6) / each), 1)])


def _not_counted(kept: Mapping[str, pd.DataFrame]) -> str:
    """Why the attention of a word to others sums to less than 1."""
    across = all((table["site"] == "cross").all() for table in kept.values())
    what = "special tokens" if across else "special tokens and to the word itself"
    return f"Attention to {what} is not counted, so that what a word gives to others sums to less than 1."


def _counts(kept: Mapping[str, pd.DataFrame], chosen: Mapping[str, pd.DataFrame], words: int) -> list[str]:
    heads = how_many(len(kept), "heads")
    return [
        "1 sentence",
        how_many(words, "words"),
        heads if len(kept) == len(chosen) else f"{len(kept)} of {len(chosen)} heads",
    ]


def _left_out(kept: Mapping[str, pd.DataFrame], chosen: Mapping[str, pd.DataFrame], step: int) -> list[str]:
    """What a page has no room for."""
    missing = [name for name in chosen if name not in kept]
    notes = [f"A page has no room for {', '.join(missing)}: draw such heads by themselves."] if missing else []
    return notes + ([f"Of {step} words, one is named."] if step > 1 else [])


def _arcs(axes: Axes, table: pd.DataFrame, count: int, style: Style) -> None:
    """One arrow per row, the higher the further it reaches."""
    colour = style.family_colour("positional")
    furthest = max(int((table["query"] - table["key"]).abs().max()), 1) if len(table) else 1
    for row in table.sort_values("mass").itertuples():
        start, end, mass = float(row.query), float(row.key), float(row.mass)  # type: ignore[arg-type]
        height = 1.25 * np.sqrt(abs(end - start) / furthest)
        path = Path([(start, 0.04), (start, height), (end, height), (end, 0.04)], [Path.MOVETO, *[Path.CURVE4] * 3])
        arrow = FancyArrowPatch(
            path=path, arrowstyle="-|>,head_length=2.5,head_width=1.3", mutation_scale=1, linewidth=0.4 + 2.6 * mass,
            color=colour, alpha=0.2 + 0.8 * min(mass, 1), shrinkA=0, shrinkB=0, capstyle="butt", joinstyle="miter",
        )  # fmt: skip
        arrow.set_gid(f"{start:.0f}-{end:.0f}")
        axes.add_patch(arrow)
    if table.empty:
        axes.text(0.5, 0.4, f"no mass of {LEAST_MASS} or more", transform=axes.transAxes, ha="center", color="0.4")
    axes.set(xlim=(-0.6, count - 0.4), ylim=(0, 1.02), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=0)


@styled
def attention_matrices(attention: pd.DataFrame, heads: Sequence[tuple], *, style: Style = PAGE) -> Figure:
    """Word × word matrices of up to four `heads` (as in `attention_arcs`): rows attend to columns.

    Where the table has what rules give (`modelled`), that stands beside the attention of each head, in the same
    colours. Of long sentences fewer heads have room on a page, and words are named at both sides in turn, so that all
    of them are. `attention` needs: site layer head query query_word key key_word mass.
    """
    check_table(attention, "attention", [*HEAD, "query", "query_word", "key", "key_word", "mass"])
    if attention.empty:
        return nothing_to_show("the sentence has no attention between words", style)
    chosen = _choose(attention, heads)
    named_words = {name: _words_of_axes(table) for name, table in chosen.items()}
    # words without any attention have no row and no column at the end
    down, over = (max(max(both[side]) for both in named_words.values()) + 1 for side in (0, 1))
    longest = max(text_width(word) for both in named_words.values() for side in both for word in side.values()) / 72
    bar = 0.65
    shown = _shown(chosen)
    together = len(shown) // len(chosen)
    cell, across, sides = _cells(style.inches - bar, over, longest, len(shown))
    rows = -(-len(shown) // across)
    around = longest * (2 if sides == 2 else 1) + 0.45
    # what belongs together stands on one page, side by side where there is room; then cells are as small as words allow
    least = together if across == 1 else 1
    closest = int((MOST_HEIGHT - 0.6) / (down * LINE / 72 + around)) // least * least if together == 2 else 1
    cell = min(cell, ((MOST_HEIGHT - 0.6) / max(min(rows, closest), least) - around) / down)
    each = down * cell + around
    rows = min(rows, max(int((MOST_HEIGHT - 0.6) / each + 1e-6) // least * least, least))
    kept = dict(list(chosen.items())[: rows * across // together])
    shown = shown[: len(kept) * together]
    step = max(int(np.ceil(LINE / (cell * 72) / sides)), 1)

    figure = new_figure(style, rows * each + 0.6)
    largest = [np.nanmax(floats(kept[one.head][one.column]), initial=0) for one in shown]
    norm = Normalize(0, max(*map(float, largest), 1e-6))
    drawn = panels(figure, len(shown), across)
    for axes, (name, column, title) in zip(drawn, shown, strict=True):
        table = kept[name]
        queries, keys = named_words[name]
        rows_here, columns_here = max(queries) + 1, max(keys) + 1
        matrix = np.full((rows_here, columns_here), np.nan)
        matrix[table["query"].to_numpy(int), table["key"].to_numpy(int)] = floats(table[column])
        axes.pcolormesh(
            np.arange(columns_here + 1) - 0.5, np.arange(rows_here + 1) - 0.5, np.ma.masked_invalid(matrix), norm=norm,
            cmap=SEQUENTIAL, edgecolors="white", linewidth=0.3 if cell * 72 > 6 else 0,
        )  # fmt: skip
        _name_both_sides(axes, keys, queries, step, sides)
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)
        axes.set_title(title)
    bar_height = min(2.5, rows * down * cell)
    beside = {"shrink": min(bar_height / (rows * each), 0.9), "aspect": bar_height * 10}
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, "attention from row to column", **beside)
    name_run(figure, attention)
    has_blind = any(len(table) < len(named_words[name][0]) * len(named_words[name][1]) for name, table in kept.items())
    notes = ["Grey: no attention is counted (a word's own, or what it cannot see)."] if has_blind else []
    shows = "Attention from the word of a row to that of a column (0 to 1), head by head."
    if together == 2:
        shows += " Beside it what the rules of a run of experiment=explain give, with its strengths for the head."
    notes += [_not_counted(kept), *_left_out(kept, chosen, step)]
    words = down if over == down else down + over
    add_caption(figure, attention, shows, _counts(kept, chosen, words), notes)
    return figure


class _Matrix(NamedTuple):
    """A matrix that is drawn: of which head, of which column of the table, under which title."""

    head: str
    column: str
    title: str


def _shown(chosen: Mapping[str, pd.DataFrame]) -> list[_Matrix]:
    """Every head's attention, and beside it what rules give, where that is known of all of them."""
    if not all("modelled" in table and table["modelled"].notna().any() for table in chosen.values()):
        return [_Matrix(name, "mass", f"head {name}") for name in chosen]
    pairs = (("mass", "attention"), ("modelled", "rules"))
    return [_Matrix(name, column, f"head {name}: {what}") for name in chosen for column, what in pairs]


def _cells(width: float, over: int, longest: float, heads: int) -> tuple[float, int, int]:
    """Inches of a cell, how many matrices stand side by side, and at how many sides words are named.

    As many side by side as can be without words being left out, two at most; else the words at two sides in turn.
    """
    for across, sides in ((2, 1), (1, 1), (1, 2)):
        cell = min((width / across - sides * longest - 0.15) / over, 0.3)
        if across <= heads and cell * 72 * sides >= LINE:
            return cell, across, sides
    return max((width - 2 * longest - 0.15) / over, 0.01), 1, 2


def _name_both_sides(axes: Axes, keys: Mapping[int, str], queries: Mapping[int, str], step: int, sides: int) -> None:
    """Words below and at the left; with two sides every second above and at the right."""
    for axis, words in (("x", keys), ("y", queries)):
        named = range(0, max(words) + 1, step)
        put = axes.set_xticks if axis == "x" else axes.set_yticks
        turn: dict[str, Any] = {"rotation": 90} if axis == "x" else {}
        put(named[::sides], [words.get(place, "") for place in named[::sides]], fontsize=LABEL, **turn)
        if sides == 2:
            others = named[1::2]
            put(others, [words.get(place, "") for place in others], minor=True, fontsize=LABEL, **turn)
            here, there = ("bottom", "top") if axis == "x" else ("left", "right")
            look = {here: False, there: True, f"label{here}": False, f"label{there}": True}
            axes.tick_params(axis=axis, which="minor", **look)  # type: ignore[arg-type]
    axes.tick_params(which="both", length=0, pad=2)


def _words_of_axes(table: pd.DataFrame) -> tuple[dict[int, str], dict[int, str]]:
    """The words that attend and those attended to: the same ones, except across two texts."""
    queries, keys = (
        {int(place): short(word) for place, word in zip(table[side], table[f"{side}_word"], strict=True)}
        for side in ("query", "key")
    )
    if (table["site"] == "cross").any():
        return queries, keys
    every = keys | queries
    return every, every


@styled
def candidate_bars(candidates: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """For each query word, the ten heads with the most mass on any candidate: a bar per candidate, five at most.

    Of more candidates a map: heads by candidates. `candidates` needs: site layer head query candidate mass; query_word
    and candidate_word name the words.
    """
    check_table(candidates, "candidates", [*HEAD, "query", "candidate", "mass"])
    candidates = candidates[candidates["mass"].notna()]
    if candidates.empty:
        return nothing_to_show("no head has attention from the query to a candidate", style)
    queries, places = (sorted(map(int, candidates[name].unique())) for name in ("query", "candidate"))
    draw = _bars if len(places) <= MOST_BARS else _candidate_map
    longest = max(text_width(_word(candidates, "candidate", place)) for place in places) / 72
    each = 2.2 if len(places) <= MOST_BARS else MOST_ROWS * 0.16 + longest + 0.6
    figure = new_figure(style, each * len(queries) + 0.5)
    for axes, query in zip(panels(figure, len(queries), 1), queries, strict=True):
        here = candidates[candidates["query"] == query]
        ranked = here.sort_values("mass", ascending=False, kind="stable")[HEAD].drop_duplicates()[:MOST_ROWS]
        draw(figure, axes, here, list(ranked.itertuples(index=False, name=None)), places, style)
        axes.set_title(f"from {_word(candidates, 'query', query)} to")
    name_run(figure, candidates)
    shows = f"The {MOST_ROWS} heads that attend most from the query to a candidate; attention is a share of 1."
    counts = ["1 sentence", how_many(len(places), "candidates"), f"{MOST_ROWS} of {heads_in(candidates)}"]
    counts[-1] = heads_in(candidates) if len(candidates[HEAD].drop_duplicates()) <= MOST_ROWS else counts[-1]
    notes = ["One sentence has no interval. Attention to special tokens and to the word itself is not counted."]
    add_caption(figure, candidates, shows, counts, notes)
    return figure


def _bars(
    figure: Figure, axes: Axes, here: pd.DataFrame, ranked: list[tuple], places: Sequence[int], style: Style
) -> None:
    """A group of bars per head, a bar per candidate."""
    del figure
    at = {place: x for x, place in enumerate(ranked)}
    shades = colormaps["viridis"](np.linspace(0.1, 0.9, len(places)))
    thickness = 0.8 / len(places)
    for number_of, place in enumerate(places):
        bars = here[here["candidate"] == place]
        heads = list(bars[HEAD].itertuples(index=False, name=None))
        drawn = [(at[head], mass) for head, mass in zip(heads, bars["mass"], strict=True) if head in at]
        offset = (number_of - (len(places) - 1) / 2) * thickness
        axes.bar(
            [x + offset for x, _ in drawn], [mass for _, mass in drawn], thickness * 0.92, color=shades[number_of],
            label=_word(here, "candidate", place), hatch=HATCHES[number_of], edgecolor="white", linewidth=0,
        )  # fmt: skip
    axes.set_xticks(range(len(ranked)), [head_name(*place) for place in ranked])
    axes.tick_params(axis="x", length=0)
    axes.set(xlabel="head", ylabel="attention", ylim=(0, None))
    across = 2 if style.is_narrow else len(places)
    axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, ncols=min(len(places), across))


def _candidate_map(
    figure: Figure, axes: Axes, here: pd.DataFrame, ranked: list[tuple], places: Sequence[int], style: Style
) -> None:
    """A row per head, a column per candidate."""
    at, columns = {place: row for row, place in enumerate(ranked)}, {place: x for x, place in enumerate(places)}
    cells = np.full((len(ranked), len(places)), np.nan)
    for head, place, mass in zip(
        here[HEAD].itertuples(index=False, name=None), here["candidate"], here["mass"], strict=True
    ):
        if head in at:
            cells[at[head], columns[place]] = mass
    norm = Normalize(0, max(float(np.nanmax(cells, initial=0)), 1e-6))
    edges = np.arange(len(places) + 1) - 0.5, np.arange(len(ranked) + 1) - 0.5
    axes.pcolormesh(*edges, np.ma.masked_invalid(cells), norm=norm, cmap=SEQUENTIAL, edgecolors="white", linewidth=0.3)
    axes.invert_yaxis()
    slot = (style.inches - 1.2) * 72 / len(places)
    lines = 1 if slot >= LINE else 2
    step = max(int(np.ceil(LINE / slot / lines)), 1)
    _name_words(axes, [_word(here, "candidate", place) for place in places], 90, lines, step)
    axes.set_yticks(range(len(ranked)), [head_name(*place) for place in ranked])
    axes.set_ylabel("head")
    axes.tick_params(axis="both", which="major", length=0)
    axes.spines[:].set_visible(False)
    add_colour_bar(figure, [axes], norm, SEQUENTIAL, "attention", aspect=15)


def _word(table: pd.DataFrame, column: str, place: object) -> str:
    """`student (2)`: the word with its position, which tells it from the same word elsewhere."""
    if f"{column}_word" not in table:
        return f"word {place}"
    return f"{short(table.loc[table[column] == place, f'{column}_word'].iloc[0])} ({place})"


def _choose(attention: pd.DataFrame, heads: Sequence[tuple]) -> dict[str, pd.DataFrame]:
    """The rows of each head asked for, by name, in the order asked."""
    if not 1 <= len(heads) <= MOST_HEADS:
        raise InterpError(f"{len(heads)} heads were given; a figure shows 1 to {MOST_HEADS}.")
    sites = list(dict.fromkeys(attention["site"]))
    chosen = {}
    for given in heads:
        if len(given) == 2 and len(sites) > 1:
            raise InterpError(f"Head {given} could be any of {', '.join(sites)}: give (site, layer, head).")
        site, layer, head = given if len(given) == 3 else (sites[0], *given)
        table = attention[(attention["site"] == site) & (attention["layer"] == layer) & (attention["head"] == head)]
        if table.empty:
            layers, most = int(attention["layer"].max()), int(attention["head"].max())
            raise InterpError(f"Head {given} is not in the table: layers 0 to {layers}, heads 0 to {most}, {sites}.")
        chosen[head_name(site, layer, head)] = table
    return chosen
