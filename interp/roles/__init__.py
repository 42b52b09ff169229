"""Roles by family, each a tuple of small frozen objects; `everything` is what a corpus can be asked."""

from collections.abc import Callable
from typing import overload

from interp.errors import InterpError, closest
from interp.roles import copying as _copying
from interp.roles import copying_scores as _variants
from interp.roles import coreference as _coreference
from interp.roles import cross as _cross
from interp.roles import lexical as _lexical
from interp.roles import pictures as _pictures
from interp.roles import positional as _positional
from interp.roles import syntax as _syntax
from interp.roles.definition import Definition
from interp.types import Corpus, Role

__all__ = [
    "copying",
    "coreference",
    "cross",
    "everything",
    "lexical",
    "named",
    "pictures",
    "positional",
    "positional_variants",
    "syntax",
    "syntax_variants",
]

Roles = tuple[Role, ...]

DEFINITIONS: tuple[Definition, ...] = (
    *_positional.DEFINITIONS,
    *_copying.DEFINITIONS,
    *_variants.DEFINITIONS,
    *_syntax.DEFINITIONS,
    *_coreference.DEFINITIONS,
    *_lexical.DEFINITIONS,
    *_cross.DEFINITIONS,
    *_pictures.DEFINITIONS,
)
"""The card of every role, and of the other scores of copying."""


def positional(corpus: Corpus | None = None) -> Roles:  # noqa: ARG001 - every family is asked alike
    """Offsets −3 … +3, first token, separators, self: the same for every corpus."""
    return _positional.positional()


def positional_variants(corpus: Corpus | None = None) -> Roles:  # noqa: ARG001 - every family is asked alike
    """Voita's way to score offsets, for comparison; not part of `everything`."""
    return _positional.variants()


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
    """Antecedents, by kind too, where the corpus is annotated with mentions; without one, the question to ask it."""
    if corpus is None:
        return coreference
    if not corpus.has_mentions:
        return ()
    return _coreference.coreference(corpus.mention_kinds, corpus.resumed_kinds)


def lexical(corpus: Corpus | None = None) -> Roles:
    """Rare tokens and punctuation, which any text has; parts of speech and named entities that the corpus has."""
    if corpus is None:
        return _lexical.lexical()
    return (*_lexical.lexical(corpus.tags), *(_lexical.entities() if corpus.has_entities else ()))


def cross(corpus: Corpus | None = None) -> Roles:
    """Where cross-attention attends in the source; gold alignments, too, where the corpus has them."""
    gold = (_cross.aligned(),) if corpus is not None and corpus.has_alignments else ()
    return (*_cross.cross(), *gold)


@overload
def pictures(corpus: Corpus) -> Roles: ...
@overload
def pictures(corpus: None = None) -> Callable[[Corpus], Roles]: ...
def pictures(corpus: Corpus | None = None) -> Roles | Callable[[Corpus], Roles]:
    """The four neighbours of a patch, where the corpus is of pictures; without a corpus, the question to ask one."""
    if corpus is None:
        return pictures
    return _pictures.pictures() if corpus.has_pictures else ()


def everything(corpus: Corpus) -> Roles:
    """Every role that the corpus's annotation can ask for; those of cross-attention are for models that have it."""
    of_text = (*copying(corpus), *syntax(corpus), *coreference(corpus), *lexical(corpus), *cross(corpus))
    return (*positional(corpus), *pictures(corpus), *of_text)


NAMES: dict[str, Callable[[Corpus], Roles]] = {
    "all": everything,
    "positional": positional,
    "positional_variants": positional_variants,
    "copying": copying,
    "pictures": pictures,
    "syntax": syntax,
    "syntax_variants": syntax_variants,
    "coreference": coreference,
    "lexical": lexical,
    "cross": cross,
}
"""The question to ask a corpus, by the name that the command line has for it (`roles=all`)."""


def named(name: str) -> Callable[[Corpus], Roles]:
    """The question to ask a corpus that goes by this name, as on the command line; `everything` is `all`.

    Raises `InterpError` with the closest name.
    """
    if name == "everything":
        return everything
    if name not in NAMES:
        raise InterpError(f"The family of roles {name!r} is not known. {closest(name, NAMES)}")
    return NAMES[name]
