"""What heads are made of, layer by head, and attention against attention weighted by norm."""

import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.colors import Colormap, Normalize, TwoSlopeNorm
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator

from interp.heads import HEAD
from interp.plots.captions import add_caption, counted, heads_in
from interp.plots.heat_map import (
    NEGATIVE,
    grid_of,
    heat_map,
    label_outer,
    mark_negative,
    scale,
    shapes_by_site,
    thin_ticks,
)
from interp.plots.labels import name_heads, name_run, wrapped
from interp.plots.style import (
    DIVERGING,
    PAGE,
    SEQUENTIAL,
    SMALL,
    Style,
    add_colour_bar,
    axes_points,
    check_table,
    dot_size,
    floats,
    new_figure,
    nothing_to_show,
    panels,
    styled,
    text_width,
)

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
def anatomy_maps(anatomy: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """What each head is made of and what it carries: one map per number and site, each with its own colours.

    Share and copying diverge around 0, where a head writes against its layer or suppresses what it attends to. By
    position alone: the largest weight on a place −3 … +3, which is written into the cell where there is room. A number
    that no head of a site has is not drawn there. `anatomy` needs: site layer head share written copying
    copying_space qk_rank ov_rank position_offset position_mass.
    """
    check_table(anatomy, "anatomy", [*HEAD, *PARTS, "copying_space", "position_offset"])
    if anatomy.empty:
        return nothing_to_show("no head's weights could be read", style)
    shapes = shapes_by_site(anatomy)
    sites = list(shapes)
    parts = [part for part in PARTS if anatomy[part].notna().any()]
    names = [(part, site) for part in parts for site in sites]
    most = 2 if style.is_narrow else 3
    across = min(len(sites), most) if len(sites) > 1 else most if max(s[1] for s in shapes.values()) <= 16 else most - 1
    layers = max(shape[0] for shape in shapes.values())
    cell = min(0.16, 3 / layers)
    figure = new_figure(style, -(-len(names) // across) * (max(layers * cell, 0.7) + 0.75) + 0.6)

    drawn, has_negative = panels(figure, len(names), across), False
    for axes, (part, site) in zip(drawn, names, strict=True):
        values = floats(anatomy[part])
        here = anatomy[anatomy["site"] == site]
        if here[part].isna().all():
            axes.set_axis_off()
            continue
        norm, colours = _part_scale(part, values)
        cells = grid_of(here, floats(here[part]), shapes[site])
        heat_map(axes, cells, norm, colours)
        has_negative |= colours is DIVERGING and mark_negative(axes, cells, norm)
        title = PARTS[part] if sites == ["self"] else f"{PARTS[part]}, {site}"
        axes.set_title(wrapped(title, style.inches * 72 / across - 30, 7.0), fontsize=7)
        below = {
            "location": "bottom",
            "shrink": 0.8,
            "aspect": 25,
            "pad": 0.03,
            "ticks": MaxNLocator(3 if style.is_narrow else 5),
        }
        add_colour_bar(figure, [axes], norm, colours, "", **below)
    label_outer(drawn, across)

    name_run(figure, anatomy)
    notes = _spaces(anatomy)
    some = [here[part].notna() for part in parts for _, here in anatomy.groupby("site")]
    notes += ["Grey: no number."] if any(there.any() and not there.all() for there in some) else []
    if "position_mass" in parts:
        notes += [
            "By position alone: the largest weight on a place from −3 to +3, written in from .10 on where it has room."
        ]
    notes += [NEGATIVE] if has_negative else []
    shows = "What each head is made of and what it carries, layers down and heads across; norms are Euclidean."
    add_caption(figure, anatomy, shows, [heads_in(anatomy), counted(anatomy, "tokens")], notes)
    figure.lay_out()
    for axes, (part, site) in zip(drawn, names, strict=True):
        thin_ticks(axes, shapes[site])
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
    return scale(values, signed=bool((values < 0).any()))


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


PLACES = {
    "previous": "the previous token",
    "self": "the token itself",
    "first": "the first token",
    "separator": "later special tokens",
    "diagonal": "the source token on the diagonal",
    "source_first": "the first token of the source",
    "source_end": "the end of the source",
    "aligned": "the words it is aligned with",
}
"""The columns of `anatomy` that have a twin `…_by_norm`, spelled out."""


@styled
def attention_by_norm(anatomy: pd.DataFrame, *, style: Style = PAGE) -> Figure:
    """Each head's mean attention on a place against the same weighted by the norms of the vectors it adds up.

    One panel per place; on the dashed line weighting changes nothing, below it the head attends to vectors that
    are small. The six heads that change most are named, where there is room. `anatomy` needs: site layer head previous
    self first separator diagonal source_first source_end aligned, each of the last eight with its twin `…_by_norm`.
    """
    check_table(anatomy, "anatomy", [*HEAD, *PLACES, *(f"{place}_by_norm" for place in PLACES)])
    places = [place for place in PLACES if anatomy[place].notna().any()]
    if not places:
        return nothing_to_show("no query could attend to any of these places", style)
    across = min(len(places), 2)
    figure = new_figure(style, -(-len(places) // across) * (1.6 if style.is_narrow else 2.5) + 0.4)
    drawn = panels(figure, len(places), across)
    norm = Normalize(0, max(int(anatomy["layer"].max()), 1))
    for axes, place in zip(drawn, places, strict=True):
        axes.axline((0, 0), slope=1, color="0.7", linewidth=0.6, linestyle="--", zorder=0)
        axes.scatter(
            anatomy[place], anatomy[f"{place}_by_norm"], s=dot_size(anatomy), c=anatomy["layer"], norm=norm,
            cmap=SEQUENTIAL, edgecolors="0.3", linewidths=0.3,
        )  # fmt: skip
        axes.set_title(wrapped(f"on {PLACES[place]}", style.inches * 72 / across - 60))
        top = 1.08 * float(np.nanmax(anatomy[[place, f"{place}_by_norm"]].to_numpy(dtype=float), initial=0.05))
        axes.set(xlim=(-0.04 * top, top), ylim=(-0.04 * top, top))
        number = drawn.index(axes)
        axes.set_xlabel("attention" if number + across >= len(places) else "")
        axes.set_ylabel("attention weighted by norm" if number % across == 0 else "")
    ticks = {"shrink": 0.4, "aspect": 20, "ticks": MaxNLocator(integer=True, nbins=6)}
    add_colour_bar(figure, drawn, norm, SEQUENTIAL, "layer", **ticks)
    shows = (
        "Each head's mean attention on a place against the same weighted by the norms of the vectors it adds up; "
        "dashed: equal."
    )
    notes = ["Means over the tokens (aligned: words) that can see such a place; special tokens are no queries."]
    add_caption(figure, anatomy, shows, [heads_in(anatomy), counted(anatomy, "tokens")], notes)
    name_run(figure, anatomy)
    figure.lay_out()
    for axes, place in zip(drawn, places, strict=True):
        apart = (anatomy[place] - anatomy[f"{place}_by_norm"]).abs()
        name_heads(figure, axes, anatomy.loc[apart.nlargest(6).index], place, f"{place}_by_norm")
    return figure
