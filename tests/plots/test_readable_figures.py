"""Figures that do not mislead: kinds told apart, scales of their own, labels that cover nothing."""

from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

from interp import plots
from interp.plots.heat_map import thin_ticks
from interp.plots.labels import legend_above, run_name, wrapped
from interp.plots.style import PAGE, PALETTE, Style, new_figure, text_width
from tests.plots.test_plots import assigned_roles, random_atlas, random_effects, random_scores, texts

FAMILIES = {
    "positional": ["offset-1", "offset+1", "self", "first"],
    "syntax": ["nsubj.to_governor", "compound.to_dependent", "obj.to_governor"],
    "lexical": ["tag.NOUN", "delimiter"],
    "mine": ["a_role_whose_name_is_longer_than_any_figure_has_room_for.to_governor"],
}


def visible_labels(figure: Figure) -> list[Text]:
    """Every text that is drawn, with words in it."""
    figure.draw_without_rendering()
    ticks = [label for axes in figure.axes for axis in (axes.xaxis, axes.yaxis) for label in _outside(axes, axis)]
    drawn = [text for text in figure.findobj(Text) if text.get_visible() and text.get_text().strip()]  # type: ignore[attr-defined]
    hidden = {id(text) for axes in figure.axes if not axes.axison for text in axes.findobj(Text)}
    return [text for text in drawn if id(text) not in {id(tick) for tick in ticks} | hidden]  # type: ignore[misc]


