"""What is written beside tables and figures, each a text made of these tables and the manifest alone."""

from collections.abc import Mapping
from typing import Any

from matplotlib.figure import Figure

from interp.api import definitions
from interp.examples import FILE as EXAMPLES
from interp.folder_readme import folder_readme
from interp.interchange.head_cards import FILE as CARDS
from interp.interchange.head_cards import cards_text, obstacle
from interp.paper import FigureOfRun, figure_texts, paper_texts
from interp.plots.captions import caption_texts
from interp.plots.style import PaperFigure
from interp.report import page
from interp.results import Findings, file_name


def texts_of(findings: Findings, manifest: Mapping[str, Any], figures: Mapping[str, Figure]) -> dict[str, str]:
    """Texts by the names of their files in the run's folder."""
    known = definitions()
    texts = {"report.html": page(findings.tables, manifest, findings.examples, known)}
    texts |= paper_texts(findings.tables, manifest, known, file_name) | caption_texts(figures)
    texts |= figure_texts(
        {
            file_name(name): FigureOfRun(figure.caption, not figure.style.is_narrow)
            for name, figure in figures.items()
            if isinstance(figure, PaperFigure)
        }
    )
    if not obstacle(findings.tables):
        texts[CARDS] = cards_text(findings.tables, manifest)
    # last: it says what the others are
    kept = [EXAMPLES] if findings.examples is not None and findings.examples.documents else []
    return texts | {"README.md": folder_readme(findings.tables, manifest, [*texts, *kept])}
