"""Corpora with coreference, whatever their format: `corpus=coreference corpus.format=…`."""

import hashlib
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path

from interp import paths
from interp.corpora.coreference.gap import gap_documents
from interp.corpora.coreference.windows import HEADS, column_documents
from interp.corpora.coreference.winobias import winobias_documents
from interp.corpora.coreference.winogender import winogender_documents
from interp.corpora.subsets import keep
from interp.corpora.text import digest, existing_file, stem
from interp.errors import CorpusError, InterpError, closest
from interp.types import Corpus, Document

UNITS = ("document", "beginning", "sentence")
"""What one document is: whole, or in windows where it is longer than those; its first window; each of its sentences."""

COLUMNS = ("conll2012", "litbank")
"""The formats whose documents have several sentences. LitBank has the columns of CoNLL-2012, without tags."""

SCHEMATA: dict[str, Callable[[Sequence[Path], Counter[str]], Iterator[Document]]] = {
    "gap": gap_documents,
    "winobias": winobias_documents,
    "winogender": winogender_documents,
}
"""The formats whose documents are one question each: what reads their files and counts what there is to say."""

FORMATS = (*COLUMNS, *SCHEMATA)

FILES = {
    **dict.fromkeys(COLUMNS, "**/*conll*"),
    "gap": "gap-*.tsv",
    "winobias": "*stereotype*",
    "winogender": "all_sentences.tsv",
}
"""Which files of a folder are read; of columns, those in folders within it, too, as CoNLL-2012 is distributed."""


def read_coreference(
    path: str | Path,
    format: str,  # noqa: A002 - the setting's name
    *,
    unit: str = "document",
    window: int | None = 100,
    heads: str = "last",
    limit: int | None = None,
    first: int | None = None,
) -> Corpus:
    """A file, `.gz` too, or a folder of files in the order of their paths, with the mentions of each document.

    Of a folder those files are read whose names fit the format (`FILES`); of columns a `gold_conll` alone where an
    `auto_conll` of the same name lies beside it, and a document of the same name, part and words once. What is left out
    is counted.

    Of a document in columns that has more than `window` words, each run of whole sentences of at most so many is one
    document (None: it is never cut), with the unit `beginning` the first run alone. Mentions whose antecedents are all
    in other windows, or that are left out with theirs, are counted. `limit` and `first` keep so many documents
    (`interp.corpora.subsets`). Mentions have their kind, gender and number as far as these are known
    (`interp.corpora.coreference.mention_forms`); those of an entity that is mentioned once are kept.

    In columns nothing says how words depend on one another: the word that stands for a mention is its `last` one or,
    with `heads="before_postmodifier"`, its last noun before the first postmodifier
    (`interp.corpora.coreference.head_words`). How many mentions this concerns is said in the corpus's notes.

    Raises CorpusError, with file and line, where what is read is not of that format; InterpError for an unknown format,
    unit or kind of head and for a window or a limit below 1.
    """
    if format not in FORMATS:
        raise InterpError(f"corpus.format={format} is not known. {closest(format, FORMATS)} Set corpus.format to one.")
    if unit not in UNITS:
        raise InterpError(f"corpus.unit={unit} is not known. {closest(unit, UNITS)} Set corpus.unit to one of them.")
    if heads not in HEADS:
        raise InterpError(
            f"corpus.heads={heads} is not known. {closest(heads, HEADS)} Set corpus.heads to one of them."
        )
    if window is not None and window < 1:
        raise InterpError(f"corpus.window={window} holds no word. Allowed: 1 or more, or null: no document is cut.")
    path = paths.given(path)
    said = Counter[str]()
    files = input_files(path, FILES[format])
    if format in COLUMNS and path.is_dir():
        files = _gold_alone(files, said)
    read = SCHEMATA.get(format) or partial(column_documents, unit=unit, window=window, heads=heads)
    kept = keep(enumerate(read(files, said), 1), path, limit=limit, first=first)
    if not kept.documents:
        raise CorpusError(path, None, f"it holds no document of the format {format}. Give a file that has one or more.")
    hashes = [digest(file) for file in files]
    whole = hashes[0] if len(files) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()
    notes = tuple(f"{what}: {count}" for what, count in said.items() if count)
    return Corpus(stem(path), kept.documents, whole, notes=(*kept.notes, *notes), cut=kept.cut)


def input_files(path: Path, pattern: str) -> list[Path]:
    """The file, or the files of the folder whose names are of this pattern, sorted by their paths; no hidden ones.

    Raises CorpusError where there is none.
    """
    if not path.is_dir():
        return [existing_file(path)]
    inside = (entry.relative_to(path) for entry in path.glob(pattern) if entry.is_file())
    files = sorted(entry for entry in inside if not any(name.startswith(".") for name in entry.parts))
    if not files:
        problem = f"this folder holds no file that is read here; allowed are names like {pattern}. Give a file, or the"
        raise CorpusError(path, None, f"{problem} folder that holds them.")
    return [path / entry for entry in files]


def _gold_alone(files: Sequence[Path], said: Counter[str]) -> list[Path]:
    """Without the files that were annotated by a program and have one annotated by hand beside them."""
    there = {str(file).removesuffix(".gz") for file in files}
    kept = [file for file in files if not _has_gold(file, there)]
    said["files auto_conll beside a gold_conll of the same name (left out)"] += len(files) - len(kept)
    return kept


def _has_gold(file: Path, there: set[str]) -> bool:
    name = file.name.removesuffix(".gz")
    return "auto_conll" in name and str(file.with_name(name.replace("auto_conll", "gold_conll"))) in there
