r"""A run's figures as a paper takes them in: `\input{figures/roles}` sets the figure with its caption."""

from collections.abc import Mapping
from typing import NamedTuple

from interp.paper.escaping import escaped


class FigureOfRun(NamedTuple):
    """What a paper needs of a figure: its caption, and whether it is as wide as a page or as one of two columns."""

    caption: str
    is_wide: bool


def figure_texts(figures: Mapping[str, FigureOfRun]) -> dict[str, str]:
    """Texts by the names of their files in the run's folder; the keys are the names of the figures' files.

    A figure as wide as a page spans both columns where a paper has two.
    """
    return {f"figures/{file}.tex": _environment(file, figure) for file, figure in figures.items()}


def _environment(file: str, figure: FigureOfRun) -> str:
    environment = "figure*" if figure.is_wide else "figure"
    lines = [
        r"% Needs \usepackage{graphicx}. In another folder: \graphicspath{{DIR/}}",
        rf"\begin{{{environment}}}[tbp]",
        r"  \centering",
        rf"  \includegraphics[width=\linewidth]{{figures/{file}.pdf}}",
        rf"  \caption{{{escaped(figure.caption)}}}",
        rf"  \label{{fig:{file}}}",
        rf"\end{{{environment}}}",
    ]
    return "\n".join([*lines, ""])
