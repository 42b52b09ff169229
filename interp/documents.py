"""Words of a raw text with their gold annotation, and corpora of them."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple

import numpy as np
from jaxtyping import Int, UInt8

from interp.errors import InterpError
from interp.heads import BLOCKS

Picture = UInt8[np.ndarray, "_ _ 3"]
"""Height × width × (red, green, blue), 0 to 255, rows from the top; sizes differ from picture to picture."""

UNSPECIFIED = ("", "_")
"""What stands in the place of a tag or a relation that is not known: no tag, and no relation."""


class EntityLink(IntEnum):
    """How a word of a named entity is linked with a word of one."""

    WITHIN = 0
    """Both are words of one mention."""
    SAME = 1
    """They are words of two mentions of one entity."""
    TYPE = 2
    """They are words of two entities of one type."""


class Mention(NamedTuple):
    """A span of words, `start` to `end` (exclusive), that refers to an entity.

    `kind` is its form (pronoun, proper, nominal) or, of a named entity, its type; `gender` and `number` where
    annotated. `head` is the word that stands for it where its reader has chosen one and the document has no syntax.
    """

    start: int
    end: int
    entity: int
    kind: str | None = None
    gender: str | None = None
    number: str | None = None
    head: int | None = None


class Prompt(NamedTuple):
    """What a document as a prompt asks of a language model: which of two tokens comes next.

    `right` and `wrong` are as they continue the document's text, with the space before them. `corrupted` is a text of
    as many tokens after which there is no reason for the right answer. `named` are places (name, start, end in
    characters of the text): the position of a name is that of the last token that begins before its end.
    """

    template: str
    right: str
    wrong: str
    corrupted: str
    named: tuple[tuple[str, int, int], ...] = ()


def check_characters(text: str) -> None:
    """Raises `InterpError` where a text holds half of a surrogate pair, which cannot be hashed or tokenised."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        around = ascii(text[max(0, error.start - 20) : error.start + 20])
        raise InterpError(
            f"The text {around} has a lone surrogate at character {error.start}, half of a character. Allowed: text "
            r"that is UTF-8. Give the whole character (in JSON both of its halves: \ud83d\ude00), or none."
        ) from None


# the source of one sentence is that of the next, and may be the text of a whole book
@lru_cache(maxsize=1)
def _number(source: str) -> int:
    """A 64-bit number from the id of a source document. Raises `InterpError` where it has a lone surrogate."""
    check_characters(source)
    return int.from_bytes(blake2b(source.encode(), digest_size=8).digest(), "big")


@dataclass(frozen=True, eq=False)
class Document:
    """Words of a raw text with their character offsets, and gold annotation, any of which may be absent (`None`).

    `spans[w]` is the (start, end) of word w in `text`, (-1, -1) for a word without a place of its own there.
    `governors[w]` is the position of w's governor, -1 at the root; `relations` keep their subtypes (`nsubj:pass`).
    `source` is the id of the source document this one was cut from; it alone decides the block. `alternative` is
    the other sentence of a minimal pair, the one that a speaker would not say. `target` is what an encoder-decoder
    shall have written, and `alignment` lists (word of the target, word of this document) that say the same.
    `entities` are named entities, their type in `kind`; those that are the same one share the number `entity`.
    `symbols`, in place of a text, say which tokens are the same: every number stands for another token, which each
    model draws from its own vocabulary (`TokenSampler`).
    Of a `prompt` the text is what comes before the answer.
    Of a `picture` the words are the patches that a model cuts it into, in the order of reading; as it comes from a
    file it has none yet.
    """

    source: str
    text: str
    words: tuple[str, ...]
    spans: Int[np.ndarray, "word 2"]
    tags: tuple[str, ...] | None = None
    governors: tuple[int, ...] | None = None
    relations: tuple[str, ...] | None = None
    mentions: tuple[Mention, ...] | None = None
    alternative: str | None = None
    target: "Document | None" = None
    alignment: tuple[tuple[int, int], ...] | None = None
    entities: tuple[Mention, ...] | None = None
    symbols: Int[np.ndarray, " token"] | None = None
    picture: Picture | None = None
    prompt: Prompt | None = None

    def __post_init__(self) -> None:
        """Raises `InterpError` for text with a lone surrogate, wherever the document comes from."""
        for text in (self.text, self.alternative or ""):
            check_characters(text)
        _number(self.source)

    @property
    def number(self) -> int:
        """A 64-bit number from the id of the source document: the same on every machine."""
        return _number(self.source)

    @property
    def block(self) -> int:
        """The block of the source document, 0 to 63: the same for everything cut from one source."""
        return self.number % BLOCKS


