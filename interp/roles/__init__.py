"""Roles by family, each a tuple of small frozen objects; `everything` is what a corpus can be asked."""

from collections.abc import Callable
from typing import overload

from interp.roles import copying as _copying
from interp.roles import coreference as _coreference
from interp.roles import cross as _cross
from interp.roles import positional as _positional
from interp.roles import syntax as _syntax
from interp.types import Corpus, Role

__all__ = ["copying", "coreference", "cross", "everything", "positional", "syntax"]

Roles = tuple[Role, ...]


def positional(corpus: Corpus | None = None) -> Roles:  # noqa: ARG001 - every family is asked alike
    """Offsets −3 … +3, first token, separators, self: the same for every corpus."""
    return _positional.positional()


def copying(corpus: Corpus | None = None) -> Roles:  # noqa: ARG001 - every family is asked alike
    """Earlier occurrences of the same token, and the tokens after them: the same for every corpus."""
    return _copying.copying()


@overload
def syntax(corpus: Corpus) -> Roles: ...
@overload
def syntax(corpus: None = None) -> Callable[[Corpus], Roles]: ...
def syntax(corpus: Corpus | None = None) -> Roles | Callable[[Corpus], Roles]:
    """Every relation that occurs in the corpus, in both directions; without a corpus, the question to ask one."""
    return syntax if corpus is None else _syntax.syntax(corpus.relations)


@overload
def coreference(corpus: Corpus) -> Roles: ...
@overload
def coreference(corpus: None = None) -> Callable[[Corpus], Roles]: ...
def coreference(corpus: Corpus | None = None) -> Roles | Callable[[Corpus], Roles]:
    """Antecedents, by kind too, where the corpus is annotated with mentions; without one, the question to ask it."""
    if corpus is None:
        return coreference
    if not corpus.has_mentions:
        return ()
    return _coreference.coreference(corpus.mention_kinds, corpus.resumed_kinds)


def cross(corpus: Corpus | None = None) -> Roles:
    """Where cross-attention looks in the source; gold alignments, too, where the corpus has them."""
    gold = (_cross.aligned(),) if corpus is not None and corpus.has_alignments else ()
    return (*_cross.cross(), *gold)


def everything(corpus: Corpus) -> Roles:
    """Every role that the corpus's annotation can ask for; those of cross-attention are for models that have it."""
    return (*positional(corpus), *copying(corpus), *syntax(corpus), *coreference(corpus), *cross(corpus))
