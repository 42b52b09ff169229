"""Bytes that are nearly those of a valid file: damaged by bytes, by lines, by columns, and by what breaks parsers."""

import gzip
import json
from collections.abc import Callable, Sequence
from random import Random
from typing import Any

ODD = (
    b"",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b"\r",
    b"\r\n",
    b"\n",
    b"\n\n",
    b"\t",
    b" ",
    b"\xc2\xa0",
    b"\xe2\x80\x8b",
    b"\xe2\x80\x8d",
    b"\xc2\xad",
    b"\xcc\x81",
    b"\xe2\x80\xa8",
    b"\xc2\x85",
    b"\x1c",
    b"\xed\xa0\x80",
    b"\xf0\x9f\x98\x80",
    b"\xd9\xa3",
    b"\xc2\xb2",
    b"\xef\xac\x81",
    b"_",
    b"-",
    b"*",
    b"0",
    b"-1",
    b"1",
    b"2",
    b"01",
    b"9" * 12,
    b"9" * 5000,
    b"1e999",
    b"NaN",
    b"null",
    b"true",
    b"[]",
    b"{}",
    b"[" * 3000,
    b"(",
    b")",
    b"(1",
    b"1)",
    b"(1)",
    b"|",
    b"=",
    b"[",
    b"]",
    b"#",
    b"\\",
    b"\\ud800",
    b'"',
    b"'",
    b"a" * 3000,
    b"../",
    b"=1+1",
    b"\x1b[31m",
)
"""What stands in files that no one wrote by hand."""

VALUES: Sequence[Any] = (
    *(None, True, False, -1, 0, 1, 3, 2**40, 10**400, 0.5, 1e300, float("nan"), float("inf")),
    *("", "x", "_", "\0", "a" * 300, "../..", "\ud800", [], {}, [[]], [None], {"x": None}, {"": []}, ["x"]),
)
"""What a setting may have become."""


def byte_flips(chance: Random, content: bytes, _odd: Sequence[bytes]) -> bytes:
    """Some bytes become others."""
    changed = bytearray(content or b" ")
    for _ in range(chance.randint(1, 6)):
        changed[chance.randrange(len(changed))] = chance.choice((chance.randrange(256), *b"\t\n\r #_-()[]|01\xff\0"))
    return bytes(changed)


def cut_short(chance: Random, content: bytes, _odd: Sequence[bytes]) -> bytes:
    """The file ends too early."""
    return content[: chance.randrange(len(content) + 1)]


def stretch_lost(chance: Random, content: bytes, _odd: Sequence[bytes]) -> bytes:
    """Some bytes in the middle are lost."""
    start = chance.randrange(len(content) + 1)
    return content[:start] + content[start + chance.randint(1, 40) :]


def stretch_again(chance: Random, content: bytes, _odd: Sequence[bytes]) -> bytes:
    """Some bytes stand there several times."""
    start = chance.randrange(len(content) + 1)
    end = start + chance.randint(1, 60)
    return content[:end] + content[start:end] * chance.choice((1, 1, 2, 50)) + content[end:]


def odd_put_in(chance: Random, content: bytes, odd: Sequence[bytes]) -> bytes:
    """Something odd is put in, anywhere."""
    start = chance.randrange(len(content) + 1)
    return content[:start] + chance.choice(odd) + content[start + chance.choice((0, 0, 1, 5)) :]


def lines_moved(chance: Random, content: bytes, odd: Sequence[bytes]) -> bytes:
    """A line is lost, repeated, moved, emptied or becomes another one."""
    lines = content.split(b"\n")
    at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    match chance.randrange(6):
        case 0:
            del lines[at]
        case 1:
            lines.insert(other, lines[at])
        case 2:
            lines[at], lines[other] = lines[other], lines[at]
        case 3:
            lines[at] = b""
        case 4:
            lines.insert(at, chance.choice(odd))
        case _:
            lines[at] = chance.choice(odd)
    return b"\n".join(lines)


def cell_changed(chance: Random, content: bytes, odd: Sequence[bytes]) -> bytes:
    """A cell of a line becomes something odd, or another cell of the file."""
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    sign = b"\t" if b"\t" in lines[at] else b" "
    cells, others = lines[at].split(sign), chance.choice(lines).split(sign)
    cells[chance.randrange(len(cells))] = chance.choice((chance.choice(odd), chance.choice(others)))
    lines[at] = sign.join(cells)
    return b"\n".join(lines)


def value_changed(chance: Random, content: bytes, _odd: Sequence[bytes]) -> bytes:
    """A value of JSON, however deep, becomes another; of JSON lines, in one of them."""
    lines = content.split(b"\n")
    at = chance.randrange(len(lines))
    try:
        whole, number = json.loads(content), None
    except (ValueError, RecursionError):
        try:
            whole, number = json.loads(lines[at]), at
        except (ValueError, RecursionError):
            return content
    if not isinstance(whole, dict | list) or not whole:
        return content
    _change(chance, whole)
    written = json.dumps(whole).encode()
    return written if number is None else b"\n".join([*lines[:number], written, *lines[number + 1 :]])


def _change(chance: Random, place: Any) -> None:
    """Of a list or a mapping, one value, in place."""
    while True:
        key: Any = chance.choice(list(place) if isinstance(place, dict) else range(len(place)))
        inner = place[key]
        if not isinstance(inner, dict | list) or not inner or chance.random() < 0.2:
            break
        place = inner
    if chance.random() < 0.15:
        del place[key]
    else:
        place[key] = chance.choice(VALUES)


CHANGES: Sequence[Callable[[Random, bytes, Sequence[bytes]], bytes]] = (
    *(byte_flips, cut_short, stretch_lost, stretch_again, odd_put_in, odd_put_in),
    *(lines_moved, lines_moved, cell_changed, cell_changed, cell_changed, value_changed, value_changed),
)


def mutated(chance: Random, seeds: Sequence[bytes], words: Sequence[bytes] = (), largest: int = 20_000) -> bytes:
    """One of the seeds, changed once or several times, or spliced with another; `words` are those of its format."""
    content = chance.choice(seeds)
    if chance.random() < 0.1:
        other = chance.choice(seeds)
        content = content[: chance.randrange(len(content) + 1)] + other[chance.randrange(len(other) + 1) :]
    odd = (*ODD, *words, *words)
    for _ in range(chance.choice((1, 1, 1, 2, 2, 3, 5, 8))):
        content = chance.choice(CHANGES)(chance, content, odd)
    return content[:largest]


def zipped(chance: Random, content: bytes) -> bytes:
    """The same as .gz, damaged now and then."""
    packed = gzip.compress(content, mtime=0)
    return byte_flips(chance, packed, ()) if chance.random() < 0.3 else packed
