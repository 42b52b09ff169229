"""The nouns of the project; every other module speaks in these.

A role says where a head would look; a tally measures how much it does, in sums; an ablation shows whether it matters.
A model offers two taps per attention layer: `pattern` (where each head looks) and `z` (what each head writes).
"""

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import IntEnum
from functools import cached_property, lru_cache
from hashlib import blake2b
from typing import Literal, NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int, UInt8
from torch import Tensor, nn

from interp.errors import InterpError

BLOCKS = 64
"""Every source document falls into one of this many blocks; all statistics resample blocks."""

Site = Literal["self", "encoder", "decoder", "cross"]
"""Which attention of a model: `self` in encoder-only and decoder-only models, the others in encoder-decoders.

At `cross` the queries are the tokens of the target and the keys those of the source.
"""

Sight = tuple[Site, int]
"""A site and the first of its layers that see the same keys: what heads could have attended to."""

Pattern = Float[Tensor, "batch head query key"]
"""Attention weights of one layer; rows over `key` sum to one (to less where some goes to no token: `Sinking`)."""

HeadOutput = Float[Tensor, "batch query head d_head"]
"""What each head of one layer writes, before the output projection mixes heads (`z`)."""

Tap = Callable[[Site, int, Tensor], Tensor | None]
"""Sees (site, layer, activation) during a forward pass: `None` watches, a tensor rewrites."""

Picture = UInt8[np.ndarray, "_ _ 3"]
"""Height × width × (red, green, blue), 0 to 255, rows from the top; sizes differ from picture to picture."""

Grid = tuple[int, int]
"""Rows and columns of the patches that a model cuts a picture into."""

Place = tuple[Site, int]
"""One attention layer: its site and its number."""

Scored = bool | Bool[Tensor, "batch pos"]
"""Where the language head runs: at every position, at none, or at these."""

Look = Callable[[Site, int, int, Tensor], None]
"""Sees (site, layer, first head, pattern of that head and those after it), some heads of a layer at a time."""


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


class Head(NamedTuple):
    """One attention head, counted from 0."""

    site: Site
    layer: int
    head: int


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
    model draws from its own vocabulary (`Drawing`).
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

    def __post_init__(self) -> None:
        """Raises `InterpError` for text with a lone surrogate, wherever the document comes from."""
        for text in (self.text, self.alternative or ""):
            check_characters(text)
        _number(self.source)

    picture: Picture | None = None

    @property
    def number(self) -> int:
        """A 64-bit number from the id of the source document: the same on every machine."""
        return _number(self.source)

    @property
    def block(self) -> int:
        """The block of the source document, 0 to 63: the same for everything cut from one source."""
        return self.number % BLOCKS


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

    def __iter__(self) -> Iterator[Document]:
        return iter(self.documents)

    def __len__(self) -> int:
        return len(self.documents)


@dataclass(frozen=True, eq=False)
class Encoding:
    """One tokenised text: ids, (start, end) characters of each token, and which tokens are the tokenizer's own."""

    tokens: Int[np.ndarray, " pos"]
    offsets: Int[np.ndarray, "pos 2"]
    special: Bool[np.ndarray, " pos"]
    truncated: bool = False


@dataclass(frozen=True, eq=False)
class EncodedCorpus:
    """A corpus as one model sees it, kept compact, so that many passes tokenise once; `words[d]` is Int[pos].

    `skipped` counts, by reason, what no score can see: cut documents and words that own no token. `alternatives[d]`
    is the other sentence of a minimal pair, None for a document without one. `target` is what an encoder-decoder
    reads in its decoder, document by document.
    """

    corpus: Corpus
    encodings: tuple[Encoding, ...]
    words: tuple[Int[np.ndarray, " _"], ...]
    skipped: dict[str, int]
    alternatives: tuple[Encoding | None, ...] = ()
    target: "EncodedCorpus | None" = None
    said: tuple[str, ...] = ()
    """What was lost on the way from texts to tokens (`interp.corpora.fidelity`)."""

    @cached_property
    def ranks(self) -> Int[np.ndarray, " token"]:
        """The place of every token id among those that occur, the most frequent first; -1 for one that does not.

        Counted over the documents of this corpus without special tokens. Of equally frequent ones the larger id comes
        later: tokenizers number their tokens roughly by how frequent they were in a much larger text.
        """
        read = [one.tokens[~one.special] for one in self.encodings]
        counts = np.bincount(np.concatenate(read)) if read else np.zeros(0, dtype=np.int64)
        order = np.argsort(-counts, kind="stable")[: np.count_nonzero(counts)]
        ranks = np.full(len(counts), -1, dtype=np.int64)
        ranks[order] = np.arange(len(order))
        return ranks

    @property
    def notes(self) -> tuple[str, ...]:
        """What was done, and what was lost, when this model read the corpus."""
        return self.said if self.target is None else (*self.said, *self.target.corpus.notes, *self.target.notes)

    def __len__(self) -> int:
        return len(self.encodings)


