"""What a journal asks of a figure: its width, its fonts, a caption, and that it can be read without colours."""

import hashlib
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.collections import LineCollection, PathCollection, QuadMesh
from matplotlib.colors import TwoSlopeNorm, to_rgb
from matplotlib.figure import Figure

from interp import plots
from interp.plots.captions import FILE, caption_texts, counted, how_many
from interp.plots.heat_map import mark_negative
from interp.plots.style import (
    MARKERS,
    MOST_HEIGHT,
    OTHER_MARKER,
    PAGE,
    PALETTE,
    SEQUENTIAL,
    SMALL,
    WIDTHS,
    PaperFigure,
    Style,
    new_figure,
)
from tests.plots.examples import LONG, every_figure, random_curves, random_kernel
from tests.plots.test_plots import WORDS, random_attention, texts
from tests.plots.test_readable_figures import cut_off, overlapping, visible_labels

NAMES = sorted(every_figure(1, 2))
OF_ALL_HEADS = (
    "roles", "best_heads", "effects", "role_against_effect", "anatomy", "attention_by_norm", "kernels_causal", "tags"
)  # fmt: skip
COLUMN = Style("column")


@cache
def figures_of(layers: int, heads: int):
    return every_figure(layers, heads)


CASES = [(6, 12, name) for name in NAMES] + [(*shape, name) for shape in ((30, 9), (48, 16)) for name in OF_ALL_HEADS]


@pytest.mark.parametrize("width", WIDTHS)
@pytest.mark.parametrize(("layers", "heads", "name"), CASES)
def test_a_figure_fits_its_place_and_every_label_can_be_read(layers: int, heads: int, name: str, width: str) -> None:
    figure = figures_of(layers, heads)[name](Style(width))
    inches = figure.get_size_inches()
    assert inches[0] == WIDTHS[width] and 0.5 < inches[1] <= MOST_HEIGHT
    assert not overlapping(figure) and not cut_off(figure)
    assert smallest(figure) >= SMALL
    # and its caption says how many
    assert isinstance(figure, PaperFigure)
    counts = re.search(r"n: (.+?)\. ?", figure.caption)
    assert counts and re.search(r"\d", counts[1]), figure.caption
    assert figure.caption.endswith(".") and ".." not in figure.caption
    # in a column the caption alone has it
    assert bool(re.search(r"(^|\| )n: \d", texts(figure))) == (width == "page")
    kinds = {type(one).__name__ for axes in figure.axes for one in axes.collections}
    assert "FillBetweenPolyCollection" not in kinds or "interval" in figure.caption


def smallest(figure: Figure) -> float:
    return min(float(label.get_fontsize()) for label in visible_labels(figure))


@pytest.mark.parametrize("name", ["roles", "matrices", "pruning_curve", "kernels_causal"])
def test_a_pdf_is_a_vector_with_its_fonts_in_it(name: str, tmp_path: Path) -> None:
    figure = figures_of(6, 12)[name](COLUMN)
    figure.savefig(tmp_path / "figure.pdf")
    content = (tmp_path / "figure.pdf").read_bytes()
    # TrueType, embedded (FontFile2); Type 3 is what journals send back
    assert b"/FontFile2" in content and b"/CIDFontType2" in content and b"/Type3" not in content
    box = re.search(rb"/MediaBox \[ 0 0 ([\d.]+)", content)
    assert box and float(box[1]) == pytest.approx(WIDTHS["column"] * 72)


# --- without colours


def lightness(colour: str) -> float:
    """Of 0 to 1, as a grey copy shows it (Rec. 601)."""
    return float(np.dot(to_rgb(colour), [0.299, 0.587, 0.114]))


def test_families_are_told_apart_by_marks() -> None:
    named = [family for family in PALETTE if family != "unclassified"]
    marks = [MARKERS[family] for family in named]
    assert set(MARKERS) == set(PALETTE) and len({*marks, OTHER_MARKER}) == len(marks) + 1


def test_a_map_grows_darker_in_grey() -> None:
    shades = [lightness(SEQUENTIAL(value)) for value in np.linspace(0, 1, 64)]  # type: ignore[arg-type]
    assert all(np.diff(shades) < 0)


