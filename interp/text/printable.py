"""Text from files, on its way to a terminal: what would steer the terminal is shown instead of sent."""

import re

_STEERING = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200e\u200f\u2028-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters but tab and line end, marks of writing direction, and halves of characters (bytes not UTF-8)."""


def printable(text: str) -> str:
    r"""The text with every character that steers a terminal, or is none, as `\u001b`: JSON's way, and still JSON."""
    return _STEERING.sub(lambda match: f"\\u{ord(match.group()):04x}", text)