def _outside(axes: Axes, axis) -> list[Text]:
    """Labels of ticks beyond the axes' limits, which matplotlib keeps and never draws."""
    low, high = sorted(axis.get_view_interval())
    return [
        label
        for tick in (*axis.get_major_ticks(), *axis.get_minor_ticks())
        for label in (tick.label1, tick.label2)
        if not low - 1e-9 <= tick.get_loc() <= high + 1e-9
    ]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of labels whose boxes share more than a point on both sides."""
    FigureCanvasAgg(figure)
    labels = visible_labels(figure)
    boxes = [label.get_window_extent() for label in labels]
    slack = figure.dpi / 72
    return [
        (one.get_text(), other.get_text())
        for (one, a), (other, b) in combinations(zip(labels, boxes, strict=True), 2)
        if min(a.x1, b.x1) - max(a.x0, b.x0) > slack and min(a.y1, b.y1) - max(a.y0, b.y0) > slack
        if not _side_by_side(one, other)
    ]


def _side_by_side(one: Text, other: Text) -> bool:
    """Whether two labels that are turned alike, not by a right angle, are apart though their boxes are not."""
    angle = np.deg2rad(one.get_rotation())
    if one.get_rotation() != other.get_rotation() or one.get_rotation() % 90 == 0:
        return False
    (x, y), (u, v) = (label.get_transform().transform(label.get_position()) for label in (one, other))
    across = abs((u - x) * np.sin(angle) - (v - y) * np.cos(angle))
    figure = one.get_figure(root=True)
    assert figure is not None
    return across > float(one.get_fontsize()) * figure.dpi / 72


def cut_off(figure: Figure) -> list[str]:
    """Labels that leave the page."""
    page = figure.bbox
    boxes = [(label.get_text(), label.get_window_extent()) for label in visible_labels(figure)]
    return [
        name
        for name, b in boxes
        if b.x0 < page.x0 - 1 or b.y0 < page.y0 - 1 or b.x1 > page.x1 + 1 or b.y1 > page.y1 + 1
    ]


def test_the_check_of_overlaps_can_fail() -> None:
    figure = new_figure(PAGE, 3.0)
    figure.text(0.5, 0.5, "one label")
    assert not overlapping(figure) and not cut_off(figure)
    figure.text(0.52, 0.5, "another")
    figure.text(0.99, 0.9, "too far to the right")
    for x in (0.1, 0.12, 0.4, 0.5):
        figure.text(x, 0.1, f"turned {x}", rotation=45, fontsize=8)
    assert overlapping(figure) == [("one label", "another"), ("turned 0.1", "turned 0.12")]
    assert cut_off(figure) == ["too far to the right"]


SHAPES = [(30, 9, ("self",)), (24, 16, ("self",)), (4, 8, ("self",)), (6, 8, ("encoder", "decoder", "cross"))]


@pytest.mark.parametrize(("layers", "heads", "sites"), SHAPES)
def test_labels_do_not_overlap_at_any_shape(layers: int, heads: int, sites: tuple[str, ...]) -> None:
    scores = random_scores(layers, heads, sites, FAMILIES)
    roles = assigned_roles(scores)
    effects = random_effects(layers, heads, sites)
    one = effects[effects["ablation"] == "mean"].assign(ablation="resample (approximate)")
    figures = [plots.role_maps(scores, roles), plots.effect_map(effects), plots.effect_map(one)]
    figures.append(plots.best_heads(scores.assign(lift_pos=scores["lift"] - 0.1), roles))
    if sites == ("self",):
        figures.append(plots.role_against_effect(random_atlas(layers, heads)))
    for figure in figures:
        assert "minilm on ewt" in texts(figure)
        assert not overlapping(figure)
        assert not cut_off(figure)


def test_as_many_roles_as_a_treebank_has_are_legible() -> None:
    families = {"syntax": [f"relation{n}.to_governor" for n in range(60)], "lexical": [f"tag.T{n}" for n in range(18)]}
    scores = random_scores(2, 3, families=families)
    scores["baseline_name"] = "end of next class noun, adjective or verb"
    figure = plots.best_heads(scores.assign(lift_pos=scores["lift"]), assigned_roles(scores))
    assert not overlapping(figure) and not cut_off(figure)


# --- the best heads


def tiny_scores() -> pd.DataFrame:
    """Three roles of one head each: one that it has, one tested without, one untested."""
    rows = [
        {"role": role, "family": "syntax", "site": "self", "layer": 1, "head": 2, "split": split, "n": n, "hit": 0.8}
        | {"word_mass": 0.5, "baseline": 0.5, "baseline_name": "offset-1", "lift": 0.3, "ci_low": 0.2, "ci_high": 0.4}
        | {"p": p, "lift_pos": lift_pos, "model": "m", "corpus": "c"}
        for role, n, p, lift_pos in (("has", 90, 0.01, 0.1), ("lacks", 80, 0.9, -0.15), ("rare", 3, np.nan, np.nan))
        for split in ("select", "confirm")
    ]
    return pd.DataFrame(rows)


def dots(figure: Figure, label: str) -> dict[str, tuple[float, str]]:
    """By the name of the row: where a dot is, and what fills it."""
    axes = figure.axes[0]
    names = [tick.get_text() for tick in axes.get_yticklabels()]
    found = [one for one in axes.collections if isinstance(one, PathCollection) and label in str(one.get_label())]
    return {
        names[int(y)]: (round(float(x), 6), to_hex(one.get_facecolor()[0]).upper())  # type: ignore[index]
        for one in found
        for x, y in np.asarray(one.get_offsets())
    }


def test_best_heads_tell_apart_a_role_a_test_and_no_test() -> None:
    scores = tiny_scores()
    figure = plots.best_heads(scores, scores[(scores["role"] == "has") & (scores["split"] == "confirm")])
    assert dots(figure, "hit") == {"has": (0.8, PALETTE["syntax"]), "lacks": (0.8, "#FFFFFF")}
    assert dots(figure, "best baseline") == {"has": (0.5, "#8C8C8C"), "lacks": (0.5, "#8C8C8C")}
    assert dots(figure, "annotation baseline") == {"has": (0.7, "#404040"), "lacks": (0.95, "#404040")}
    shown = texts(figure)
    assert "left out: 1." in shown and "has the role" in shown and "tested, without the role" in shown
    assert "annotation baseline" in shown and "rare" not in shown


def test_a_role_of_another_head_is_none_of_this_one() -> None:
    scores = tiny_scores()
    figure = plots.best_heads(scores, scores[scores["split"] == "confirm"].assign(head=3))
    assert {fill for _, fill in dots(figure, "hit").values()} == {"#FFFFFF"}


def test_without_an_annotation_baseline_none_is_named() -> None:
    shown = texts(plots.best_heads(tiny_scores().drop(columns="lift_pos")))
    assert "annotation" not in shown and "without the role" not in shown


def test_a_head_with_the_role_is_never_crowded_out() -> None:
    scores = random_scores(1, 1, families={"syntax": [f"r{n}.to_governor" for n in range(60)]})
    roles = scores[(scores["role"] == "r3.to_governor") & (scores["split"] == "confirm")]
    assert roles["n"].iloc[0] == scores.loc[scores["p"].notna(), "n"].sort_values().unique()[1], "it is rare"
    shown = texts(plots.best_heads(scores, roles))
    assert "r3 → governor" in shown and "r2 → governor" not in shown


# --- scales


def test_every_family_has_its_own_colours() -> None:
    scores = random_scores(2, 3, families={"positional": ["offset-1"], "lexical": ["delimiter"]})
    scores["lift"] = np.where(scores["family"] == "positional", 0.9, 0.2) - 0.01 * scores["head"]
    figure = plots.role_maps(scores, assigned_roles(scores)[:0])
    tops = {
        axes.get_title(loc="left"): axes.collections[0].norm.vmax for axes in figure.axes if axes.get_title(loc="left")
    }  # type: ignore[union-attr]
    assert tops == pytest.approx({"positional": 0.9, "lexical": 0.2})
    assert sum(axes.get_ylabel() == "lift" for axes in figure.axes) == 2, "a bar each"


def test_noise_is_not_as_dark_as_a_finding() -> None:
    scores = random_scores(2, 3, families={"lexical": ["delimiter"]}).assign(lift=0.004)
    figure = plots.role_maps(scores, assigned_roles(scores)[:0])
    assert figure.axes[0].collections[0].norm.vmax == 0.1  # type: ignore[union-attr]


def test_a_family_has_one_scale_at_all_sites() -> None:
    scores = random_scores(2, 3, ("encoder", "decoder"), {"lexical": ["delimiter"]})
    scores["lift"] = np.where(scores["site"] == "encoder", 0.5, 0.3)
    figure = plots.role_maps(scores, assigned_roles(scores)[:0])
    maps = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(maps) == 2 and {axes.collections[0].norm.vmax for axes in maps} == {0.5}  # type: ignore[union-attr]


# --- helpers


def test_numbers_of_heads_are_thinned_where_cells_are_narrow() -> None:
    figure = new_figure(Style("column"), 2.0)
    axes = figure.subplots()
    axes.set(xlim=(-0.5, 63.5), ylim=(-0.5, 3.5))
    figure.lay_out()
    thin_ticks(axes, (4, 64))
    assert list(axes.get_yticks()) == [0, 1, 2, 3]
    assert len(axes.get_xticks()) < 20 and not overlapping(figure)


def test_a_title_is_wrapped_and_a_word_that_is_too_long_is_cut() -> None:
    text = "resample (approximate) ablation, decoder"
    lines = wrapped(text, 100.0, 8.0).split("\n")
    assert len(lines) == 2 and " ".join(lines) == text
    assert all(text_width(line, 8.0) <= 100 for line in lines)
    assert wrapped("n" * 90, 50.0).endswith("…") and text_width(wrapped("n" * 90, 50.0), 8.0) <= 50


def test_a_legend_has_the_columns_that_fit() -> None:
    figure = new_figure(Style("column"), 3.0)
    axes = figure.subplots()
    for number in range(5):
        axes.plot([], [], "o", label=f"a rather long label {number}")
    table = pd.DataFrame({"model": ["m" * 200], "corpus": ["c"]})
    legend_above(figure, table, *axes.get_legend_handles_labels())
    assert not overlapping(figure) and not cut_off(figure)
    assert run_name(figure, table).startswith("mmm") and run_name(figure, pd.DataFrame({"x": [1]})) == ""
