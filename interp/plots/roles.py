"""Layer × head maps of roles: where the heads of each family are, and what the strongest are called."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from matplotlib.ticker import MaxNLocator

from interp.heads import HEAD
from interp.plots.captions import add_caption, counted, heads_in, how_many
from interp.plots.heat_map import grid_of, heat_map, label_outer, largest_size, shapes_by_site, thin_ticks
from interp.plots.labels import name_run, wrapped
from interp.plots.style import (
    MOST_HEIGHT,
    PAGE,
    SEQUENTIAL,
    SMALL,
    PaperFigure,
    Style,
    add_colour_bar,
    axes_points,
    check_table,
    cut_to_fit,
    families_in,
    floats,
    new_figure,
    nothing_to_show,
    styled,
    text_width,
)
from interp.tables.best_heads import SINKS, best_roles

LEAST_TOP = 0.1
"""The end of a family's colours where its largest lift is smaller, so that noise is not drawn as dark as a finding."""

TITLE, AROUND = 0.45, 1.1
"""Inches of a panel's title and labels, and of what stands above and below all panels."""

OUTLINED = "Outlined: the head has a role of this family."
RESTING = (
    f"Dotted: it has no role here but {', '.join(SINKS[:-1])} or {SINKS[-1]}, which give way to any other role that "
    "it has."
)
SCALES = (
    f"Lift: over the best baseline, on the held-out (confirm) split; each family has its own scale, from 0 to "
    f"{LEAST_TOP:g} at least."
)
NAMED = (
    "Named: its strongest role there (* marks the strongest of several), cut to fit; "
    "→gov: a word attends to its governor, →dep: to its dependents; +1, −1: words or tokens to the right, to the left."
)
TOO_SMALL = "Where the cells are too small for names, the table roles has them."


