r"""Text of corpora, models and paths for LaTeX: shown as it is, never run, in any engine and any font encoding.

Characters that mean something to TeX are escaped; accented Latin letters, Greek and the usual signs become commands
that every LaTeX has. For any other letter (Arabic, Chinese, emoji) pdflatex has no glyph and would stop: it stands as
its code point, `U+0645`. The run's tables in csv and parquet have the letter itself.
"""

import re
import unicodedata

SPECIAL = {
    "\\": r"\textbackslash{}",
    "{": r"\{",
    "}": r"\}",
    "$": r"\$",
    "&": r"\&",
    "%": r"\%",
    "#": r"\#",
    "_": r"\_",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    "|": r"\textbar{}",
    # in some languages a command
    '"': "''",
    "`": r"{}\char96{}",
    # after the end of a row, an option of it
    "[": "{[}",
    "]": "{]}",
    "*": "{*}",
}
"""What stands for a character of ASCII that LaTeX would take for something else."""

SIGNS = {
    "\u00a0": "~",
    "–": r"\textendash{}",
    "—": r"\textemdash{}",
    "‘": r"\textquoteleft{}",
    "’": r"\textquoteright{}",
    "“": r"\textquotedblleft{}",
    "”": r"\textquotedblright{}",
    "…": r"\ldots{}",
    "ß": r"\ss{}",
    "æ": r"\ae{}",
    "Æ": r"\AE{}",
    "œ": r"\oe{}",
    "Œ": r"\OE{}",
    "ø": r"\o{}",
    "Ø": r"\O{}",
    "ł": r"\l{}",
    "Ł": r"\L{}",
    "ı": r"\i{}",
    "¡": r"\textexclamdown{}",
    "¿": r"\textquestiondown{}",
    "§": r"\S{}",
    "µ": r"$\mu$",
    "×": r"$\times$",
    "÷": r"$\div$",
    "−": "$-$",
    "±": r"$\pm$",
    "·": r"$\cdot$",
    "≤": r"$\le$",
    "≥": r"$\ge$",
    "≠": r"$\ne$",
    "≈": r"$\approx$",
    "∞": r"$\infty$",
    "→": r"$\to$",
    "←": r"$\leftarrow$",
    "↔": r"$\leftrightarrow$",
    "√": r"$\surd$",
    "‖": r"$\|$",
    "°": r"$^\circ$",
    "²": "$^2$",
    "Σ": r"$\Sigma$",
}
_NAMES = (
    *("alpha", "beta", "gamma", "delta", "varepsilon", "zeta", "eta", "theta", "iota", "kappa", "lambda", "mu", "nu"),
    *("xi", "pi", "rho", "sigma", "tau", "upsilon", "varphi", "chi", "psi", "omega"),
    *("Gamma", "Delta", "Theta", "Lambda", "Xi", "Pi", "Phi", "Psi", "Omega"),
)
GREEK = {letter: rf"$\{name}$" for letter, name in zip("αβγδεζηθικλμνξπρστυφχψωΓΔΘΛΞΠΦΨΩ", _NAMES, strict=True)}

ACCENTS = {
    "\u0300": "`",
    "\u0301": "'",
    "\u0302": "^",
    "\u0303": "~",
    "\u0304": "=",
    "\u0306": "u",
    "\u0307": ".",
    "\u0308": '"',
    "\u030a": "r",
    "\u030b": "H",
    "\u030c": "v",
    "\u0323": "d",
    "\u0327": "c",
    "\u0331": "b",
}
"""Accents that LaTeX sets over, or under, any letter of ASCII, whatever the encoding of the font."""


def escaped(text: str) -> str:
    r"""The text as LaTeX that shows it, in a paragraph, a cell of a table or a caption.

    >>> escaped(r"$x_1$ \write18{ls} Zoë")
    '\\$x\\_1\\$ \\textbackslash{}write18\\{ls\\} Zo\\"{e}'
    """
    # two hyphens would become a dash
    return re.sub("-(?=-)", "-{}", "".join(map(_escaped, unicodedata.normalize("NFC", text))))


def in_comment(text: str) -> str:
    """The text on one line, so that a comment of LaTeX does not end before it."""
    return "".join(character if character.isprintable() else _code_point(character) for character in text)


def _escaped(character: str) -> str:
    for known in (SPECIAL, SIGNS, GREEK):
        if character in known:
            return known[character]
    if " " <= character <= "~":
        return character
    letter, *marks = unicodedata.normalize("NFD", character)
    if letter.isascii() and letter.isalpha() and len(marks) == 1 and marks[0] in ACCENTS:
        return rf"\{ACCENTS[marks[0]]}{{{_dotless(letter, marks[0])}}}"
    return _code_point(character)


def _dotless(letter: str, mark: str) -> str:
    """An i that has something else above it has no dot."""
    is_above = mark not in ("\u0323", "\u0327", "\u0331")
    return rf"\{letter}" if letter in "ij" and is_above else letter


def _code_point(character: str) -> str:
    return f"U+{ord(character):04X}"