@dataclass(frozen=True, eq=False)
class Batch:
    """Padded documents on the model's device. Gold is integer, -1 where there is none.

    `word[b, t]` is the word that token t belongs to. Per word: `governor`, `relation`, an index into `relations`, and
    `tag`, one into `tags`.
    `antecedent` lists (row, query word, target word): the head word of a mention and that of one of its antecedents;
    `antecedent_kind` has that mention's kind, an index into `kinds`. `nearest_mention[b, w]` is the nearest head word
    of a mention to the left of w. Of a mention that w heads, `nearest_agreeing[b, w]` is that of one whose gender and
    number do not contradict its own, and `nearest_same_word[b, w]` that of one with the same head word, if there is
    one. `mention` lists (start, end, entity, kind) of each row's mentions, in words.
    `document` is each row's number in the corpus, `block` its block. Of masked copies, `masked` holds the token that
    stood where the mask is, -1 elsewhere; of minimal pairs, `alternative` marks the rows of the other sentence.
    `target` is what an encoder-decoder reads in its decoder, row by row; `alignment` lists (row, word of the target,
    word of the source). Of pictures, `pixels` are what the network reads, whole even where tokens are cut off, and
    `grid` says how many rows and columns of patches there are: word w is the patch at row w // columns.

    What lexical roles ask for: `rank[b, t]` is the place of token t among all tokens of the corpus, the most frequent
    first, -1 for special ones; `mark[b, w]` is 1 for a delimiter, 0 for other punctuation, -1 for any other word;
    `entity_pair` lists (row, query word, target word, `EntityLink`) of words in named entities.
    """

    tokens: Int[Tensor, "batch pos"]
    mask: Bool[Tensor, "batch pos"]
    special: Bool[Tensor, "batch pos"]
    word: Int[Tensor, "batch pos"]
    document: Int[Tensor, " batch"]
    block: Int[Tensor, " batch"]
    governor: Int[Tensor, "batch word"]
    relation: Int[Tensor, "batch word"]
    tag: Int[Tensor, "batch word"]
    nearest_mention: Int[Tensor, "batch word"]
    nearest_agreeing: Int[Tensor, "batch word"]
    nearest_same_word: Int[Tensor, "batch word"]
    antecedent: Int[Tensor, "pair 3"]
    antecedent_kind: Int[Tensor, " pair"]
    mention: Int[Tensor, "batch mention 4"]
    relations: tuple[str, ...]
    tags: tuple[str, ...]
    kinds: tuple[str, ...]
    masked: Int[Tensor, "batch pos"] | None = None
    alternative: Bool[Tensor, " batch"] | None = None
    target: "Batch | None" = None
    alignment: Int[Tensor, "aligned 3"] | None = None
    pixels: Float[Tensor, "batch channel height width"] | None = None
    grid: Grid | None = None
    rank: Int[Tensor, "batch pos"] | None = None
    mark: Int[Tensor, "batch word"] | None = None
    entity_pair: Int[Tensor, "linked 4"] | None = None

    @property
    def written(self) -> "Batch":
        """What the model's output belongs to: the target of an encoder-decoder, these documents for any other."""
        return self if self.target is None else self.target

    def asking(self, site: Site) -> "Batch":
        """The side that the queries of a site come from."""
        return self.written if site in ("decoder", "cross") else self

    def asked(self, site: Site) -> "Batch":
        """The side that the keys of a site come from."""
        return self.written if site == "decoder" else self


@dataclass(frozen=True, eq=False)
class Output:
    """What a model made of a batch: final hidden states and, from a trained language head only, logits.

    Logits are at every position or, where `at` is given, at those positions only, row after row.
    """

    hidden: Float[Tensor, "batch pos d_model"]
    logits: Float[Tensor, "batch pos vocab"] | Float[Tensor, "scored vocab"] | None
    at: Bool[Tensor, "batch pos"] | None = None


