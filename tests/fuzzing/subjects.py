"""Everything that reads a file, by name: what it is given, and what is asked of it."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from typing import NamedTuple

from tests.fuzzing import corpora, folders, runs, seeds


class Subject(NamedTuple):
    """A reader: the suffix of its files, small valid ones, words of its format, and how it is asked.

    `by_lines` says that a refusal names a line; `weight` how often it has its turn.
    """

    suffix: str
    seeds: Callable[[], Sequence[bytes]]
    words: Sequence[bytes]
    read: Callable[[Path, Random], None]
    by_lines: bool = True
    weight: int = 4
    largest: int = 20_000


def _words(text: str) -> list[bytes]:
    return [word.replace("~", " ").encode() for word in text.split()]


SUBJECTS: dict[str, Subject] = {
    "conllu": Subject(
        ".conllu",
        lambda: [*seeds.CONLLU, *seeds.cases("*/*.conllu", "*/*.cupt", "readers/*.conllu")],
        _words(
            "#~newdoc #~newdoc~id~=~a #~text~=~ #~sent_id~=~1 SpaceAfter=No 1-2 0.1 root punct root:x -1 #~doc_id~=~x"
        ),
        corpora.conllu,
    ),
    "corefud": Subject(
        ".conllu",
        lambda: [seeds.CONLLU[-1], *seeds.cases("13*/*.conllu")],
        _words("Entity=(e1 Entity=e1) (e1-x-1) e1[1/2]) (e1[2/2] (e1[0/0] (e-- #~global.Entity~=~GRP-head 1.1 1-2 |"),
        corpora.conllu,
    ),
    "columns": Subject(
        "_conll",
        lambda: [*seeds.COLUMNS, *seeds.cases("16*/*", "readers/t_part*", "readers/t_root*")],
        _words("#begin~document~(x);~part~000 #end~document (0|(1 0)|1) (999999999) -LRB-"),
        corpora.columns,
    ),
    "gap": Subject(
        ".tsv",
        lambda: [*seeds.GAP, *seeds.cases("readers/t_off*")],
        _words("TRUE FALSE she 16 8 true 999999999"),
        corpora.gap,
    ),
    "winobias": Subject(
        ".txt",
        lambda: [*seeds.WINOBIAS, *seeds.cases("readers/wino*")],
        _words("[The~cook] [he] [] the~maid [the ]"),
        corpora.winobias,
    ),
    "winogender": Subject(
        ".tsv", lambda: seeds.WINOGENDER, _words("cook.maid.1.female.txt he she they ."), corpora.winogender
    ),
    "text": Subject(
        ".txt",
        lambda: [*seeds.TEXT, *seeds.cases("0*/*.txt")],
        _words("it's [MASK] <unk> ' ’ . क् 👩‍👩‍👧 🇩🇪"),
        corpora.text,
    ),
    "pairs": Subject(
        ".jsonl",
        lambda: [*seeds.PAIRS, *seeds.cases("readers/*.jsonl")],
        _words('"UID" "pairID":1 "sentence_good":"a" , :'),
        corpora.pairs,
    ),
    "entities": Subject(
        ".conll", lambda: seeds.ENTITIES, _words("B-person I-person O B- I- a\tO a\tB-x b\tI-x"), corpora.entities
    ),
    "pictures": Subject(
        ".png",
        seeds.pictures,
        _words("IHDR IDAT IEND PLTE tRNS eXIf iCCP zTXt acTL fdAT"),
        corpora.picture,
        by_lines=False,
    ),
    "manifest": Subject(
        ".json", runs.manifest_seeds, _words('"status" "tables" "files" ..'), runs.manifest, by_lines=False, weight=2
    ),
    "table": Subject(".parquet", runs.table_seeds, _words("PAR1 pandas run"), runs.table, by_lines=False),
    "claims": Subject(".json", lambda: [json.dumps(runs.CLAIMS).encode()], (), runs.claims, by_lines=False),
    **{
        f"model:{name}": Subject(
            ".bin",
            lambda name=name: folders.seeds_of(name),
            folders.WORDS,
            lambda path, _chance, name=name: folders.model(path, name),
            by_lines=False,
            weight=1,
            largest=200_000,
        )
        for name in folders.FILES
    },
    "gguf": Subject(
        ".gguf",
        folders.gguf_seeds,
        folders.WORDS,
        lambda path, _chance: folders.gguf(path),
        by_lines=False,
        weight=1,
        largest=300_000,
    ),
}
