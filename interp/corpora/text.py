"""Plain text, without gold: cut into words, and read from files line by line."""

import codecs
import gzip
import hashlib
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import replace
from difflib import get_close_matches
from pathlib import Path

import numpy as np

from interp import paths
from interp.corpora.subsets import Kept, keep
from interp.corpora.withheld import check_words, withheld_notes
from interp.errors import CorpusError, InterpError, shown
from interp.text.printable import printable
from interp.text.words import cut_words, cut_words_given
from interp.types import Corpus, Document


def text_document(text: str, source: str | None = None) -> Document:
    """A raw text as a document without gold; its source is the text itself where none is given.

    Raises InterpError where the text is empty or all spaces.
    """
    document = words_of(text, text if source is None else source)
    if not document.words:
        raise InterpError(
            f"The sentence {shown(text)} is empty. Allowed: a text with at least one word. Give some text."
        )
    return document


def words_of(text: str, source: str) -> Document:
    """A raw text as a document without gold, even one without any word."""
    return _document(text, source, cut_words(text))


def _document(text: str, source: str, cuts: Sequence[tuple[str, int, int]]) -> Document:
    spans = np.array([(start, end) for _, start, end in cuts], dtype=np.int32).reshape(-1, 2)
    return Document(source, text, tuple(word for word, _, _ in cuts), spans)


def sentence(text: str | None, words: str | Sequence[str] | None = None) -> Corpus:
    """A corpus of one sentence, cut by the word rule (`it's` and `didn't` are one word) or into the `words` given.

    `words` are a list, or a text with spaces between them: `it 's fine`.
    Raises InterpError where there is no sentence, where it is not Unicode, or where the words do not spell it.
    """
    if text is None and words is not None:
        raise InterpError(
            "words=… is given without text=…. Allowed: the words of a sentence that is given as well. "
            'Add text="The cat sat on the mat."'
        )
    if text is None:
        raise InterpError('No sentence is given. Allowed: any text, typed as it is. Add text="The cat sat on the mat."')
    text = str(text)
    document = text_document(text)
    if words is None:
        return Corpus("sentence", (document,), hashlib.sha256(text.encode()).hexdigest())
    given = words.split() if isinstance(words, str) else [str(word) for word in words]
    document = _document(text, text, cut_words_given(text, given))
    return Corpus("sentence", (document,), hashlib.sha256("\n".join([text, *document.words]).encode()).hexdigest())


def read_text(
    path: str | Path, *, limit: int | None = None, first: int | None = None, target: str | Path | None = None
) -> Corpus:
    """A plain text file, `.gz` too: every line that is not blank is one document, and its own source.

    `limit` and `first` keep so many documents (`interp.corpora.subsets`). `target` is a file whose lines are what an
    encoder-decoder shall have written from those of this one. Raises CorpusError where the file is missing, not UTF-8,
    without text or words; InterpError for a limit below 1.
    """
    path = existing_file(path)
    blank: list[int] = []
    kept = keep(_lines(path, blank), path, limit=limit, first=first)
    if not kept.documents:
        raise CorpusError(path, None, "it holds no text; allowed is one document a line. Give a file with text.")
    notes = kept.notes
    if blank:
        notes = (*notes, f"{len(blank)} blank {'line' if len(blank) == 1 else 'lines'} skipped")
    if inside := sum("\r" in document.text for document in kept.documents):
        notes = (
            *notes,
            f"{inside} {'document has' if inside == 1 else 'documents have'} a carriage return inside, which ends no "
            "line here: where it should, save the file with line feeds",
        )
    corpus = Corpus(stem(path), kept.documents, digest(path), notes=notes, cut=kept.cut)
    return corpus if target is None else with_targets(corpus, target, kept)


def _lines(path: Path, blank: list[int]) -> Iterator[tuple[int, Document]]:
    """The documents and their lines; the numbers of the lines without a word are added to `blank`."""
    for number, line in numbered_lines(path):
        if "\0" in line:
            problem = "a character NUL, which no text has (a file of UTF-16, or none of text); allowed is UTF-8."
            raise CorpusError(path, number, f"{problem} Save the file as UTF-8, or take the character out.")
        # what has no width is none
        if (document := words_of(line, line)).words:
            yield number, document
        else:
            blank.append(number)


def with_targets(corpus: Corpus, path: str | Path, kept: Kept) -> Corpus:
    """The same documents, each with the line of the file that belongs to it: its place in the whole corpus.

    Raises CorpusError where a line is missing or blank, where lines are left over though the whole corpus was read, and
    where their words are withheld.
    """
    path = existing_file(path)
    texts = dict(numbered_lines(path))
    last = kept.places[-1] if kept.last is None else kept.last
    if len(texts) < last or (kept.last is not None and any(cut_words(text) for n, text in texts.items() if n > last)):
        raise CorpusError(
            path,
            None,
            f"it has {len(texts)} lines, and the last document of {corpus.name!r} belongs to line {last}; "
            "allowed is one line a document. Give the file that was made from this corpus.",
        )
    blank = next((number for number in kept.places if not cut_words(texts[number])), None)
    if blank is not None:
        raise CorpusError(path, blank, "the line is blank; allowed is a target with at least one word. Fill it in.")
    documents = tuple(
        replace(document, target=text_document(texts[number], document.source))
        for document, number in zip(corpus, kept.places, strict=True)
    )
    missing = check_words([document.target for document in documents if document.target is not None], path)
    notes = (*corpus.notes, f"targets from {path}", *withheld_notes(missing))
    both = hashlib.sha256(f"{corpus.digest} {digest(path)}".encode()).hexdigest()
    return replace(corpus, documents=documents, digest=both, notes=notes)


def existing_file(path: str | Path) -> Path:
    """`path`, `~` in it as the home, once it is known to be a file.

    Raises CorpusError where it is none, with the closest name among the files of that folder.
    """
    path = paths.given(path)
    if path.is_file():
        return path
    folder = path if path.is_dir() else path.parent
    names = [entry.name for entry in folder.iterdir() if entry.is_file()] if folder.is_dir() else []
    matches = get_close_matches(path.name, names, n=1, cutoff=0.5)
    hint = f"Did you mean {str(folder / matches[0])!r}? " if matches else ""
    found = "it is a directory" if path.is_dir() else "there is no such file"
    raise CorpusError(path, None, f"{found}; allowed is one file. {hint}Give the path of a file.")


def stem(path: Path) -> str:
    """The name of a folder, or of a file without its suffix and without `.gz`; printable, whatever bytes it has."""
    return printable(path.resolve().name if path.is_dir() else Path(path.name.removesuffix(".gz")).stem)


def digest(path: Path) -> str:
    """The sha256 of the file's bytes, as they are on disk."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def numbered_lines(path: Path) -> Iterator[tuple[int, str]]:
    """The lines of a UTF-8 file, `.gz` too, counted from 1, without line ends and byte order mark.

    Raises CorpusError where the file cannot be read or a line is not UTF-8.
    """
    number = 0
    try:
        with gzip.open(path, "rb") if path.suffix == ".gz" else path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                line = raw.removeprefix(codecs.BOM_UTF8) if number == 1 else raw
                yield number, line.decode().rstrip("\r\n")
    except UnicodeDecodeError as error:
        problem = f"the byte 0x{error.object[error.start]:02x} is not UTF-8; allowed is UTF-8. Save the file as UTF-8."
        raise CorpusError(path, number, problem) from None
    except (OSError, EOFError, zlib.error) as error:
        problem = f"it cannot be read on after line {number} ({error}); allowed is a whole file. Fetch it again."
        raise CorpusError(path, None, problem) from error
