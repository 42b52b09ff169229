"""Heads that attend by what a word is: rare, a mark, of a part of speech, of a named entity."""

from collections.abc import Callable, Iterable
from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.baselines import SPREAD, WORD_BASELINES
from interp.roles.definition import Definition
from interp.text.punctuation import is_mark_tag
from interp.types import UNSPECIFIED, Batch, EntityLink, Role

MOST_FREQUENT = 500
"""A token is rare when so many others are more frequent (Voita et al. 2019, section 5.3)."""


def lexical(tags: Iterable[str] = ()) -> tuple[Role, ...]:
    """What any text can be asked, and words of every tag given; marks are what `punctuation` asks for already."""
    by_tag = [tagged(tag) for tag in tags if tag not in UNSPECIFIED and not is_mark_tag(tag)]
    return (rare(), delimiter(), punctuation(), *by_tag, *([same_tag()] if by_tag else ()))


def entities() -> tuple[Role, ...]:
    """The three ways in which words of named entities belong together."""
    return (_entity("within", EntityLink.WITHIN), _entity("same", EntityLink.SAME), _entity("type", EntityLink.TYPE))


def rare(most_frequent: int = MOST_FREQUENT) -> Role:
    """The rarest token of the document, where it is not one of the corpus's most frequent (Voita et al. 2019)."""
    targets = partial(_rarest, most_frequent=most_frequent)
    return Role("rare", "lexical", "token", "mass", "lexical/rare@1", ("uniform",), targets)


def delimiter() -> Role:
    """Full stops, commas and semicolons (after Clark et al. 2019, section 3.2, who have no semicolons)."""
    return _of_words("delimiter", "lexical/delimiter@2", partial(_marked, least=1))


def punctuation() -> Role:
    """Punctuation of any kind, delimiters too."""
    return _of_words("punctuation", "lexical/punctuation@2", partial(_marked, least=0))


def tagged(tag: str) -> Role:
    """Words of one part of speech (Vig & Belinkov 2019)."""
    return _of_words(f"tag.{tag}", "lexical/tag@1", partial(_tagged, tag=tag))


def same_tag() -> Role:
    """Words of the query's own part of speech."""
    return _of_words("same_tag", "lexical/same-tag@1", _same_tag)


def _of_words(name: str, definition: str, targets: Callable[[Batch], Tensor]) -> Role:
    return Role(name, "lexical", "word", "mass", definition, SPREAD, targets)


def _entity(way: str, link: EntityLink) -> Role:
    # a query with many targets is often hit by chance: any candidate is a baseline, too
    baselines = (*WORD_BASELINES, "uniform")
    targets = partial(_linked, link=link)
    return Role(f"entity.{way}", "lexical", "word", "hit", f"lexical/entity-{way}@1", baselines, targets)


def _rarest(batch: Batch, most_frequent: int) -> Bool[Tensor, "batch query key"]:
    size = batch.tokens.shape[1]
    rank = torch.full_like(batch.tokens, -1) if batch.rank is None else batch.rank
    rarest = rank.amax(1, keepdim=True)
    return ((rank == rarest) & (rarest >= most_frequent))[:, None, :].expand(-1, size, -1)


def _marked(batch: Batch, least: int) -> Bool[Tensor, "batch query key"]:
    mark = torch.full_like(batch.governor, -1) if batch.mark is None else batch.mark
    return (mark >= least)[:, None, :].expand(-1, mark.shape[1], -1)


def _tagged(batch: Batch, tag: str) -> Bool[Tensor, "batch query key"]:
    index = batch.tags.index(tag) if tag in batch.tags else -2
    return (batch.tag == index)[:, None, :].expand(-1, batch.tag.shape[1], -1)


def _same_tag(batch: Batch) -> Bool[Tensor, "batch query key"]:
    return (batch.tag[:, :, None] == batch.tag[:, None, :]) & (batch.tag >= 0)[:, :, None]


def _linked(batch: Batch, link: EntityLink) -> Bool[Tensor, "batch query key"]:
    rows, width = batch.governor.shape
    targets = torch.zeros(rows, width, width, dtype=torch.bool, device=batch.tokens.device)
    if batch.entity_pair is not None:
        row, query, key, _ = batch.entity_pair[batch.entity_pair[:, 3] == link].unbind(1)
        targets[row, query, key] = True
    return targets


