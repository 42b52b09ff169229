"""Whether what a GGUF file says of its own size can be true, before a reader that believes it sets out to read it.

The format: https://github.com/ggml-org/ggml/blob/master/docs/gguf.md. Readers take a damaged count for real, and go
through a thousand million entries that are not there.
"""

import struct
from mmap import ACCESS_READ, mmap
from pathlib import Path

from interp.errors import ModelError

SIZES = {0: 1, 1: 1, 2: 2, 3: 2, 4: 4, 5: 4, 6: 4, 7: 1, 10: 8, 11: 8, 12: 8}
"""Bytes of a value by its type; texts and lists say how long they are."""
TEXT, LIST = 8, 9
DEEPEST = 4
"""Lists in lists."""
DIMENSIONS = 8
"""More than any tensor of a network has."""


class _End(Exception):  # noqa: N818 - no error of ours
    """Something would be beyond the end of the file."""


class _Walk:
    """A place in the file, which moves over what it says and never beyond its end."""

    def __init__(self, content: mmap | bytes) -> None:
        self.content, self.place, self.size, self.order = content, 4, len(content), "<"

    def skip(self, count: int) -> None:
        if count > self.size - self.place:
            raise _End
        self.place += count

    def number(self, kind: str) -> int:
        start = self.place
        self.skip(struct.calcsize(kind))
        return int(struct.unpack_from(self.order + kind, self.content, start)[0])

    def text(self) -> None:
        self.skip(self.number("Q"))

    def value(self, kind: int, depth: int = 0) -> None:
        if kind == TEXT:
            self.text()
        elif kind == LIST:
            if depth == DEEPEST:
                raise _End
            inner, count = self.number("I"), self.number("Q")
            if inner in SIZES:
                self.skip(SIZES[inner] * count)
                return
            # each text and each list takes eight bytes or more
            if count > (self.size - self.place) // 8:
                raise _End
            for _ in range(count):
                self.value(inner, depth + 1)
        elif kind in SIZES:
            self.skip(SIZES[kind])
        else:
            raise _End


def check_header(file: Path) -> None:
    """Raises `ModelError` where the file is shorter than its own header says, or the header is none."""
    with file.open("rb") as opened, mmap(opened.fileno(), 0, access=ACCESS_READ) as content:
        walk = _Walk(content)
        try:
            _whole(walk)
        except _End:
            raise ModelError(
                f"{file} is damaged: at byte {walk.place:,} of {walk.size:,} its header names more than the file "
                "holds, or what no GGUF file has. Load the file anew."
            ) from None


def _whole(walk: _Walk) -> None:
    """From the version to the last tensor's name, shape and place."""
    # a file of the other order of bytes has its version, a small number, in the upper half
    walk.order = "<" if walk.number("I") & 0xFFFF else ">"
    tensors, values = walk.number("Q"), walk.number("Q")
    for _ in range(values):
        walk.text()
        walk.value(walk.number("I"))
    for _ in range(tensors):
        walk.text()
        dimensions = walk.number("I")
        if dimensions > DIMENSIONS:
            raise _End
        walk.skip(8 * dimensions + 4 + 8)
