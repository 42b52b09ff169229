"""A theme of one's own changes how figures look, and a wrong one says what is wrong with it."""

from pathlib import Path

import pytest
from matplotlib import rcParams
from matplotlib.colors import to_hex

from interp import plots
from interp.errors import InterpError
from interp.plots.style import PALETTE, WIDTHS, Style, text_width
from interp.plots.theme import read_style
from tests.plots.test_plots import random_atlas, random_scores


def written(folder: Path, text: str) -> str:
    path = folder / "own.mplstyle"
    path.write_text(text, encoding="utf-8")
    return str(path)


def test_without_a_theme_only_the_width_is_given() -> None:
    assert read_style() == Style("page") and read_style("column").inches == WIDTHS["column"]


def test_a_theme_sets_fonts_sizes_and_family_colours(tmp_path: Path) -> None:
    text = """
    # the house style of a journal
    font.family: DejaVu Serif
    axes.titlesize: 9      # points
    axes.spines.right: True
    family.syntax: 004488
    family.mine: "#BB5566"
    """
    before = dict(rcParams)
    style = read_style("page", written(tmp_path, text))
    figure = plots.role_against_effect(random_atlas(4, 6), style=style)
    axes = figure.axes[0]
    assert axes.xaxis.label.get_fontfamily() == ["DejaVu Serif"] and axes.spines["right"].get_visible()
    assert style.looks["axes.titlesize"] == 9
    assert to_hex(style.family_colour("syntax")) == "#004488" and to_hex(style.family_colour("mine")) == "#bb5566"
    assert style.family_colour("copying") == PALETTE["copying"]
    drawn = {to_hex(dots.get_edgecolor()[0]) for dots in axes.collections if len(dots.get_edgecolor())}  # type: ignore[index,arg-type]
    assert "#004488" in drawn and PALETTE["syntax"].lower() not in drawn
    # saved in it as well, and nothing of it stays
    with style.in_use():
        assert text_width("mmmm") != pytest.approx(Style().inches)
        serif = text_width("a word of the corpus")
    assert serif != text_width("a word of the corpus") and dict(rcParams) == before
    figure.savefig(tmp_path / "figure.pdf")
    assert b"DejaVuSerif" in (tmp_path / "figure.pdf").read_bytes()


def test_what_a_theme_leaves_out_stays_as_it_is(tmp_path: Path) -> None:
    style = read_style("column", written(tmp_path, "axes.linewidth: 2\n"))
    figure = plots.best_heads(random_scores(2, 3), style=style)
    assert figure.axes[0].spines["left"].get_linewidth() == 2
    assert figure.axes[0].xaxis.label.get_fontsize() == 7


WRONG = {
    "axes.titelsize: 9": "line 1: axes.titelsize is no setting of matplotlib. Did you mean axes.titlesize",
    "axes.linewidth: thick": "line 1: axes.linewidth: thick cannot be",
    "\n\nfigure.figsize: 9, 9": "line 3: figure.figsize cannot be set here. Allowed: settings of axes, font",
    "text.usetex: True": "text.usetex cannot be set here",
    "text.latex.preamble: \\input{/etc/passwd}": "text.latex.preamble cannot be set here",
    "axes.prop_cycle: cycler('color', ['r'])": "axes.prop_cycle cannot be set here",
    "pdf.fonttype: 3": "pdf.fonttype cannot be set here",
    "family.syntax: greeen": "'greeen' is no colour. Allowed: a name such as teal, or 009E73",
    "font.family: Comic Sans of Nowhere": "the font Comic Sans of Nowhere is not installed here",
    "font.size: 40": "font.size: 40.0 is 40 points. Allowed: 5 to 14",
    "axes.titlesize: 2": "axes.titlesize: 2.0 is 2 points",
    "no setting at all": "'no setting at all' is no setting. Allowed: lines such as",
}


@pytest.mark.parametrize("text", WRONG)
def test_a_wrong_line_says_what_is_wrong(text: str, tmp_path: Path) -> None:
    with pytest.raises(InterpError) as caught:
        read_style("page", written(tmp_path, text))
    assert WRONG[text] in str(caught.value)


def test_what_is_no_style_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(InterpError, match=r"plots.theme=.*absent cannot be read \(No such file"):
        read_style("page", str(tmp_path / "absent"))
    with pytest.raises(InterpError, match=r"cannot be read \(Is a directory\)"):
        read_style("page", str(tmp_path))
    (tmp_path / "picture").write_bytes(b"\x89PNG\xff\xfe")
    with pytest.raises(InterpError, match="not text in UTF-8"):
        read_style("page", str(tmp_path / "picture"))
    with pytest.raises(InterpError, match="longer than 100,000 characters"):
        read_style("page", written(tmp_path, "#" * 200_000))
    with pytest.raises(InterpError, match=r"plots.width=poster is not known. Allowed: column, page"):
        read_style("poster")
