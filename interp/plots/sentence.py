"""One sentence: which words each head attends to."""

from collections.abc import Mapping, Sequence

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
from interp.plots.labels import name_run
from interp.plots.style import (
    FULL_WIDTH,
    PALETTE,
    SEQUENTIAL,
    add_colour_bar,
    add_note,
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
MOST_BARS = 10
LEAST_MASS = 0.1
ARC, QUERY = PALETTE["positional"], PALETTE["lexical"]


def sentence_figures(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """The best heads as arcs and as matrices; with a query also its candidates, head by head.

    `tables` are `attention` and, with a query, `candidates`, as `interp.explain_sentence` gives them.
    """
    attention, heads = tables["attention"], most_attending_heads(tables)
    words = words_of(attention)
    figures = {"matrices": attention_matrices(attention, heads)}
    if across := most_attending_heads({"attention": attention}, sites=("cross",)):
        figures["cross_matrices"] = attention_matrices(attention, across)
    if "candidates" not in tables:
        return figures | {"arcs": attention_arcs(attention, words, heads)}
    found = tables["candidates"]
    return figures | {
        "arcs": attention_arcs(attention, words, heads, query=int(found["query"].iloc[0])),
        "candidates": candidate_bars(found.assign(query_word=[words[i] for i in found["query"]])),
    }


@styled
def attention_arcs(
    attention: pd.DataFrame, words: Sequence[str], heads: Sequence[tuple], query: int | np.integer | None = None
) -> Figure:
    """Arcs from each word to the words it attends to, wider and darker with more mass; a panel per head, four at most.

    `heads` are (site, layer, head), or (layer, head) where a model has one site. Arcs below a mass of 0.1 are
    left out. With `query` (a word's position) only that word's arcs are drawn.
    `attention` needs: site layer head query key mass.
    """
    check_table(attention, "attention", [*HEAD, "query", "key", "mass"])
    if attention.empty or not len(words):
        return nothing_to_show("the sentence has no attention between words")
    if query is not None and not 0 <= query < len(words):
        raise InterpError(f"query={query} is no word of the sentence; its words are 0 to {len(words) - 1}.")
    if int(attention[["query", "key"]].to_numpy().max()) >= len(words):
        raise InterpError(f"The table attention speaks of more words than the {len(words)} given.")
    words = [short(word) for word in words]
    chosen = _choose(attention, heads)
    width = max(FULL_WIDTH, 0.11 * len(words))
    slot = (width - 0.3) * 72 / len(words)
    longest = max(text_width(word, 7.0) for word in words)
    turn = 0 if longest < slot - 2 else 45 if slot > 14 else 90
    figure = new_figure(width, len(chosen) * (1.15 + (longest / 72 if turn else 0.15)) + 0.3)
    for axes, (name, table) in zip(panels(figure, len(chosen), 1), chosen.items(), strict=True):
        table = table if query is None else table[table["query"] == query]
        _arcs(axes, table[floats(table["mass"]) >= LEAST_MASS], len(words))
        axes.set_xticks(range(len(words)), words, rotation=turn, fontsize=7)
        labels = axes.get_xticklabels()
        if turn == 45:
            for label in labels:
                label.set(ha="right", rotation_mode="anchor")
        if query is not None:
            labels[query].set(color=QUERY, fontweight="bold")
            axes.plot(query, 0, "o", color=QUERY, markersize=4, clip_on=False, zorder=4)
        axes.set_title(f"head {name}")
    name_run(figure, attention)
    add_note(figure, [f"Arcs run from a word to the word it attends to; mass below {LEAST_MASS} is not drawn."])
    return figure


def _arcs(axes: Axes, table: pd.DataFrame, count: int) -> None:
    """One arrow per row, the higher the further it reaches."""
    furthest = max(int((table["query"] - table["key"]).abs().max()), 1) if len(table) else 1
    for row in table.sort_values("mass").itertuples():
        start, end, mass = float(row.query), float(row.key), float(row.mass)  # type: ignore[arg-type]
        height = 1.25 * np.sqrt(abs(end - start) / furthest)
        path = Path([(start, 0.04), (start, height), (end, height), (end, 0.04)], [Path.MOVETO, *[Path.CURVE4] * 3])
        arrow = FancyArrowPatch(
            path=path, arrowstyle="-|>,head_length=2.5,head_width=1.3", mutation_scale=1, linewidth=0.4 + 2.6 * mass,
            color=ARC, alpha=0.2 + 0.8 * min(mass, 1), shrinkA=0, shrinkB=0, capstyle="butt", joinstyle="miter",
        )  # fmt: skip
        arrow.set_gid(f"{start:.0f}-{end:.0f}")
        axes.add_patch(arrow)
    if table.empty:
        axes.text(0.5, 0.4, f"no mass of {LEAST_MASS} or more", transform=axes.transAxes, ha="center", color="0.4")
    axes.set(xlim=(-0.6, count - 0.4), ylim=(0, 1.02), yticks=[])
    axes.spines["left"].set_visible(False)
    axes.tick_params(axis="x", length=0)


@styled
def attention_matrices(attention: pd.DataFrame, heads: Sequence[tuple]) -> Figure:
    """Word × word matrices of up to four `heads` (as in `attention_arcs`): rows attend to columns.

    `attention` needs: site layer head query query_word key key_word mass.
    """
    check_table(attention, "attention", [*HEAD, "query", "query_word", "key", "key_word", "mass"])
    if attention.empty:
        return nothing_to_show("the sentence has no attention between words")
    chosen = _choose(attention, heads)
    named_words = {name: _words_of_axes(table) for name, table in chosen.items()}
    sides = [side for both in named_words.values() for side in both]
    words = [word for side in sides for word in side.values()]
    count = max(max(side) for side in sides) + 1
    across = 2 if len(chosen) > 1 and count <= 24 else 1
    width = 4.5 if len(chosen) == 1 and count <= 24 else FULL_WIDTH
    rows = -(-len(chosen) // across)
    longest = max(text_width(str(word), 6.5) for word in words) / 72
    side = max((width - 0.7) / across - longest - 0.15, 1.0)
    # where the height binds, the layout takes the squares for wider than they are, and cuts the rows' labels
    figure = new_figure(width, rows * (side + longest + 0.4) + 0.4)
    norm = Normalize(0, max(float(np.nanmax(floats(pd.concat(chosen.values())["mass"]), initial=0)), 1e-6))
    drawn = panels(figure, len(chosen), across)
    step = -(-count // max(int(side * 72 / 7.5), 1))
    for axes, (name, table) in zip(drawn, chosen.items(), strict=True):
        queries, keys = named_words[name]
        rows_here, columns_here = max(queries) + 1, max(keys) + 1
        matrix = np.full((rows_here, columns_here), np.nan)
        matrix[table["query"].to_numpy(int), table["key"].to_numpy(int)] = floats(table["mass"])
        axes.pcolormesh(
            np.arange(columns_here + 1) - 0.5, np.arange(rows_here + 1) - 0.5, np.ma.masked_invalid(matrix), norm=norm,
            cmap=SEQUENTIAL, edgecolors="white", linewidth=0.3 if count <= 24 else 0,
        )  # fmt: skip
        across_here, down_here = range(0, columns_here, step), range(0, rows_here, step)
        axes.set_xticks(across_here, [keys.get(place, "") for place in across_here], rotation=90)
        axes.set_yticks(down_here, [queries.get(place, "") for place in down_here])
        axes.invert_yaxis()
        axes.set_aspect("equal")
        axes.spines[:].set_visible(False)
        axes.tick_params(length=0, pad=2)
        axes.set_title(f"head {name}")
    bar_height = min(2.5, rows * side)
    beside = {"shrink": bar_height / (rows * side), "aspect": bar_height * 10}
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, "attention from row to column", **beside)
    name_run(figure, attention)
    add_note(figure, ["Grey: no attention is counted (a word's own, or what it cannot see)."])
    return figure


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
def candidate_bars(candidates: pd.DataFrame) -> Figure:
    """For each query word, the ten heads with the most mass on any candidate: a bar per candidate.

    `candidates` needs: site layer head query candidate mass; query_word and candidate_word name the words.
    """
    check_table(candidates, "candidates", [*HEAD, "query", "candidate", "mass"])
    candidates = candidates[candidates["mass"].notna()]
    if candidates.empty:
        return nothing_to_show("no head has attention from the query to a candidate")
    queries, places = sorted(candidates["query"].unique()), sorted(candidates["candidate"].unique())
    colours = dict(zip(places, colormaps["viridis"](np.linspace(0.1, 0.85, len(places))), strict=True))
    figure = new_figure(FULL_WIDTH, 2.2 * len(queries) + 0.4)
    for axes, query in zip(panels(figure, len(queries), 1), queries, strict=True):
        here = candidates[candidates["query"] == query]
        ranked = here.sort_values("mass", ascending=False, kind="stable")[HEAD].drop_duplicates()[:MOST_BARS]
        names = [head_name(*place) for place in ranked.itertuples(index=False)]
        at = {place: x for x, place in enumerate(ranked.itertuples(index=False, name=None))}
        thickness = 0.8 / len(places)
        for number, place in enumerate(places):
            bars = here[here["candidate"] == place]
            heads = list(bars[HEAD].itertuples(index=False, name=None))
            drawn = [(at[head], mass) for head, mass in zip(heads, bars["mass"], strict=True) if head in at]
            offset = (number - (len(places) - 1) / 2) * thickness
            axes.bar(
                [x + offset for x, _ in drawn], [mass for _, mass in drawn], thickness * 0.92, color=colours[place],
                label=_word(candidates, "candidate", place),
            )  # fmt: skip
        axes.set_xticks(range(len(names)), names)
        axes.tick_params(axis="x", length=0)
        axes.set(xlabel="head", ylabel="attention", ylim=(0, None))
        axes.set_title(f"from {_word(candidates, 'query', query)} to")
        axes.legend(loc="lower right", bbox_to_anchor=(1, 1), borderaxespad=0.2, ncols=min(len(places), 5))
    name_run(figure, candidates)
    return figure


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