@dataclass(frozen=True, eq=False)
class Clean:
    """What one undisturbed forward pass leaves behind per layer, so that the network can be run from any layer on."""

    batch: Batch
    before: dict[int, Float[Tensor, "batch pos d_model"]]
    """What goes into each block."""
    attention_output: dict[int, Float[Tensor, "batch pos d_written"]]
    """As wide as the block's input, but for blocks that work in fewer dimensions inside (MobileBERT)."""
    z: dict[int, HeadOutput]
    value: dict[int, Float[Tensor, "batch head key d_value"]]
    pattern: dict[int, Pattern]
    linear: dict[int, list[tuple[nn.Module, Tensor, Tensor]]]
    """Each block's linear maps with what went in and came out, where they were asked for."""
    output: Output


@dataclass(frozen=True, eq=False)
class Unhooked:
    """What a network makes of a batch with nothing in place that watches or rewrites its heads."""

    output: Output
    z: dict[Place, HeadOutput]
    """What goes into the output projection of each attention layer, cut into heads."""
    attention_output: dict[Place, Float[Tensor, "batch query d_model"]]
    """What comes out of each output projection, less its bias."""


@runtime_checkable
class HeadModel(Protocol):
    """A model whose heads can be watched and rewritten: the whole seam between a backend and everything else."""

    name: str
    heads: Sequence[Head]
    positions: int
    """The longest input, in tokens, special ones included."""
    has_language_head: bool
    """Whether `run` gives logits that were trained: without it no language metric is ever computed."""
    causal: bool
    """Whether its output at a token is of the next one; what an encoder-decoder writes is so."""
    pad_token: int
    device: torch.device
    provenance: dict[str, str]
    """Where the weights came from and their hashes, for the manifest."""

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """Raw texts as the tokenizer cuts them, special tokens included, truncated to `positions`."""
        ...

    def visible(self, batch: Batch) -> Bool[Tensor, "batch query key"]:
        """The keys each query may attend to by the model's construction: never padding, never the future if causal.

        A model with several sites, or windows of several widths, takes the site and the layer after the batch.
        """
        ...

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        """One forward pass with the taps in place; afterwards nothing stays hooked, after an exception neither."""
        ...

    def contribution(self, layer: int, z: HeadOutput, site: Site = "self") -> Float[Tensor, "batch query head d_model"]:
        """Each head's share of the layer's output: summed over heads, plus the bias, it is that output."""
        ...


Reading = Callable[[EncodedCorpus, Sequence[int], HeadModel], Batch]
"""From documents, by their numbers in a corpus, to the rows that a model reads, each document's one after another."""


@runtime_checkable
class Windowed(HeadModel, Protocol):
    """A model whose layers do not all see equally far."""

    windows: Sequence[int | None]
    """How many keys back each layer sees, the query included; None for all."""


@runtime_checkable
class Sinking(HeadModel, Protocol):
    """A model some of whose attention goes to keys that are no token: learned ones, or zeros."""

    sinks: Collection[Place]
    """The attention layers that have such keys. What a rewritten row leaves of one goes to them, as it did before."""


@runtime_checkable
class Translating(HeadModel, Protocol):
    """A model that may be an encoder-decoder, which reads a source and writes a target."""

    translates: bool
    """Whether this one is."""

    def encode_targets(self, texts: Sequence[str]) -> list[Encoding]:
        """What the decoder reads: its start, the text as the tokenizer cuts targets, and the end."""
        ...

    def write(self, encodings: Sequence[Encoding]) -> list[tuple[str, Encoding]]:
        """What the model itself writes from these sources, the likeliest tokens; and that as its decoder reads it."""
        ...


@runtime_checkable
class Drawing(HeadModel, Protocol):
    """A model from whose vocabulary tokens can be drawn, with no text between them and the model."""

    def draw(self, symbols: Sequence[Int[np.ndarray, " token"]], seeds: Sequence[int]) -> list[Encoding]:
        """For each document, another random token for every number in it, and the tokenizer's own around them."""
        ...


@runtime_checkable
class Seeing(HeadModel, Protocol):
    """A model that may read pictures, one token for each patch; its texts are then the names of the patches."""

    grid: Grid | None
    """How this one cuts a picture; None for a model of text."""

    def pixels(self, pictures: Sequence[Picture]) -> Float[Tensor, "batch channel height width"]:
        """What the network reads of these pictures: in its own size, normalised as it was trained."""
        ...


@runtime_checkable
class Masking(HeadModel, Protocol):
    """A model that may fill in masked tokens."""

    mask_token: int | None
    """The mask's id; None where the tokenizer has none."""


