"""Tables with tabs between their columns and the columns' names in the first line."""

from collections.abc import Iterator, Sequence
from pathlib import Path

from interp.corpora.text import numbered_lines
from interp.corpora.words import cut_words
from interp.errors import CorpusError


def rows(path: Path, names: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line that is not blank, as what stands in each column, with its number; quotes mean nothing.

    Raises CorpusError where the first line does not name exactly these columns, or a line has another number of them.
    """
    wanted = ", ".join(names)
    lines = numbered_lines(path)
    first, header = next(lines, (None, ""))
    if header.split("\t") != list(names):
        problem = (
            f"the first line is {header[:60]!r}; allowed are the columns' names, with tabs between them: {wanted}."
        )
        raise CorpusError(path, first, f"{problem} Give a file of this format, or set corpus.format to its own.")
    for number, line in lines:
        if not line.strip():
            continue
        cells = line.split("\t")
        if len(cells) != len(names):
            problem = f"{len(cells)} columns; allowed are {len(names)} with tabs between them: {wanted}. Mend the line."
            raise CorpusError(path, number, problem)
        yield number, dict(zip(names, cells, strict=True))


def words_under(text: str, start: int, end: int) -> tuple[int, int]:
    """The (first, last + 1) of the words of a raw text that reach into these characters; they may reach beyond."""
    under = [i for i, (_, begins, ends) in enumerate(cut_words(text)) if begins < end and ends > start]
    return (under[0], under[-1] + 1) if under else (0, 0)