def test_a_cell_below_zero_has_a_dash_and_no_other() -> None:
    figure = new_figure(PAGE, 2.0)
    axes = figure.subplots()
    values = np.array([[1.0, -1.0, np.nan], [-0.05, 0.0, -0.5]])
    assert mark_negative(axes, values, TwoSlopeNorm(0, -1, 1))
    segments = [
        ends for lines in axes.collections if isinstance(lines, LineCollection) for ends in lines.get_segments()
    ]
    assert {(round(float(ends[:, 0].mean())), float(ends[0, 1])) for ends in segments} == {(1, 0.0), (2, 1.0)}
    assert not mark_negative(figure.subplots(), np.abs(values), TwoSlopeNorm(0, -1, 1))


@pytest.mark.parametrize("name", ["best_heads", "role_against_effect", "reliability"])
def test_dots_of_two_families_have_two_shapes(name: str) -> None:
    figure = figures_of(6, 12)[name](PAGE)
    shapes: dict[str, set] = {}
    for dots in figure.axes[0].collections:
        if isinstance(dots, PathCollection) and len(np.asarray(dots.get_offsets())):
            colour = np.asarray(dots.get_edgecolor())[0][:3]
            family = next((f for f, c in PALETTE.items() if np.allclose(to_rgb(c), colour, atol=0.01)), None)
            if family not in (None, "unclassified"):
                shapes.setdefault(str(family), set()).add(np.asarray(dots.get_paths()[0].vertices).tobytes())
    assert len(shapes) > 1
    for one, other in zip(list(shapes), list(shapes)[1:], strict=False):
        assert not shapes[one] & shapes[other]


def test_curves_of_two_orders_have_two_dashes_and_two_marks() -> None:
    curve, areas, _ = random_curves()
    lines = [
        line for line in plots.pruning_curve(curve, areas).axes[0].lines if not str(line.get_label()).startswith("_")
    ]
    looks = [(line.get_marker(), str(line.get_linestyle()), line._dash_pattern) for line in lines]  # type: ignore[attr-defined]
    assert len(lines) == 4 and len({str(look) for look in looks}) == 4


# --- sentences


def tick_words(figure: Figure) -> list[str]:
    """The words under the first axes, at all of its sides."""
    axis = figure.axes[0].xaxis
    ticks = [*axis.get_major_ticks(), *axis.get_minor_ticks()]
    at = sorted((float(tick.get_loc()), tick.label1.get_text() or tick.label2.get_text()) for tick in ticks)
    return [word for _, word in at]


def test_every_word_of_a_long_sentence_is_named() -> None:
    attention = random_attention(1, 4, LONG)
    heads = [("self", 0, head) for head in range(4)]
    assert tick_words(plots.attention_matrices(attention, heads)) == LONG
    assert tick_words(plots.attention_arcs(attention, LONG, heads)) == LONG
    # in a column there is room for a part, which is said
    narrow = plots.attention_matrices(attention, heads, style=COLUMN)
    assert len(tick_words(narrow)) < len(LONG) and "words, one is named." in narrow.caption  # type: ignore[attr-defined]


def test_heads_without_room_are_named_and_counted() -> None:
    attention = random_attention(1, 4, LONG)
    figure = plots.attention_matrices(attention, [("self", 0, head) for head in range(4)])
    assert len([axes for axes in figure.axes if axes.get_title(loc="left")]) == 1
    assert "1 of 4 heads" in figure.caption and "A page has no room for 0.1, 0.2, 0.3" in figure.caption  # type: ignore[attr-defined]


def test_a_matrix_says_what_is_not_counted() -> None:
    figure = plots.attention_matrices(random_attention(), [(0, 0)])
    assert "special tokens and to the word itself is not counted" in texts(figure)


@pytest.mark.parametrize(("count", "kind"), [(5, "bars"), (6, "map")])
def test_more_candidates_than_five_are_a_map(count: int, kind: str) -> None:
    attention = random_attention(3, 4)
    few = attention[(attention["query"] == 14) & (attention["key"] < count)]
    few = few.rename(columns={"key": "candidate", "key_word": "candidate_word"})
    axes = plots.candidate_bars(few).axes[0]
    meshes = [one for one in axes.collections if isinstance(one, QuadMesh)]
    assert bool(meshes) == (kind == "map") and bool(axes.containers) == (kind == "bars")
    if meshes:
        shown = np.asarray(meshes[0].get_array())
        wide = few.pivot_table(index=["layer", "head"], columns="candidate", values="mass")
        ranked = wide.loc[wide.max(axis=1).sort_values(ascending=False, kind="stable").index[:10]]
        np.testing.assert_allclose(shown, ranked.to_numpy())
        assert tick_words(plots.candidate_bars(few)) == [f"{WORDS[n]} ({n})" for n in range(count)]


