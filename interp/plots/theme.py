"""A theme of one's own: a style file of matplotlib, with lines for the colours of families beside its own."""

import re
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from matplotlib import RcParams, rcParams
from matplotlib.colors import is_color_like
from matplotlib.font_manager import FontProperties, findfont

from interp.errors import InterpError, cut, require_choice
from interp.plots.style import LOOKS, WIDTHS, Style

FAMILY = "family."

LOOK = re.compile(
    r"(axes|font|grid|hatch|legend|lines|patch|scatter|xtick|ytick)\..+|text\.color|(figure|savefig)\.(face|edge)color"
)
"""matplotlib's settings that are a matter of looks; what is left out is how files are made, and what would run TeX."""
# colours come by family, not in a cycle
NOT_A_LOOK = ("axes.prop_cycle",)

SIZE = re.compile(r"font\.size|.*(title|label|font)_?(font)?size")
SMALLEST, LARGEST = 5.0, 14.0
"""Points of text: what a journal takes, and what a figure has room for."""

LONGEST = 100_000
"""Characters of a style file."""

LINE = re.compile(r"""\s*(?P<key>[^:#\s]+)\s*:\s*(?P<value>"[^"]*"|'[^']*'|[^#]*?)\s*(?:\#.*)?""")
EXAMPLE = "lines such as `font.family: serif`, `axes.titlesize: 9` or `family.syntax: 009E73`"


def read_style(width: str = "page", theme: str | None = None) -> Style:
    """How figures are to look: `width` is `column` or `page`; `theme` is the path of a style file.

    A line of it is a setting of matplotlib (`axes.titlesize: 9`) or the colour of a family of roles
    (`family.syntax: 009E73`); `#` begins a comment. Raises `InterpError` where it cannot be read, and for a line that
    is neither.
    """
    require_choice("plots.width", width, WIDTHS)
    if theme is None:
        return Style(width)
    looks, colours = _read(Path(theme).expanduser())
    return Style(width, looks, colours)


def _read(path: Path) -> tuple[dict[str, Any], dict[str, str]]:
    """The settings and the colours of families in this file."""
    try:
        with path.open(encoding="utf-8") as file:
            text = file.read(LONGEST + 1)
    except (OSError, ValueError) as error:
        said = error.strerror if isinstance(error, OSError) else "it is not text in UTF-8"
        raise InterpError(
            f"plots.theme={path} cannot be read ({said}). Allowed: a style file of matplotlib, with {EXAMPLE}."
        ) from error
    if len(text) > LONGEST:
        raise InterpError(f"plots.theme={path} is longer than {LONGEST:,} characters. Give a style file of matplotlib.")
    looks: dict[str, Any] = {}
    colours: dict[str, str] = {}
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None:
            raise _wrong(path, number, f"{cut(line.strip())!r} is no setting", f"Allowed: {EXAMPLE}.")
        key, value = match["key"], match["value"].strip("\"'")
        if key.startswith(FAMILY):
            colours[key.removeprefix(FAMILY)] = _colour(path, number, value)
        else:
            looks[key] = _checked(path, number, key, value)
    _check_sizes(path, looks)
    return looks, colours


def _colour(path: Path, number: int, value: str) -> str:
    for written in (value, f"#{value}"):
        if is_color_like(written) and not written.startswith("C"):
            return written
    raise _wrong(path, number, f"{cut(value)!r} is no colour", "Allowed: a name such as teal, or 009E73.")


def _checked(path: Path, number: int, key: str, value: str) -> Any:
    """The value as matplotlib reads it."""
    if key not in rcParams:
        near = get_close_matches(key, list(rcParams), 1)
        hint = f"Did you mean {near[0]}? " if near else ""
        raise _wrong(path, number, f"{cut(key)} is no setting of matplotlib", f"{hint}Allowed: {EXAMPLE}.")
    if LOOK.fullmatch(key) is None or key in NOT_A_LOOK:
        raise _wrong(
            path, number, f"{key} cannot be set here",
            "Allowed: settings of axes, font, grid, hatch, legend, lines, patch, scatter, xtick and ytick, text.color, "
            "and family.NAME for colours; the width is plots.width.",
        )  # fmt: skip
    read: Any = RcParams()
    try:
        read[key] = value
    except ValueError as error:
        raise _wrong(path, number, f"{key}: {cut(value)} cannot be ({cut(str(error))})", "") from error
    if key == "font.family":
        for name in read[key]:
            try:
                findfont(FontProperties(family=[name]), fallback_to_default=False)
            except ValueError as error:
                raise _wrong(
                    path, number, f"the font {cut(name)} is not installed here", "Install it, or name another, such as "
                    "DejaVu Sans, DejaVu Serif or STIXGeneral, which come with matplotlib.",
                ) from error  # fmt: skip
    return read[key]


def _check_sizes(path: Path, looks: Mapping[str, Any]) -> None:
    """Raises `InterpError` for text that cannot be read, or would not fit."""
    base = float({**LOOKS, **looks}["font.size"])
    for key in (key for key in looks if SIZE.fullmatch(key) and looks[key] is not None):
        size = FontProperties(size=looks[key])
        # a name such as `large` goes by matplotlib's own size of text, this by the theme's
        points = size.get_size_in_points() * (base / float(rcParams["font.size"]) if isinstance(looks[key], str) else 1)
        if not SMALLEST <= points <= LARGEST:
            raise InterpError(
                f"plots.theme={path}: {key}: {looks[key]} is {points:g} points. Allowed: {SMALLEST:g} to {LARGEST:g}."
            )


def _wrong(path: Path, number: int, problem: str, remedy: str) -> InterpError:
    return InterpError(f"plots.theme={path}, line {number}: {problem}. {remedy}".rstrip())
