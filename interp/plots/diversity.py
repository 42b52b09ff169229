"""How far apart heads are: a map of them, the matrix of their distances, and redundancy within and between layers."""

from typing import Any

import numpy as np
import pandas as pd
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interp.heads import HEAD
from interp.plots.captions import add_caption, counted, heads_in, how_many
from interp.plots.labels import dot, legend_above, name_run
from interp.plots.nulls import NAMES
from interp.plots.style import (
    PAGE,
    SEQUENTIAL,
    Style,
    add_colour_bar,
    check_table,
    dot_size,
    families_in,
    floats,
    marker,
    new_figure,
    nothing_to_show,
    panels,
    styled,
)

NO_HEADS = "no two heads were compared"
LARGEST = float(np.log(2))
MARKS = "os^Dv"
BELOW: dict[str, Any] = {"location": "bottom", "shrink": 0.6, "aspect": 30, "pad": 0.03}


@styled
def head_map(table: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Heads as points whose distances are as like those of their attention as can be, coloured by their best role.

    A panel for each site, of the model and of the first null. `table` needs: null site layer head n x y stress
    best_family.
    """
    check_table(table, "head_map", ["null", *HEAD, "n", "x", "y", "stress", "best_family"])
    if table.empty:
        return nothing_to_show(NO_HEADS, style)
    table = _first_seeds(table)
    kinds, families = _kinds(table), families_in(table["best_family"])
    across = min(len(kinds), 2)
    side = (style.inches - 0.4) / across
    figure = new_figure(style, -(-len(kinds) // across) * (min(side, 3.0) + 0.25) + 0.5)
    drawn = panels(figure, len(kinds), across)
    reach = 1.1 * max(float(np.abs(floats(table[name])).max()) for name in ("x", "y")) + 1e-6
    for axes, (null, site) in zip(drawn, kinds, strict=True):
        here = table[(table["null"] == null) & (table["site"] == site)]
        # heads without a role underneath
        for family in reversed(families):
            some = here[here["best_family"] == family]
            look = {"color": style.family_colour(family), "marker": marker(family), "s": dot_size(here)}
            axes.scatter(some["x"], some["y"], edgecolors="0.3", linewidths=0.3, **look)
        axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal", xlabel="nats")
        axes.set_title(_title(table, null, site))
        axes.xaxis.set_major_locator(MaxNLocator(5))
        axes.yaxis.set_major_locator(MaxNLocator(5))
        axes.annotate(f"stress {floats(here['stress'])[0]:.2f}", (1, 0), (-2, 3), xycoords="axes fraction",
                      textcoords="offset points", ha="right", fontsize=6)  # fmt: skip
    dots = [dot(style.family_colour(family), family, marker=marker(family)) for family in families]
    legend_above(figure, table, dots, handletextpad=0.1)
    shows = (
        "Heads, coloured by the family of their best role; the nearer, the more alike their attention is: metric "
        "scaling of the mean Jensen–Shannon divergence. Directions have no meaning; stress is the share of distances "
        "that the plane has no room for."
    )
    add_caption(figure, table, shows, [heads_in(_real(table)), counted(_real(table), "queries")])
    return figure


@styled
def distance_matrices(distances: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Heads by heads, in the order of layers: the mean divergence of their attention in nats; lines between layers.

    A panel for each site, of the model and of the first null. `distances` needs: null site layer head other_layer
    other_head n distance.
    """
    check_table(distances, "head_distances", ["null", *HEAD, "other_layer", "other_head", "n", "distance"])
    if distances.empty:
        return nothing_to_show(NO_HEADS, style)
    distances = _first_seeds(distances)
    kinds = _kinds(distances)
    across = min(len(kinds), 2)
    side = (style.inches - 0.4) / across
    figure = new_figure(style, -(-len(kinds) // across) * (min(side, 3.2) + 0.2) + 1.1)
    drawn = panels(figure, len(kinds), across)
    norm = Normalize(0, LARGEST)
    for axes, (null, site) in zip(drawn, kinds, strict=True):
        here = distances[(distances["null"] == null) & (distances["site"] == site)]
        first = list(zip(here["layer"], here["head"], strict=True))
        second = list(zip(here["other_layer"], here["other_head"], strict=True))
        heads = sorted({*first, *second})
        place = {head: number for number, head in enumerate(heads)}
        cells = np.zeros((len(heads), len(heads)))
        rows, columns = [place[head] for head in first], [place[head] for head in second]
        cells[rows, columns] = cells[columns, rows] = floats(here["distance"])
        axes.imshow(np.ma.masked_invalid(cells), norm=norm, cmap=SEQUENTIAL, interpolation="nearest")
        layers = np.array([layer for layer, _ in heads])
        starts = np.flatnonzero(np.diff(layers, prepend=-1))
        # of many layers the lines would cover what they part
        for start in starts[1:] if len(starts) <= 30 else []:
            axes.axhline(start - 0.5, color="white", linewidth=0.4)
            axes.axvline(start - 0.5, color="white", linewidth=0.4)
        step = -(-len(starts) // 15)
        middles = (starts + np.append(starts[1:], len(heads)) - 1) / 2
        axes.set_xticks(middles[::step], layers[starts][::step])
        axes.set_yticks(middles[::step], layers[starts][::step])
        axes.tick_params(length=0)
        axes.spines[:].set_visible(False)
        axes.set_xlabel("heads, by layer")
        axes.set_title(_title(distances, null, site))
    label = "mean Jensen–Shannon divergence (nats)"
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, label, **BELOW)
    name_run(figure, distances)
    real = _real(distances)
    shows = "How far apart the attention of every two heads is; log 2 (.69) where they have no key in common."
    add_caption(figure, distances, shows, [how_many(len(real), "pairs of heads"), counted(real, "queries")])
    return figure


@styled
def redundancy(diversity: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """The mean distance between heads of each layer, of the same layer and of several, with intervals; nulls beside.

    `diversity` needs: null site measure layer heads n value ci_low ci_high.
    """
    check_table(
        diversity, "diversity", ["null", "site", "measure", "layer", "heads", "n", "value", "ci_low", "ci_high"]
    )
    known = _first_seeds(diversity[diversity["value"].notna()])
    known = known[known["measure"].isin(["within_layer", "within_layers", "between_layers"])]
    if known.empty:
        return nothing_to_show(NO_HEADS, style)
    sites, nulls = list(dict.fromkeys(known["site"])), list(dict.fromkeys(known["null"]))
    figure = new_figure(style, 2.0 * len(sites) + 0.8)
    marks: dict[str, Any] = {}
    for axes, site in zip(panels(figure, len(sites), 1), sites, strict=True):
        of_site = known[known["site"] == site]
        layers = int(np.nanmax(floats(of_site["layer"]), initial=0)) + 1
        # room for two words, however many layers there are
        gap = max(1.0, 0.1 * layers)
        beside = {"within_layers": layers - 0.5 + gap / 2, "between_layers": layers - 0.5 + 1.5 * gap}
        for number, null in enumerate(nulls):
            here = of_site[of_site["null"] == null]
            own = [beside.get(str(measure), np.nan) for measure in here["measure"]]
            x = np.where(np.isnan(own), floats(here["layer"]), own) + 0.3 * ((number + 0.5) / len(nulls) - 0.5)
            colour, mark = style.series[number % len(style.series)], MARKS[number % len(MARKS)]
            axes.vlines(x, floats(here["ci_low"]), floats(here["ci_high"]), color=colour, linewidth=0.9)
            marks[null] = axes.scatter(x, floats(here["value"]), color=colour, marker=mark, s=12, zorder=2)
        step = -(-layers // (10 if style.is_narrow else 24))
        ticks = [*range(0, layers, step), *beside.values()]
        axes.set_xticks(ticks, [*map(str, range(0, layers, step)), "within", "between"])
        axes.tick_params(axis="x", labelrotation=90 if style.is_narrow else 0)
        axes.axvline(layers - 0.5, color="0.8", linewidth=0.6)
        top = float(np.nanmax([floats(of_site["value"]), floats(of_site["ci_high"])]))
        axes.set(ylim=(-0.03 * top, 1.05 * top), ylabel="mean divergence (nats)")
        axes.set_xlabel("layer" if site == sites[-1] else "")
        axes.set_title(site if len(sites) > 1 else "")
    legend_above(figure, known, list(marks.values()), [NAMES.get(null, null).replace("\n", " ") for null in marks])
    shows = (
        "Mean Jensen–Shannon divergence between two heads of a layer, of the same layer (within) and of two layers "
        "(between): the lower, the more redundant."
    )
    real = _real(known)
    counts = [counted(real[real["measure"] == "within_layers"], "heads", "heads"), counted(real, "queries")]
    bars = ["Bars: 95 % intervals."] if known["ci_low"].notna().any() else []
    add_caption(figure, known, shows, counts, bars)
    return figure


def _first_seeds(table: pd.DataFrame) -> pd.DataFrame:
    """The model, and of a null the first seed."""
    if "null_seed" not in table:
        return table
    seeds = table["null_seed"]
    return table[seeds.isna() | (seeds == seeds.min())]


def _real(table: pd.DataFrame) -> pd.DataFrame:
    return table[table["null"] == "none"]


def _kinds(table: pd.DataFrame) -> list[tuple[str, str]]:
    """Sites down, the model and its nulls across."""
    return [(null, site) for site in dict.fromkeys(table["site"]) for null in dict.fromkeys(table["null"])]


def _title(table: pd.DataFrame, null: str, site: str) -> str:
    name = NAMES.get(null, null).replace("\n", " ")
    return name if len(set(table["site"])) == 1 else f"{site}, {name}"
