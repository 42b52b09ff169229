"""The documentation as a site: `make docs` writes docs/_build/html, and needs no network."""

import re
from pathlib import Path
from typing import Any

from interp.api import definitions
from interp.schema.markdown import in_cell

HERE = Path(__file__).parent
ROOT = HERE.parent

project = "interp"
author = "The interp developers"
project_copyright = "The interp developers"
extensions = ["myst_parser", "sphinx.ext.autodoc"]
exclude_patterns = ["_build"]
html_theme = "furo"
html_title = "interp"
html_static_path = ["static"]
html_css_files = ["site.css"]
html_copy_source = False
html_show_sphinx = False
highlight_language = "text"

# headings have the anchors that they have where the files are read without the site
myst_heading_anchors = 4

# a name in backticks is code, as in the docstrings' own text
default_role = "code"
autodoc_typehints = "signature"
autodoc_typehints_format = "short"
autodoc_member_order = "bysource"
autodoc_preserve_defaults = True
python_use_unqualified_type_names = True
python_maximum_signature_line_length = 90
# types of other projects have no page here, nor have the classes of models, of which HeadModel says all
nitpick_ignore_regex = [
    (r"py:.*", r"(collections|jaxtyping|matplotlib|numpy|pandas|pathlib|torch|transformer_lens|transformers)\..*"),
    (r"py:.*", r"Tensor|ndarray|interp\.models\..*Model"),
]

AT_THE_ROOT = {"changelog": "CHANGELOG.md", "contributing": "CONTRIBUTING.md", "security": "SECURITY.md"}
"""Pages whose text is a file at the root of the project."""

LINK = re.compile(r"\[([^\]]*)\]\(([^)\s]+)\)")


def page_text(page: str, text: str) -> str:
    """The Markdown of a page: as it stands, or of the file, the section or the definitions that it is to show."""
    if page in AT_THE_ROOT:
        return links_from((ROOT / AT_THE_ROOT[page]).read_text(encoding="utf-8"), ROOT, page)
    if page == "experiments":
        readme = (ROOT / "README.md").read_text(encoding="utf-8")
        section = readme.partition("## Experiments\n")[2].partition("\n## ")[0]
        table = "\n".join(line for line in section.splitlines() if line.startswith("|"))
        return links_from(f"# Experiments\n\n{table}\n", ROOT, page)
    if page == "definitions":
        text = f"{text}\n{cards()}"
    return links_from(text, (HERE / page).parent, page)


def links_from(text: str, folder: Path, page: str) -> str:
    """Links of a file in `folder`, so that they lead to pages of the site; of other files only the name is left."""
    up = "../" * page.count("/")

    def adapted(match: re.Match[str]) -> str:
        label, link = match.groups()
        name, _, anchor = link.partition("#")
        if not name or ":" in name:
            return match[0]
        target = (folder / name).resolve()
        if not target.is_relative_to(HERE) or target == HERE or target.suffix == ".py":
            target = at_the_root(target, anchor)
        if target is None:
            return label
        there = f"#{anchor}" if anchor and target.stem != "experiments" else ""
        return f"[{label}]({up}{target.relative_to(HERE)}{there})"

    return LINK.sub(adapted, text)


def at_the_root(target: Path, anchor: str) -> Path | None:
    """The page that shows a file of the root; none where none does."""
    if target == HERE:
        return HERE / "index.md"
    if target == ROOT / "README.md":
        return HERE / ("experiments.md" if anchor == "experiments" else "index.md")
    pages = {ROOT / name: HERE / f"{page}.md" for page, name in AT_THE_ROOT.items()}
    return pages.get(target)


def cards() -> str:
    """Every definition as the code has it: a section for a family, a card for an id."""
    lines: list[str] = []
    for family, table in definitions().groupby("family", sort=False):
        lines += [f"## {str(family).capitalize()}", ""]
        rows: Any = table.itertuples()
        for row in rows:
            lines += [f"### `{row.definition}`", "", f"{in_cell(row.role)} — {row.statistic}, per {row.unit}.", ""]
            said = {"Formula": row.formula, "Exclusions": row.exclusions, "Baseline": row.baseline}
            lines += [f"- **{name}:** {in_cell(value)}" for name, value in said.items()]
            lines += [f"- **Source:** {in_cell(row.source)}", ""]
    return "\n".join(lines)


def put_text(_app: object, page: str, source: list[str]) -> None:
    """Sphinx asks for the text of every page here."""
    source[0] = page_text(page, source[0])


def readable_signature(
    _app: object, _kind: str, _name: str, _of: object, _options: object, signature: str | None, returned: str | None
) -> tuple[str | None, str | None]:
    """The default of a field that is made anew for each object, as Python's stubs have it: Sphinx reads that."""
    return signature.replace("<factory>", "...") if signature else None, returned


def setup(app: Any) -> None:
    """Called by Sphinx."""
    app.connect("source-read", put_text)
    app.connect("autodoc-process-signature", readable_signature)
