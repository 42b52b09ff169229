"""Behaviours: corpora of prompts, each with a right and a wrong next token, and a corrupted text beside it."""

from interp.corpora.behaviours.agreement import agreement as agreement
from interp.corpora.behaviours.blimp import blimp as blimp
from interp.corpora.behaviours.greater_than import greater_than as greater_than
from interp.corpora.behaviours.induction import induction as induction
from interp.corpora.behaviours.ioi import ioi as ioi
from interp.corpora.behaviours.pronoun import pronoun as pronoun
from interp.corpora.behaviours.successor import successor as successor
from interp.errors import InterpError
from interp.types import Corpus


def behaviour(behaviour: Corpus | None = None) -> Corpus:
    """The prompts of a behaviour, as `corpus=behaviour behaviour=ioi` asks for them.

    Raises `InterpError` where no behaviour is chosen.
    """
    if behaviour is None:
        raise InterpError("corpus=behaviour is given without a behaviour. Allowed: behaviour=ioi, or another.")
    return behaviour
