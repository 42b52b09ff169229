"""Words and their possible governors: what a parser chooses among, with the attention between the two."""

from dataclasses import dataclass

import numpy as np
from jaxtyping import Bool, Float32, Int

ROOT = -1
"""The candidate that is no word: the governor of a sentence's root."""


@dataclass(frozen=True, eq=False)
class GovernorChoices:
    """Every scored word (dependent) with all candidates for its governor: the other words of its document, and ROOT.

    Dependent d is word `word[d]` of document `document[d]`, in block `block[d]`. Candidate c is one of `dependent[c]`,
    the word `candidate[c]` or `ROOT`, sorted by dependent; `gold[c]` says whether it is the governor. `form` and
    `candidate_form` number the lower-cased words of dependents and candidates, as in `forms`; ROOT's is −1.
    `to_candidate[c, h]` is the attention of head h from the dependent to the candidate, `from_candidate[c, h]` that
    from the candidate to the dependent; to ROOT it is that to the first special token, and from ROOT there is none.
    """

    heads: tuple[tuple[str, int, int], ...]
    document: Int[np.ndarray, " dependent"]
    word: Int[np.ndarray, " dependent"]
    block: Int[np.ndarray, " dependent"]
    form: Int[np.ndarray, " dependent"]
    dependent: Int[np.ndarray, " choice"]
    candidate: Int[np.ndarray, " choice"]
    candidate_form: Int[np.ndarray, " choice"]
    gold: Bool[np.ndarray, " choice"]
    to_candidate: Float32[np.ndarray, "choice head"]
    from_candidate: Float32[np.ndarray, "choice head"]
    forms: tuple[str, ...]
