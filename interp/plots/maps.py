"""Layer × head maps: where the roles are, which heads matter, and what heads are made of."""

from itertools import product

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.collections import PatchCollection
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle

from interp.heads import HEAD
from interp.plots.style import (
    COLUMN_WIDTH,
    DIVERGING,
    FULL_WIDTH,
    SEQUENTIAL,
    SIZES_OF_CHANGE,
    SMALL,
    add_colour_bar,
    add_note,
    axes_points,
    check_table,
    cut_to_fit,
    families_in,
    floats,
    metric_label,
    new_figure,
    nothing_to_show,
    panels,
    styled,
    text_width,
)
from interp.tables.best_heads import SINKS, best_roles


@styled
def role_maps(scores: pd.DataFrame, roles: pd.DataFrame) -> Figure:
    """One map per role family and site: each head's largest lift on confirm (0 at least) over the family's roles.

    Outlined and named where `roles` assigns the head a role of the family: the strongest, where there are several, and
    its lift is shown then. `first`, `self` and `separator` give way to any other; the line around a head that has no
    role but these is dotted. Only testable roles count: a handful of queries lifts anything.

    `scores` needs: role family site layer head split lift p. `roles` needs: role family site layer head lift.
    """
    check_table(scores, "scores", [*HEAD, "role", "family", "split", "lift", "p"])
    check_table(roles, "roles", [*HEAD, "role", "family", "lift"])
    confirm = scores[(scores["split"] == "confirm") & scores["lift"].notna()]
    if confirm.empty:
        return nothing_to_show("no role was scored on the confirm half")
    shown = confirm[confirm["p"].notna()]
    if shown.empty:
        return nothing_to_show("no role had enough queries and blocks of source documents to be tested")
    assigned = roles[roles["role"].ne("unclassified") & roles["role"].notna()]
    strongest = best_roles(assigned, [*HEAD, "family"])
    several = assigned.groupby([*HEAD, "family"])["role"].transform("size") > 1
    strongest = strongest.assign(several=several.reindex(strongest.index))
    named = shown.merge(strongest[[*HEAD, "family", "role"]])
    by_lift = shown.sort_values("lift", ascending=False, kind="stable")
    largest = pd.concat([named, by_lift]).drop_duplicates([*HEAD, "family"])

    sites = list(dict.fromkeys(scores["site"]))
    shapes = {site: _shape(scores[scores["site"] == site]) for site in sites}
    # a family is asked of some sites only
    asked = set(zip(shown["family"], shown["site"], strict=True))
    names = [(family, site) for family in families_in(shown["family"]) for site in sites if (family, site) in asked]
    layers, heads = max(shape[0] for shape in shapes.values()), max(shape[1] for shape in shapes.values())
    across = len(sites) if len(sites) > 1 else 1 if heads > 8 >= layers else 2
    rows = -(-len(names) // across)
    cell = 0.16 if across == 1 else 0.25 if layers <= 12 else min(0.21, 2.8 / layers)
    figure = new_figure(FULL_WIDTH, rows * (layers * cell + 0.4) + 1.0)

    norm = Normalize(0, _largest(floats(largest["lift"])))
    drawn = panels(figure, len(names), across)
    for axes, (family, site) in zip(drawn, names, strict=True):
        here = largest[(largest["family"] == family) & (largest["site"] == site)]
        lifts = _grid(here, np.maximum(floats(here["lift"]), 0), shapes[site])
        _heat_map(axes, lifts, norm, SEQUENTIAL, FULL_WIDTH / across - 0.3)
        axes.set_title(family if len(sites) == 1 else f"{family}, {site}")
    _label_outer(drawn, across)
    below = {"location": "bottom", "shrink": 0.4, "aspect": 30}
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, "lift over the best baseline", **below)

    notes = ["Outlined: the head has a role of this family."]
    notes += [RESTING_EXPLAINED] if shown["role"].isin(SINKS).any() else []
    add_note(figure, [*notes, LABELS_EXPLAINED])
    figure.lay_out()
    labelled = False
    for axes, (family, site) in zip(drawn, names, strict=True):
        here = strongest[(strongest["family"] == family) & (strongest["site"] == site)]
        _outline(axes, here)
        labelled |= _label(axes, here, shapes[site])
    if not labelled:
        add_note(figure, notes)
    return figure


