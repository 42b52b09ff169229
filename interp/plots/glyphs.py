"""Which words a figure shows as boxes, because its font lacks their letters."""

from collections.abc import Iterable

from matplotlib.figure import Figure
from matplotlib.font_manager import findfont, get_font
from matplotlib.text import Text


def without_glyph(figures: Iterable[Figure]) -> set[str]:
    """The words of these figures with a letter that the font they are drawn in does not have."""
    found: set[str] = set()
    for figure in figures:
        for text in figure.findobj(Text):
            assert isinstance(text, Text)
            font = get_font(findfont(text.get_fontproperties()))
            # what is not printable is drawn as nothing
            lacking = {c for c in text.get_text() if c.isprintable() and not font.get_char_index(ord(c))}
            found |= {word for word in text.get_text().split() if lacking & set(word)}
    return found
