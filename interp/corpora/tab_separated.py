"""Tables with tabs between their columns and the columns' names in the first line."""

from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from pathlib import Path

from interp.corpora.text import numbered_lines
from interp.errors import CorpusError


def rows(path: Path, names: Sequence[str]) -> Iterator[tuple[int, dict[str, str]]]:
    """Each line that is not blank, as what stands in each column, with its number; quotes mean nothing.

    Raises CorpusError where the first line does not name exactly these columns, or a line has another number of them.
    """
    wanted = ", ".join(names)
    lines = numbered_lines(path)
    first, header = next(lines, (0, ""))
    if not first:
        problem = f"it holds no line; allowed are the columns' names in the first, with tabs between them: {wanted}."
        raise CorpusError(path, None, f"{problem} Give a file with documents.")
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


def words_under(cuts: Sequence[tuple[str, int, int]], start: int, end: int) -> tuple[int, int]:
    """The (first, last + 1) of the words of a raw text (`cut_words`) that reach into these characters, or beyond."""
    first, last = bisect_right(cuts, start, key=lambda cut: cut[2]), bisect_left(cuts, end, key=lambda cut: cut[1])
    return (first, last) if first < last else (0, 0)
