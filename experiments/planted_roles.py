"""What planted models are asked: by position, by relation, by word class, and by repetition."""

from interp import roles
from interp.roles.lexical import punctuation, same_tag
from interp.types import Corpus, Role


def asked_of(corpus: Corpus) -> tuple[Role, ...]:
    """Position, relations, coreference and word class of annotated text; position and copying of any other.

    Copying is asked where words repeat at random: in English text nearly all repetitions are of a few words, which
    stand at the same places again and again.
    """
    if corpus.tags:
        known = (*roles.positional(), *roles.syntax(corpus), *roles.coreference(corpus))
        return (*known, punctuation(), same_tag())
    return (*roles.positional(), *roles.copying())