LAYERS = {
    "tags": "part-of-speech tags",
    "governors": "syntax",
    "mentions": "mentions",
    "entities": "named entities",
    "alternative": "minimal pairs",
    "target": "targets",
    "alignment": "alignments",
    "symbols": "symbols in place of a text",
    "picture": "pictures",
    "prompt": "prompts with an answer",
}
"""What may stand in a document besides its words, by the field that it stands in."""


@dataclass(frozen=True, eq=False)
class Corpus:
    """Documents under one name; `digest` is the sha256 of what they were read or generated from.

    `generated` marks documents that a program wrote: their intervals describe the generator, not a language.
    `notes` say what the reader had to do, with counts, and `sources_by` how many source documents were found by what
    (for the manifest). `cut` is the setting that left some of the documents out, `limit` or `first`.
    """

    name: str
    documents: Sequence[Document]
    digest: str
    generated: bool = False
    subtypes: bool = False
    notes: tuple[str, ...] = ()
    cut: Literal["", "limit", "first"] = ""
    sources_by: Mapping[str, int] = field(default_factory=dict)

    @cached_property
    def mention_kinds(self) -> tuple[str, ...]:
        """Every kind that a mention has here, sorted."""
        kinds = {mention.kind for document in self.documents for mention in document.mentions or ()}
        return tuple(sorted(kinds - {None}))  # pyright: ignore[reportArgumentType] - None is taken out

    @cached_property
    def resumed_kinds(self) -> tuple[str, ...]:
        """The kinds of those mentions that have another of the same entity before them, sorted."""
        kinds: set[str] = set()
        for document in self.documents:
            met: set[int] = set()
            for mention in sorted(document.mentions or (), key=lambda mention: (mention.start, mention.end)):
                if mention.entity in met and mention.kind is not None:
                    kinds.add(mention.kind)
                met.add(mention.entity)
        return tuple(sorted(kinds))

    @cached_property
    def relations(self) -> tuple[str, ...]:
        """Every relation that occurs, sorted; `punct` and `root` relate no two words that mean something."""
        labels = {label for document in self.documents for label in document.relations or ()}
        none = ("punct", "root", *UNSPECIFIED)
        return tuple(sorted({self.relation(label) for label in labels if label.split(":")[0].strip() not in none}))

    @cached_property
    def tags(self) -> tuple[str, ...]:
        """Every part-of-speech tag that occurs, sorted; `_` is none."""
        tags = {tag for document in self.documents for tag in document.tags or ()}
        return tuple(sorted(tag for tag in tags if tag.strip() not in UNSPECIFIED))

    @cached_property
    def has_entities(self) -> bool:
        """Whether any document is annotated with named entities."""
        return any(document.entities for document in self.documents)

    @cached_property
    def has_alignments(self) -> bool:
        """Whether any document's words are aligned with those of its target."""
        return any(document.alignment for document in self.documents)

    @cached_property
    def has_mentions(self) -> bool:
        """Whether any document is annotated with mentions."""
        return any(document.mentions for document in self.documents)

    @cached_property
    def has_pictures(self) -> bool:
        """Whether any document is a picture."""
        return any(document.picture is not None for document in self.documents)

    @cached_property
    def has_agreement(self) -> bool:
        """Whether the gender or number of any mention is annotated."""
        return any(m.gender or m.number for document in self.documents for m in document.mentions or ())

    def relation(self, label: str) -> str:
        """A label without its subtype (`nsubj:pass` is `nsubj`), unless this corpus keeps subtypes."""
        return label if self.subtypes else label.split(":", 1)[0]

    def __repr__(self) -> str:
        """`<Corpus 'en_ewt-ud-test': 2,077 documents, 25,094 words, with part-of-speech tags, syntax>`."""
        layers = [name for layer, name in LAYERS.items() if any(getattr(one, layer) is not None for one in self)]
        what = f"{len(self):,} document{'s' * (len(self) != 1)}, {sum(len(one.words) for one in self):,} words"
        marks = ["generated"] * self.generated + [f"cut by {self.cut}"] * bool(self.cut)
        about = ", ".join([what, *marks, f"with {', '.join(layers)}" if layers else "without annotation"])
        return f"<Corpus {self.name!r}: {about}>"

    def __iter__(self) -> Iterator[Document]:
        return iter(self.documents)

    def __len__(self) -> int:
        return len(self.documents)
