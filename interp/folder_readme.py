"""The README.md of a run's folder: what ran, what each file is, what every column means; of tables and manifest.

It has no date of its own: the same tables and manifest give the same text. Names and texts that come from files and
commands are escaped, so that they cannot become Markdown.
"""

import re
from collections.abc import Iterable, Iterator, Mapping
from shlex import quote
from typing import Any

import pandas as pd

from interp.results import MANIFEST, NOTES, file_name
from interp.schema import TABLES, Column
from interp.schema.form import stands_for
from interp.schema.markdown import code, column_lines, escaped, in_cell, sentence
from interp.schema.of_figures import FIGURES
from interp.text.printable import printable

TEXTS = {
    "report.html": "the run on one page: a map of the heads, what each does, examples, tables; open it in a browser",
    "examples.safetensors": "attention of every head in a few documents, and what rules give there where any were "
    "fitted, for `interp.load_examples`",
    "head_cards.json": "what the tables say of each head, as JSON, for `interp.load_head_cards` (docs/interchange.md)",
    "methods.md": "how the numbers were made, in sentences for a paper",
    "methods.tex": "the same in LaTeX, with citations",
    "references.bib": "BibTeX of what it cites",
    "figures/captions.md": "captions of the figures: what is shown, how many, in which units, what the marks mean",
}


def folder_readme(tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], texts: Iterable[str] = ()) -> str:
    """The text, in Markdown. `texts` are the paths of what else is written, in the folder."""
    lines = [
        f"# {title(manifest)}",
        "",
        f"Written by interp {escaped(str(manifest['project']['version']))}. {_about(manifest)}The same again:",
        "",
        # indented, not fenced: no line of what was typed can end it
        *(f"    {line}" for line in printable(command(manifest)).splitlines()),
        "",
        "## Files",
        "",
        "| file | what it is |",
        "|---|---|",
        *(f"| {files} | {what} |" for files, what in _files(tables, manifest, texts)),
        "",
        "A table is there twice: parquet is exact, and what `interp.load_runs` reads; csv opens in a spreadsheet, and "
        "a text that it would run as a formula has an apostrophe in front. Below, where nothing stands under *empty*, "
        "no cell is; else it says when one is.",
        "",
        "## Tables",
    ]
    for name, table in tables.items():
        lines += ["", *_table_lines(name, table)]
    return "\n".join([*lines, ""])


def title(manifest: Mapping[str, Any]) -> str:
    """`head_roles: gpt2 on small`, as Markdown; an experiment may have no model and no corpus."""
    target = str(manifest["config"]["experiment"]["_target_"])
    of = [escaped(str(manifest[part]["name"])) for part in ("model", "corpus") if part in manifest]
    name = target.removeprefix("experiments.").removesuffix(".run")
    return ": ".join([escaped(name), " on ".join(of)] if of else [escaped(name)])


def command(manifest: Mapping[str, Any]) -> str:
    """What to type for the same run; of one that was shared out, for the whole of it."""
    typed = [one for one in manifest.get("overrides", ()) if one.lstrip("+").partition("=")[0] != "shard"]
    return " ".join(["python -m experiments", *map(_in_shell, typed)])


def _in_shell(word: str) -> str:
    """A word as a shell takes it; one with apostrophes between double quotes, where it stays readable."""
    if "'" not in word or set("!$`") & set(word):
        return quote(word)
    return '"' + re.sub(r'([\\"])', r"\\\1", word) + '"'


def _about(manifest: Mapping[str, Any]) -> str:
    """A sentence on the corpus, where there is one."""
    if "corpus" not in manifest:
        return ""
    corpus = manifest["corpus"]
    counts = [_counted(corpus[name], name) for name in ("documents", "words") if isinstance(corpus.get(name), int)]
    made = "generated" if corpus.get("generated") else ""
    said = ", ".join(filter(None, [*counts, made, f"seed {manifest.get('seed')}"]))
    return f"Corpus {escaped(str(corpus['name']))}: {said}. "


def _files(
    tables: Mapping[str, pd.DataFrame], manifest: Mapping[str, Any], texts: Iterable[str]
) -> Iterator[tuple[str, str]]:
    """Every file or pair of files, and what it is, as cells."""
    yield "`README.md`", "this page"
    yield (
        code(MANIFEST),
        "how it was made: versions, the whole configuration, hashes of weights, tokenizer, corpus and every file here, "
        "what was skipped, every note, and the summary",
    )
    yield code(f"{NOTES}/"), "the configuration as Hydra has read it, and what was typed"
    for name, table in tables.items():
        files = " ".join(code(f"{file_name(name)}.{kind}") for kind in ("parquet", "csv"))
        meaning = in_cell(TABLES[name].meaning) if name in TABLES else "of its own"
        yield files, f"table {code(name)}, {_counted(len(table), 'rows')}: {meaning}"
    for name in manifest.get("figures", ()):
        files = " ".join(code(f"figures/{file_name(name)}.{kind}") for kind in ("pdf", "png"))
        yield files, f"figure: {in_cell(FIGURES.get(name, 'of its own'))}"
    for path in texts:
        yield code(path), TEXTS.get(path) or _of_text(path)


def _of_text(path: str) -> str:
    """What a text is that a run has made of one of its tables or figures."""
    folder, _, name = path.removesuffix(".tex").partition("/")
    kinds = {"tables": f"table {code(name)} for LaTeX", "figures": f"figure {code(name)} and its caption for LaTeX"}
    return kinds.get(folder, "a text")


def _counted(count: int, things: str) -> str:
    return f"{count:,} {things[:-1] if count == 1 else things}"


def _table_lines(name: str, table: pd.DataFrame) -> list[str]:
    """A heading, what the rows are, and a row for each column."""
    told = TABLES.get(name)
    columns: dict[str, Column] = {}
    for name_of in map(str, table.columns):
        known = next((one for one in told.columns if stands_for(one.name, name_of)), None) if told else None
        # of columns for every block one line tells
        columns.setdefault(known.name if known else name_of, known or _untold(name_of, table[name_of]))
    about = [in_cell(sentence(told.meaning)), ""] if told else []
    return [f"### {code(name)}", "", *about, *column_lines([one._replace(only="") for one in columns.values()])]


def _untold(name: str, values: pd.Series) -> Column:
    """A column that nothing is told of, such as one of a user's own experiment."""
    return Column(name, "number" if pd.api.types.is_numeric_dtype(values) else "text", "", "")
