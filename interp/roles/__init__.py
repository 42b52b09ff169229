"""Roles by family, each a tuple of small frozen objects; `everything` is what a corpus can be asked."""

from interp.corpora.batching import has_mentions, relations_of
from interp.roles import coreference as _coreference
from interp.roles import positional as _positional
from interp.roles import syntax as _syntax
from interp.roles.role import HeadRole
from interp.types import Corpus

__all__ = ["HeadRole", "coreference", "everything", "positional", "syntax"]


def positional(corpus: Corpus | None = None) -> tuple[HeadRole, ...]:  # noqa: ARG001 - every family is asked alike
    """Offsets −3 … +3, first token, separators, self."""
    return _positional.positional()


def syntax(corpus: Corpus) -> tuple[HeadRole, ...]:
    """Every relation that occurs in the corpus, in both directions."""
    return _syntax.syntax(relations_of(corpus))


def coreference(corpus: Corpus) -> tuple[HeadRole, ...]:
    """The antecedent role, where the corpus is annotated with mentions."""
    return (_coreference.antecedent(),) if has_mentions(corpus) else ()


def everything(corpus: Corpus) -> tuple[HeadRole, ...]:
    """Every role that the corpus's annotation can ask for."""
    return (*positional(corpus), *syntax(corpus), *coreference(corpus))