RESTING_EXPLAINED = (
    f"Dotted: it has no role here but {', '.join(SINKS[:-1])} or {SINKS[-1]}, which give way to any other role that "
    "it has."
)
LABELS_EXPLAINED = (
    "Named: its strongest role there (* marks the strongest of several), cut to fit; "
    "→gov: a word looks at its governor, →dep: at its dependents; +1, −1: words or tokens to the right, to the left."
)


@styled
def effect_map(effects: pd.DataFrame) -> Figure:
    """What ablating each head costs: one map per metric (row), ablation (column) and site; positive: the head helped.

    Colours diverge around 0 for metrics with a sign (those with any p, or a negative effect), and start at 0 for
    sizes of a change. A dot marks q ≤ 0.05. `effects` needs: site layer head ablation metric effect p q.
    """
    check_table(effects, "effects", [*HEAD, "ablation", "metric", "effect", "p", "q"])
    effects = effects[effects["effect"].notna()]
    if effects.empty:
        return nothing_to_show("no effect of any ablation was measured")
    metrics, ablations = list(dict.fromkeys(effects["metric"])), list(dict.fromkeys(effects["ablation"]))
    sites = list(dict.fromkeys(effects["site"]))
    shapes = {site: _shape(effects[effects["site"] == site]) for site in sites}
    layers = max(shape[0] for shape in shapes.values())
    rows = [(metric, site) for metric in metrics for site in sites]
    # one ablation of several sites: the sites stand side by side
    beside_each_other = len(ablations) == 1 and len(sites) > 1
    across = len(sites) if beside_each_other else len(ablations)
    rows = [(metric, sites) for metric in metrics] if beside_each_other else rows
    width = COLUMN_WIDTH if across == 1 else FULL_WIDTH
    cell = min(0.2, max(0.1, (width - 1) / across / max(shape[1] for shape in shapes.values())), 3 / layers)
    figure = new_figure(width, len(rows) * max(layers * cell + 0.45, 1.5) + 0.25)

    grid = figure.subplots(len(rows), across, squeeze=False)
    for metric in metrics:
        of_metric = effects[effects["metric"] == metric]
        values = floats(of_metric["effect"])
        signed = metric not in SIZES_OF_CHANGE and bool(of_metric["p"].notna().any() or (values < 0).any())
        norm, colours = _scale(values, signed)
        metric_axes = [grid[row] for row, (name, _) in enumerate(rows) if name == metric]
        for (site, ablation), axes in zip(product(sites, ablations), np.concatenate(metric_axes), strict=True):
            here = of_metric[(of_metric["site"] == site) & (of_metric["ablation"] == ablation)]
            cells = _grid(here, floats(here["effect"]), shapes[site])
            _heat_map(axes, cells, norm, colours, (width - 1.2) / across - 0.25)
            axes.set_title(f"{ablation} ablation" if len(sites) == 1 else f"{ablation} ablation, {site}")
            sure = here[floats(here["q"]) <= 0.05]
            axes.scatter(sure["head"], sure["layer"], s=5, color="black", edgecolors="white", linewidths=0.4)
        label = f"effect on {metric_label(metric)}"
        tall = len(metric_axes) * layers * cell
        if tall < 2:
            label = label.replace(" on ", " on\n").replace(" (", "\n(").replace(", ", ",\n")
        bar_height = min(tall, 2.2)
        beside = {"shrink": bar_height / tall, "aspect": bar_height * 10}
        add_colour_bar(figure, list(np.concatenate(metric_axes)), norm, colours, label, **beside)

    _label_outer(list(grid.flat), across)
    notes = ["Positive: the head helped. Dot: q ≤ 0.05."] if effects["p"].notna().any() else []
    if effects["metric"].isin(SIZES_OF_CHANGE).any():
        notes += ["Sizes of a change have no sign and no test."]
    if effects["metric"].eq("kl").any():
        notes += ["kl is minus the divergence from the intact model, so its effect is the divergence itself."]
    add_note(figure, notes)
    return figure