@styled
def role_maps(scores: pd.DataFrame, roles: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """One map per role family and site: each head's largest lift on confirm (0 at least) over the family's roles.

    Each family has a colour scale of its own, the same at all sites. Outlined and named where `roles` assigns the head
    a role of the family: the strongest, where there are several, and its lift is shown then. `first`, `self` and
    `separator` give way to any other; the line around a head that has no role but these is dotted. Only testable roles
    count: a handful of queries lifts anything.

    `scores` needs: role family site layer head split lift p. `roles` needs: role family site layer head lift.
    """
    check_table(scores, "scores", [*HEAD, "role", "family", "split", "lift", "p"])
    check_table(roles, "roles", [*HEAD, "role", "family", "lift"])
    confirm = scores[(scores["split"] == "confirm") & scores["lift"].notna()]
    if confirm.empty:
        return nothing_to_show("no role was scored on the held-out (confirm) split", style)
    shown = confirm[confirm["p"].notna()]
    if shown.empty:
        return nothing_to_show("no role had enough queries and blocks of source documents to be tested", style)
    strongest = _strongest(roles)
    named = shown.merge(strongest[[*HEAD, "family", "role"]])
    by_lift = shown.sort_values("lift", ascending=False, kind="stable")
    largest = pd.concat([named, by_lift]).drop_duplicates([*HEAD, "family"])

    shapes = shapes_by_site(scores)
    figure, drawn, beside, tall = _panels(shown, shapes, style)
    bar = min(tall, 1.6)
    for family, maps in drawn.items():
        of_family = largest[largest["family"] == family]
        norm = Normalize(0, largest_size(np.maximum(floats(of_family["lift"]), 0), LEAST_TOP))
        for site, axes in maps.items():
            here = of_family[of_family["site"] == site]
            heat_map(axes, grid_of(here, np.maximum(floats(here["lift"]), 0), shapes[site]), norm, SEQUENTIAL)
        ticks = {"ticks": MaxNLocator(4), "shrink": bar / tall, "aspect": bar * 14, "pad": 0.02}
        add_colour_bar(figure, beside[family], norm, SEQUENTIAL, "lift", **ticks)
    name_run(figure, scores)
    notes = [OUTLINED, RESTING] if shown["role"].isin(SINKS).any() else [OUTLINED]
    shows = "Where the heads of each family of roles are, layers down and heads across: the largest lift of each head."
    counts = [heads_in(scores), how_many(shown["role"].nunique(), "roles"), counted(shown, "queries a role")]
    # as much as there can be to say, before it is known what is
    add_caption(figure, scores, shows, counts, [*notes, SCALES, NAMED, TOO_SMALL])
    figure.lay_out()
    labelled = []
    for family, maps in drawn.items():
        for site, axes in maps.items():
            here = strongest[(strongest["family"] == family) & (strongest["site"] == site)]
            thin_ticks(axes, shapes[site])
            _outline(axes, here)
            labelled += [] if here.empty else [_label(axes, here, shapes[site])]
    names = [NAMED] if any(labelled) else []
    add_caption(figure, scores, shows, counts, [*notes, SCALES, *names, *([] if all(labelled) else [TOO_SMALL])])
    return figure


def _strongest(roles: pd.DataFrame) -> pd.DataFrame:
    """Each head's strongest role of each family, and whether it is one of `several`."""
    assigned = roles[roles["role"].ne("unclassified") & roles["role"].notna()]
    several = assigned.groupby([*HEAD, "family"])["role"].transform("size") > 1
    strongest = best_roles(assigned, [*HEAD, "family"])
    return strongest.assign(several=several.reindex(strongest.index))


def _panels(
    shown: pd.DataFrame, shapes: dict[str, tuple[int, int]], style: Style
) -> tuple[PaperFigure, dict[str, dict[str, Axes]], dict[str, list[Axes]], float]:
    """A panel per family and site where its roles could be tested: of several sites, a row per family.

    Also, for each family, the places that its colour bar stands beside, empty ones included; and inches of a panel.
    """
    families, sites = families_in(shown["family"]), list(shapes)
    layers, heads = max(shape[0] for shape in shapes.values()), max(shape[1] for shape in shapes.values())
    places = [(family, site) for family in families for site in sites]
    if len(sites) > 1:
        across = len(sites)
    elif layers <= 8:
        across = 1 if heads > (4 if style.is_narrow else 8) else 2
    else:
        # high maps stand beside one another, as many as a page needs to have room for all
        across = 2 if style.is_narrow or len(places) <= 4 or layers <= 16 else 3
    rows = -(-len(places) // across)
    cell = 0.22 if across == 1 else min(0.25 if layers <= 12 else 0.21, max(2.8 / layers, 0.11))
    cell = min(cell, ((MOST_HEIGHT - AROUND) / rows - TITLE) / layers)
    figure = new_figure(style, rows * (layers * cell + TITLE) + AROUND)
    grid = list(figure.subplots(rows, across, squeeze=False).flat)
    tested = set(zip(shown["family"], shown["site"], strict=True))
    drawn: dict[str, dict[str, Axes]] = {family: {} for family in families}
    beside: dict[str, list[Axes]] = {family: [] for family in families}
    for (family, site), axes in zip(places, grid, strict=False):
        beside[family].append(axes)
        if (family, site) in tested:
            axes.set_title(wrapped(family if len(sites) == 1 else f"{family}, {site}", style.inches * 72 / across - 60))
            drawn[family][site] = axes
        else:
            axes.set_axis_off()
    for axes in grid[len(places) :]:
        axes.set_axis_off()
    label_outer(grid, across)
    return figure, drawn, beside, layers * cell


def _outline(axes: Axes, assigned: pd.DataFrame) -> None:
    """A box around each of these heads, dotted where its strongest role is one of attention that rests."""
    for rests, line in ((False, "-"), (True, (0, (1, 1)))):
        heads = assigned[assigned["role"].isin(SINKS) == rests]
        boxes = [Rectangle((h - 0.5, y - 0.5), 1, 1) for y, h in zip(heads["layer"], heads["head"], strict=True)]
        look = {"facecolor": "none", "edgecolor": "black", "linewidth": 0.8, "linestyle": line, "clip_on": False}
        axes.add_collection(PatchCollection(boxes, **look))


def _label(axes: Axes, assigned: pd.DataFrame, shape: tuple[int, int]) -> bool:
    """Names of roles on one line or two, where the cells can hold them; whether there are any."""
    width, height = axes_points(axes)
    width, height = width / shape[1] - 1.5, height / shape[0]
    names = {}
    columns = (assigned[name] for name in ("layer", "head", "role", "several"))
    for layer, head, role, several in zip(*columns, strict=True):
        names[head, layer] = *_short(role), "*" if several else ""
    if height >= 7 and all(text_width("".join(name)) <= width - 3 for name in names.values()):
        lines = {place: "".join(name) for place, name in names.items()}
    elif height >= 14 and width >= text_width("→gov"):
        lines = {
            place: cut_to_fit(name, width - text_width(star)) + star + ("\n" + way if way else "")
            for place, (name, way, star) in names.items()
        }
    elif height >= 7 and width >= text_width("nsu→gov*"):
        lines = {
            place: cut_to_fit(name, width - text_width(way + star)) + way + star
            for place, (name, way, star) in names.items()
        }
    else:
        return False
    mesh = axes.collections[0]
    shades = np.ma.filled(mesh.get_array(), 0) / mesh.get_clim()[1]  # type: ignore[operator]
    for (head, layer), text in lines.items():
        dark = shades[layer, head] > 0.55
        axes.text(
            head, layer, text, ha="center", va="center_baseline" if "\n" not in text else "center", fontsize=SMALL,
            linespacing=0.95, color="white" if dark else "black",
        ).set_in_layout(False)  # fmt: skip
    return bool(lines)


def _short(role: str) -> tuple[str, str]:
    """`obj.to_governor` → (obj, →gov), `coref.proper` → (proper, ), `tag.NOUN` → (NOUN, )."""
    name, _, way = role.partition(".")
    if name in ("tag", "entity", "alignment"):
        return way, ""
    if way in ("to_governor", "to_dependent"):
        return name, "→gov" if way == "to_governor" else "→dep"
    if name == "coref" and way != "antecedent":
        return way, ""
    for beginning, short in (("offset", ""), ("diagonal", "diag"), ("source-", "")):
        if name.startswith(beginning):
            return short + name.removeprefix(beginning).replace("-", "−"), ""
    return name, ""