# --- kernels and curves


def test_a_causal_kernel_has_no_empty_half() -> None:
    causal, whole = (random_kernel(2, 3, causal=causal) for causal in (True, False))
    assert plots.kernel_map(*causal).axes[0].get_xlim() == (-10.5, 0.5)
    assert plots.kernel_map(*whole).axes[0].get_xlim() == (-10.5, 10.5)


def test_every_head_has_its_row_in_one_column_or_several() -> None:
    for layers, heads, columns in ((6, 12, 1), (30, 9, 2), (48, 16, 4)):
        kernel, shape = random_kernel(layers, heads, causal=True)
        figure = plots.kernel_map(kernel, shape)
        meshes = [
            one
            for axes in figure.axes
            for one in axes.collections
            if isinstance(one, QuadMesh) and axes.get_xlim()[0] < 0
        ]
        shown = np.concatenate([np.asarray(mesh.get_array()) for mesh in meshes])
        wide = kernel.pivot_table(index=["layer", "head"], columns="offset", values="value").to_numpy()
        assert len(meshes) == columns
        np.testing.assert_allclose(shown, wide)


def test_joint_effects_have_a_panel_per_order_and_a_legend_that_says_what_lines_are() -> None:
    *_, joint = random_curves()
    figure = plots.joint_effects(joint)
    titles = [" ".join(axes.get_title(loc="left").split()) for axes in figure.axes]
    assert titles == [
        "lowest effect first", "lowest attribution first", "lowest obj.to_governor first", "in random order"
    ]  # fmt: skip
    legend = [text.get_text() for text in figure.legends[0].get_texts()]
    assert legend == ["ablated together", "sum of what each costs alone"]
    first = joint[joint["order"] == "effect"]
    alone, together = (line for line in figure.axes[0].lines if len(line.get_xdata()) == 11)  # type: ignore[arg-type]
    np.testing.assert_allclose(np.asarray(alone.get_ydata()), first["sum_of_effects"])
    np.testing.assert_allclose(np.asarray(together.get_ydata()), first["joint_effect"])


# --- captions


def test_captions_are_one_text_in_which_no_name_is_markup() -> None:
    figure = new_figure(PAGE, 1.0)
    figure.caption = "my_model <b>*x*</b> [a](b). n: 3 heads."
    found = caption_texts({"roles": figure})
    assert list(found) == [FILE]
    assert "## roles\n" in found[FILE]
    assert r"my\_model \<b\>\*x\*\</b\> \[a\](b)" in found[FILE]
    assert caption_texts({}) == {}


def test_counts_say_least_and_most() -> None:
    assert counted(pd.DataFrame({"n": [3393, 60]}), "queries") == "60 to 3,393 queries"
    assert counted(pd.DataFrame({"n": [1, 1]}), "queries a role") == "1 query a role"
    assert how_many(1, "planted roles") == "1 planted role" and how_many(2, "heads") == "2 heads"
    assert counted(pd.DataFrame({"x": [1]}), "queries") == ""


# --- the same bytes


DRAWN = """
import hashlib, sys
from interp.plots.style import Style
from interp.results import save_figures
from pathlib import Path
from tests.plots.examples import every_figure
every = every_figure(3, 4)
drawn = {name: every[name](Style("page")) for name in sys.argv[2:]}
save_figures(Path(sys.argv[1]), drawn)
"""


def test_two_processes_write_the_same_bytes(tmp_path: Path) -> None:
    names = ["roles", "best_heads", "effects", "kernels_causal", "matrices", "candidates", "nulls", "joint_effects"]
    digests = []
    for seed in ("1", "2"):
        folder = tmp_path / seed
        folder.mkdir()
        # a heap that is laid out otherwise, and sets in another order
        environment = os.environ | {"PYTHONHASHSEED": seed, "PYTHONMALLOC": "malloc" if seed == "1" else "pymalloc"}
        subprocess.run([sys.executable, "-c", DRAWN, str(folder), *names], check=True, env=environment)
        files = sorted((folder / "figures").iterdir())
        digests.append({path.name: hashlib.sha256(path.read_bytes()).hexdigest() for path in files})
    assert len(digests[0]) == 2 * len(names) and digests[0] == digests[1]


def test_no_text_is_smaller_than_can_be_read_and_the_check_can_fail() -> None:
    figure = new_figure(PAGE, 1.0)
    figure.text(0.5, 0.5, "tiny", fontsize=4)
    assert smallest(figure) < SMALL
