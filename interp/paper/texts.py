"""The files of a run that a paper takes: `tables/*.tex`, `methods.md`, `methods.tex`, `references.bib`."""

from collections.abc import Callable, Mapping
from typing import Any

import pandas as pd

from interp.paper.latex import as_latex
from interp.paper.methods import methods
from interp.paper.prose import as_latex as paragraph_in_latex
from interp.paper.prose import as_markdown, cited
from interp.paper.references import BY_KEY, bibliography
from interp.paper.selections import shown_in_papers

MADE_FROM = {"roles": "scores.csv and roles.csv"}
"""The files that a table comes from, where it is not that of its own name."""


def paper_texts(
    tables: Mapping[str, pd.DataFrame],
    manifest: Mapping[str, Any],
    definitions: pd.DataFrame,
    file_name: Callable[[str], str],
) -> dict[str, str]:
    """Texts by the names of their files in the run's folder; `file_name` makes the name of a table that of a file.

    `definitions` is the table of that name (`interp.definitions`), whose sources say what is cited. An experiment that
    measured nothing (no model and no corpus) has no methods.
    """
    project = manifest.get("project", {})
    made_by = f"Made by interp {project.get('version', '')} ({project.get('commit', 'unknown')})"
    classify = manifest.get("config", {}).get("classify") or {}
    shown = shown_in_papers(tables, classify)
    texts = {
        f"tables/{file}.tex": as_latex(file, table, made_by=made_by, made_from=MADE_FROM.get(name, f"{file}.csv"))
        for name, table in shown.items()
        for file in [file_name(name)]
    }
    if "model" not in manifest or "corpus" not in manifest:
        return texts
    paragraphs = methods(tables, manifest, definitions)
    keys = cited(paragraphs.values())
    texts["methods.md"] = "\n\n".join(
        [
            "# Methods",
            *(f"**{title}.** {as_markdown(paragraph)}" for title, paragraph in paragraphs.items()),
            *(["## References", "\n".join(f"- {BY_KEY[key].in_words}" for key in sorted(keys))] if keys else []),
            "",
        ]
    )
    texts["methods.tex"] = "\n\n".join(
        [
            f"% {made_by}. \\input{{methods}}; citations are in references.bib: \\bibliography{{references}}",
            *(
                rf"\begin{{sloppypar}}\paragraph{{{title}.}} {paragraph_in_latex(paragraph)}\end{{sloppypar}}"
                for title, paragraph in paragraphs.items()
            ),
            "",
        ]
    )
    texts["references.bib"] = bibliography(keys)
    return texts
