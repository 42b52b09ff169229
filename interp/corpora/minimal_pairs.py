"""Minimal pairs, one a line: a sentence that speakers accept beside one that differs in little and that they do not.

The format is BLiMP's (Warstadt et al. 2020): JSON lines with `sentence_good`, `sentence_bad`, `UID` and `pairID`.
"""

import hashlib
import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from reprlib import repr as shown
from typing import Any

from interp import paths
from interp.corpora.subsets import keep
from interp.corpora.text import digest, existing_file, numbered_lines, stem, text_document
from interp.errors import CorpusError, InterpError
from interp.text.words import cut_words
from interp.types import Corpus, Document

FIELDS = ("sentence_good", "sentence_bad", "UID", "pairID")
SUFFIXES = (".jsonl", ".jsonl.gz")


def read_minimal_pairs(path: str | Path, *, limit: int | None = None, first: int | None = None) -> Corpus:
    """A file of pairs, `.gz` too, or a folder of such files, in the order of their names.

    Each pair is one document: its text is the better sentence, its alternative the other, its source `UID/pairID`.
    `limit` and `first` keep so many pairs (`interp.corpora.subsets`). Raises CorpusError where a file is missing, holds
    no pair, or a line is none; InterpError for a limit below 1.
    """
    path = paths.given(path)
    files = _files(path) if path.is_dir() else [existing_file(path)]
    pairs = (pair for file in files for pair in _pairs(file))
    kept = keep(enumerate(pairs, 1), path, limit=limit, first=first)
    if not kept.documents:
        raise CorpusError(path, None, "it holds no pair; allowed is one JSON object a line. Give a file with pairs.")
    hashes = [digest(file) for file in files]
    whole = hashes[0] if len(files) == 1 else hashlib.sha256(" ".join(hashes).encode()).hexdigest()
    return Corpus(stem(path), kept.documents, whole, notes=kept.notes, cut=kept.cut)


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """A JSON object. Raises ValueError where a name stands twice: of two sentences one would be lost in silence."""
    twice = next((name for name, count in Counter(name for name, _ in pairs).items() if count > 1), None)
    if twice is not None:
        raise ValueError(f"{shown(twice)} stands twice in one object")
    return dict(pairs)


def _files(folder: Path) -> list[Path]:
    found = sorted(entry for entry in folder.iterdir() if entry.is_file() and entry.name.endswith(SUFFIXES))
    if not found:
        allowed = " or ".join(f"*{suffix}" for suffix in SUFFIXES)
        problem = f"this folder holds no file of minimal pairs; allowed are {allowed}. Give a folder with such files."
        raise CorpusError(folder, None, problem)
    return found


def _pairs(file: Path) -> Iterator[Document]:
    return (_pair(file, number, line) for number, line in numbered_lines(file) if line.strip())


def _pair(file: Path, number: int, line: str) -> Document:
    try:
        given = json.loads(line, object_pairs_hook=_once)
    # a number of thousands of digits is another ValueError, and brackets thousands deep are too much recursion
    except (ValueError, RecursionError) as error:
        problem = f"it is no JSON ({str(error)[:80]}); allowed is one JSON object a line. Mend the line."
        raise CorpusError(file, number, problem) from None
    if not isinstance(given, dict):
        raise CorpusError(file, number, f"{line[:40]!r} is no JSON object; allowed is one a line. Mend the line.")
    if missing := [field for field in FIELDS if field not in given]:
        problem = f"it lacks {', '.join(missing)}; a minimal pair has {', '.join(FIELDS)}. Add what is missing."
        raise CorpusError(file, number, problem)
    for field in ("sentence_good", "sentence_bad"):
        if not isinstance(given[field], str) or not cut_words(given[field]):
            problem = f"{field} is {shown(given[field])}; allowed is a text with at least one word. Mend the sentence."
            raise CorpusError(file, number, problem)
    for field in ("UID", "pairID"):
        if not isinstance(given[field], str | int) or isinstance(given[field], bool):
            problem = f"{field} is {shown(given[field])}; allowed is a text or a whole number. Mend it."
            raise CorpusError(file, number, problem)
    try:
        good = text_document(given["sentence_good"], source=f"{given['UID']}/{given['pairID']}")
        return replace(good, alternative=given["sentence_bad"])
    except InterpError as error:
        raise CorpusError(file, number, str(error)) from None
