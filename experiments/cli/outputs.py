"""What is written beside tables and figures, each a text made of these tables and the manifest alone."""

from collections.abc import Mapping
from typing import Any

from interp.api import definitions
from interp.paper import paper_texts
from interp.results import Findings, file_name


def texts_of(findings: Findings, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Texts by the names of their files in the run's folder."""
    return paper_texts(findings.tables, manifest, definitions(), file_name)