_WORDS = (
    "Candidates of w are the visible aligned words other than w; a query needs two candidates and one target. "
    "Special tokens are no words; what they get is not redistributed."
)
_EVEN = (
    "The better on the discovery split (select) of: uniform (targets ÷ candidates) and uniform_tokens "
    "(tokens of the targets ÷ tokens of all "
    "candidates)."
)
_GUESSED = (
    "The best on the discovery split (select) of: the word at one offset from −10 to +10, the first word, the words "
    "with most tokens, "
    "any candidate (uniform)."
)

DEFINITIONS = (
    Definition(
        "lexical/rare@1",
        "rare",
        "lexical",
        "token",
        "mass",
        "Mean over queries q of Σ A[q, k] over k whose token is r, the one least frequent in the corpus of all in the "
        f"document. A document counts only where at least {MOST_FREQUENT} tokens of the corpus are more frequent than "
        "r. Frequencies are those of token ids in the corpus as read (after corpus.limit); of two equal ones the "
        "larger id is the rarer.",
        "Queries that are special tokens or have no other token r to attend to. A corpus of few different tokens has "
        "no query at all.",
        "uniform: targets ÷ visible keys.",
        "After Voita et al. 2019, section 5.3, who count sentences whose largest attention goes to the rarest token "
        "(66 % on OpenSubtitles): shape/rarest@1.",
    ),
    Definition(
        "lexical/delimiter@2",
        "delimiter",
        "lexical",
        "word",
        "mass",
        "Mean over query words w of Σ A_w[w, v] over v that are a full stop, a comma or a semicolon (those of other "
        "scripts too) and punctuation by lexical/punctuation@2. A_w: mean over the tokens of w, sum over those of v.",
        _WORDS,
        _EVEN,
        "After Clark et al. 2019, section 3.2 (token level, full stops and commas).",
    ),
    Definition(
        "lexical/punctuation@2",
        "punctuation",
        "lexical",
        "word",
        "mass",
        "Mean over query words w of Σ A_w[w, v] over v tagged PUNCT; in a document without this tag, over v whose tag "
        "is one of Penn Treebank's for punctuation, or all of whose characters are punctuation in Unicode (category P) "
        "or grave accents, unless the tag is one of words (NN of %). Version 1 knew PUNCT alone, and found nothing by "
        "Penn Treebank's tags.",
        _WORDS,
        _EVEN,
        "After Clark et al. 2019, section 3.2, and Vig & Belinkov 2019.",
    ),
    Definition(
        "lexical/tag@1",
        "tag.TAG",
        "lexical",
        "word",
        "mass",
        "Mean over query words w of Σ A_w[w, v] over v with that part of speech; tags of punctuation (PUNCT , . : `` "
        "'' -LRB- HYPH) are not asked for. (mass ÷ word_mass is a share of the attention on words, as P_α(tag) is.)",
        f"{_WORDS} Sentences without a word of the tag have no query, whereas P_α(tag) counts their attention.",
        _EVEN,
        "Vig & Belinkov 2019, section 5.1.1, equation 3: P_α(tag) = Σ A[i, j] 1[tag of j] ÷ Σ A[i, j], over tokens, "
        "without the first. The whole matrix is experiment=tags.",
    ),
    Definition(
        "lexical/same-tag@1",
        "same_tag",
        "lexical",
        "word",
        "mass",
        "Mean over query words w of Σ A_w[w, v] over the other words v with the part of speech of w.",
        _WORDS,
        _EVEN,
        "The diagonal of tags by tags; after Vig & Belinkov 2019.",
    ),
    *(
        Definition(
            f"lexical/entity-{way}@1",
            f"entity.{way}",
            "lexical",
            "word",
            "hit",
            f"Share of query words w in a named entity whose largest A_w[w, v] falls on {target}; those within 1e-6 of "
            "it share the hit.",
            _WORDS,
            _GUESSED,
            "This project, for the mentions of WNUT-17 (Derczynski et al. 2017), which mark spans and types; links are "
            "by spelling and type.",
        )
        for way, target in (
            ("within", "another word of the same mention"),
            ("same", "a word of another mention of the same entity"),
            ("type", "a word of another entity of the same type"),
        )
    ),
)
