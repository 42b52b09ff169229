"""Roles by family, each a tuple of small frozen objects; `everything` is what a corpus can be asked."""

from collections.abc import Callable
from dataclasses import asdict
from typing import overload

import pandas as pd

from interp.roles import coreference as _coreference
from interp.roles import cross as _cross
from interp.roles import lexical as _lexical
from interp.roles import positional as _positional
from interp.roles import syntax as _syntax
from interp.roles.definition import Definition
from interp.types import Corpus, Role

__all__ = ["coreference", "cross", "definitions", "everything", "lexical", "positional", "syntax", "syntax_variants"]

Roles = tuple[Role, ...]

DEFINITIONS: tuple[Definition, ...] = (
    *_positional.DEFINITIONS,
    *_syntax.DEFINITIONS,
    *_cross.DEFINITIONS,
    *_lexical.DEFINITIONS,
)
"""The card of every definition id that a table may hold."""


def definitions() -> pd.DataFrame:
    """The table `definitions`: one row per definition id, with unit, statistic, formula, exclusions and source."""
    return pd.DataFrame([asdict(card) for card in DEFINITIONS]).rename(columns={"id": "definition"})


def positional(corpus: Corpus | None = None) -> Roles:  # noqa: ARG001 - every family is asked alike
    """Offsets −3 … +3, first token, separators, self: the same for every corpus."""
    return _positional.positional()


@overload
def syntax(corpus: Corpus) -> Roles: ...
@overload
def syntax(corpus: None = None) -> Callable[[Corpus], Roles]: ...
def syntax(corpus: Corpus | None = None) -> Roles | Callable[[Corpus], Roles]:
    """Every relation that occurs in the corpus, in both directions; without a corpus, the question to ask one."""
    return syntax if corpus is None else _syntax.syntax(corpus.relations)


@overload
def syntax_variants(corpus: Corpus) -> Roles: ...
@overload
def syntax_variants(corpus: None = None) -> Callable[[Corpus], Roles]: ...
def syntax_variants(corpus: Corpus | None = None) -> Roles | Callable[[Corpus], Roles]:
    """The other ways in which papers score a relation, for comparison; they are not part of `everything`."""
    return syntax_variants if corpus is None else _syntax.variants(corpus.relations)


@overload
def coreference(corpus: Corpus) -> Roles: ...
@overload
def coreference(corpus: None = None) -> Callable[[Corpus], Roles]: ...
def coreference(corpus: Corpus | None = None) -> Roles | Callable[[Corpus], Roles]:
    """The antecedent role, where the corpus is annotated with mentions; without a corpus, the question to ask one."""
    if corpus is None:
        return coreference
    return (_coreference.antecedent(),) if corpus.has_mentions else ()


def lexical(corpus: Corpus | None = None) -> Roles:
    """Rare tokens and punctuation, which any text has; parts of speech and named entities that the corpus has."""
    if corpus is None:
        return _lexical.lexical()
    return (*_lexical.lexical(corpus.tags), *(_lexical.entities() if corpus.has_entities else ()))


def cross(corpus: Corpus | None = None) -> Roles:
    """Where cross-attention looks in the source; gold alignments, too, where the corpus has them."""
    gold = (_cross.aligned(),) if corpus is not None and corpus.has_alignments else ()
    return (*_cross.cross(), *gold)


def everything(corpus: Corpus) -> Roles:
    """Every role that the corpus's annotation can ask for; those of cross-attention are for models that have it."""
    return (*positional(corpus), *syntax(corpus), *coreference(corpus), *lexical(corpus), *cross(corpus))