@runtime_checkable
class Watchable(HeadModel, Protocol):
    """A model that shows its patterns a few heads at a time, so that none is ever held whole: faster to look at."""

    def watch(self, batch: Batch, look: Look) -> None:
        """One forward pass without the language head, of which nothing is kept; `look` sees every head once."""
        ...


@runtime_checkable
class Resumable(HeadModel, Protocol):
    """A model that can also be run from any layer on: what the fast ablation engine asks for."""

    @property
    def resumable(self) -> bool:
        """Whether this one can, of its kind."""
        ...

    def remember(
        self,
        batch: Batch,
        *,
        pattern: bool = False,
        linear: bool = False,
        gradients: bool = False,
        logits: Scored = True,
    ) -> Clean:
        """One forward pass that keeps what `resume` starts from; patterns and linear maps only if asked.

        With `gradients`, the output can be differentiated with respect to every layer's z.
        """
        ...

    def resume(
        self,
        clean: Clean,
        layer: int,
        attention_output: Float[Tensor, "variant batch query d_model"],
        *,
        pattern: Tap | None = None,
        z: Tap | None = None,
        logits: Scored = True,
    ) -> Output:
        """The rest of the network from `layer` on, all variants in one batch, variants first; taps see later layers.

        Where positions to score are given, they are those of the clean batch, the same in every variant.
        Where linear maps were remembered, they work in bfloat16 on the difference from the clean run.
        """
        ...


@runtime_checkable
class Provable(HeadModel, Protocol):
    """A model over a network that can also be seen without its taps: what the strongest checks of the gate ask for."""

    unknown_token: int | None
    """The id that stands for a text the tokenizer has no token for; None where there is none."""

    def unhooked(self, batch: Batch) -> Unhooked:
        """One forward pass of the network as it came, its own attention included."""
        ...

    def attention_outputs(self, batch: Batch, *, z: Tap) -> dict[Place, Float[Tensor, "batch query d_model"]]:
        """What comes out of each output projection, less its bias, while the tap is in place."""
        ...

    def modules(self) -> Iterator[nn.Module]:
        """Every module on which something could stay hooked."""
        ...

    def decode(self, tokens: Int[np.ndarray, " pos"]) -> str | None:
        """The text of these tokens; None where the tokenizer cannot say."""
        ...


@dataclass(frozen=True)
class Role:
    """Where a head with this role would look. How it is scored belongs to the tally, not to the role.

    `view` says whose attention answers: the query's own over the keys (`rows`), that over the keys that are no special
    tokens (`own`), that of its first token alone (`first`), or what the query gets from each key (`columns`: the
    attention of the keys, down the query's column).
    `sites` are those at which it can be asked; there `targets(batch)` is given the side that asks, at `cross` both. It
    marks the keys that answer each query, over tokens, words or mentions as `unit` says. `guesses` are the
    baselines it is held against, `definition` its id with version. `reflexive`: the query itself may be a target.
    """

    name: str
    family: str
    unit: Literal["token", "word", "mention"]
    statistic: Literal["hit", "mass"]
    definition: str
    guesses: tuple[str, ...]
    targets: Callable[[Batch], Bool[Tensor, "batch query key"]] = field(repr=False)
    reflexive: bool = False
    sites: tuple[Site, ...] = ("self", "encoder", "decoder")
    view: Literal["rows", "own", "columns", "first"] = "rows"


@dataclass(frozen=True, eq=False)
class Metric:
    """A number per document, larger is better, NaN for a document too short to have one.

    `measure(output, batch, intact)` sees the intact model's output too. A metric that is not `signed` measures the
    size of a change and cannot be negative by construction: it has no p-value. `language` metrics need logits, at
    every position or only at those that `positions(batch)` marks. A metric with a `reading` measures each of its rows,
    and `combine` makes one number of the rows of a document: Float[*, row] → Float[*, document].
    """

    name: str
    signed: bool
    language: bool
    measure: Callable[[Output, Batch, Output], Float[Tensor, " batch"]]
    scored_tokens: Callable[[Batch], Int[Tensor, " batch"]]
    positions: Callable[[Batch], Bool[Tensor, "batch pos"]] | None = None
    reading: Reading | None = None
    combine: Callable[[Tensor, Batch], Tensor] | None = None
    direction: Callable[[Output, Batch, Sequence[np.random.Generator]], Float[Tensor, " batch"]] | None = None
    """A random linear view of what is compared with the intact model, one generator a document.

    Half its squared change is, on average and to second order, what the metric loses; none where a gradient tells.
    """