PARTS = {
    "share": "share of the layer's output",
    "written": "norm of what it writes",
    "copying": "OV copying, Σ Re λ / Σ |λ|",
    "qk_rank": "effective rank of QK",
    "ov_rank": "effective rank of OV",
    "position_mass": "attention by position alone",
}
"""The columns of `anatomy` that are mapped, and their titles."""

OF_SPACE = {
    "residual": "eigenvalues of W_V W_O",
    "vocabulary": "eigenvalues of W_E W_V W_O W_U",
}


@styled
def anatomy_maps(anatomy: pd.DataFrame) -> Figure:
    """What each head is made of and what it carries: one map per number and site, each with its own colours.

    Share and copying diverge around 0, where a head writes against its layer or suppresses what it looks at. By
    position alone: the largest weight on a place −3 … +3, which is written into the cell where there is room. A number
    that no head of a site has is not drawn there. `anatomy` needs: site layer head share written copying
    copying_space qk_rank ov_rank position_offset position_mass.
    """
    check_table(anatomy, "anatomy", [*HEAD, *PARTS, "copying_space", "position_offset"])
    if anatomy.empty:
        return nothing_to_show("no head was laid open")
    sites = list(dict.fromkeys(anatomy["site"]))
    shapes = {site: _shape(anatomy[anatomy["site"] == site]) for site in sites}
    parts = [part for part in PARTS if anatomy[part].notna().any()]
    names = [(part, site) for part in parts for site in sites]
    across = len(sites) if len(sites) > 1 else 3 if max(shape[1] for shape in shapes.values()) <= 16 else 2
    layers = max(shape[0] for shape in shapes.values())
    cell = min(0.16, 3 / layers)
    figure = new_figure(FULL_WIDTH, -(-len(names) // across) * (max(layers * cell, 0.7) + 0.75) + 0.4)

    drawn = panels(figure, len(names), across)
    for axes, (part, site) in zip(drawn, names, strict=True):
        values = floats(anatomy[part])
        here = anatomy[anatomy["site"] == site]
        if here[part].isna().all():
            axes.set_axis_off()
            continue
        norm, colours = _part_scale(part, values)
        _heat_map(axes, _grid(here, floats(here[part]), shapes[site]), norm, colours, FULL_WIDTH / across - 0.4)
        axes.set_title(PARTS[part] if sites == ["self"] else f"{PARTS[part]}, {site}", fontsize=7)
        below = {"location": "bottom", "shrink": 0.8, "aspect": 25, "pad": 0.03}
        add_colour_bar(figure, [axes], norm, colours, "", **below)
    _label_outer(drawn, across)

    notes = _spaces(anatomy)
    some = [here[part].notna() for part in parts for _, here in anatomy.groupby("site")]
    notes += ["Grey: no number."] if any(there.any() and not there.all() for there in some) else []
    if "position_mass" in parts:
        notes += ["By position alone: the largest weight on a place from −3 to +3, written in where it is .10 or more."]
    add_note(figure, notes)
    figure.lay_out()
    for axes, (part, site) in zip(drawn, names, strict=True):
        if part == "position_mass" and axes.axison:
            _write_offsets(axes, anatomy[anatomy["site"] == site], shapes[site])
    return figure


def _spaces(anatomy: pd.DataFrame) -> list[str]:
    """What copying is the copying of, and at which sites where that differs."""
    sites = anatomy[anatomy["copying"].notna()].groupby("copying_space", sort=False)["site"].unique()
    if len(sites) == 1:
        return [f"Copying: {OF_SPACE.get(str(sites.index[0]), sites.index[0])}, raw weights."]
    said = [f"{OF_SPACE.get(str(space), space)} ({', '.join(at)})" for space, at in sites.items()]
    return [f"Copying: {'; '.join(said)}; raw weights."] if said else []


def _part_scale(part: str, values: np.ndarray) -> tuple[Normalize, Colormap]:
    """Ranks vary little: their colours begin at the smallest. The other numbers begin at 0, or diverge around it."""
    if part in ("qk_rank", "ov_rank"):
        return Normalize(np.nanmin(values), max(np.nanmax(values), np.nanmin(values) + 1e-6)), SEQUENTIAL
    if part == "copying":
        return TwoSlopeNorm(0, -1, 1), DIVERGING
    if part == "position_mass":
        return Normalize(0, 1), SEQUENTIAL
    return _scale(values, bool((values < 0).any()))


def _write_offsets(axes: Axes, anatomy: pd.DataFrame, shape: tuple[int, int]) -> None:
    """`−1`, `0`, `+2` in the cells of heads that put a tenth or more there, if cells can hold it."""
    width, height = axes_points(axes)
    if width / shape[1] < text_width("−1") + 1 or height / shape[0] < 7:
        return
    placed = anatomy[anatomy["position_mass"] >= 0.1]
    columns = (floats(placed[name]) for name in ("layer", "head", "position_offset", "position_mass"))
    for layer, head, offset, mass in zip(*columns, strict=True):
        text = f"{offset:+.0f}".replace("-", "−").replace("+0", "0")
        look = {"ha": "center", "va": "center_baseline", "fontsize": SMALL}
        axes.text(head, layer, text, color="white" if mass > 0.55 else "black", **look).set_in_layout(False)


def _shape(table: pd.DataFrame) -> tuple[int, int]:
    return int(table["layer"].max()) + 1, int(table["head"].max()) + 1


def _largest(values: np.ndarray) -> float:
    """The upper end of a colour scale, also where all values are zero."""
    return max(float(np.nanmax(np.abs(values), initial=0)), 1e-6)


def _scale(values: np.ndarray, signed: bool) -> tuple[Normalize, Colormap]:
    top = _largest(values)
    return (TwoSlopeNorm(0, -top, top), DIVERGING) if signed else (Normalize(0, top), SEQUENTIAL)


def _grid(table: pd.DataFrame, values: np.ndarray, shape: tuple[int, int]) -> np.ndarray:
    grid = np.full(shape, np.nan)
    grid[table["layer"].to_numpy(int), table["head"].to_numpy(int)] = values
    return grid


def _heat_map(axes: Axes, values: np.ndarray, norm: Normalize, colours: Colormap, width: float) -> None:
    """The map itself, about `width` inches wide, layer 0 on top; grey where there is no number."""
    layers, heads = values.shape
    edges = np.arange(heads + 1) - 0.5, np.arange(layers + 1) - 0.5
    axes.pcolormesh(*edges, np.ma.masked_invalid(values), norm=norm, cmap=colours, edgecolors="white", linewidth=0.3)
    axes.invert_yaxis()
    axes.set_xticks(range(0, heads, _step(heads, width * 72 / heads)))
    axes.set_yticks(range(0, layers, 1 if layers <= 12 else 2 if layers <= 24 else 4))
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _label_outer(drawn: list[Axes], across: int) -> None:
    """`layer` and `head` once a row and once a column, on panels that are drawn."""
    for number, axes in enumerate(drawn):
        is_left = number % across == 0 or not drawn[number - 1].axison
        is_lowest = number + across >= len(drawn) or not drawn[number + across].axison
        axes.set_ylabel("layer" if is_left else "")
        axes.set_xlabel("head" if is_lowest else "")


def _step(count: int, points: float) -> int:
    """Every, every second, … number, so that they do not touch, given the points from one to the next."""
    return next(step for step in (1, 2, 4, 8, 16, 32, count) if step * points > text_width(str(count), 6.5) + 2)


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
    elif height >= 7 and width >= text_width("nsubj→gov*"):
        lines = {
            place: cut_to_fit(name, width - text_width(way + star)) + way + star
            for place, (name, way, star) in names.items()
        }
    elif height >= 14 and width >= text_width("→gov"):
        lines = {
            place: cut_to_fit(name, width - text_width(star)) + star + ("\n" + way if way else "")
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
