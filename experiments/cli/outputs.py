"""What is written beside tables and figures, each a text made of these tables and the manifest alone."""

from collections.abc import Mapping
from typing import Any

from interp.folder_readme import folder_readme
from interp.results import Findings


def texts_of(findings: Findings, manifest: Mapping[str, Any]) -> dict[str, str]:
    """Texts by the names of their files in the run's folder."""
    texts: dict[str, str] = {}
    # last: it says what the others are
    return texts | {"README.md": folder_readme(findings.tables, manifest, texts)}
