"""Heads that attend from a mention to what it refers back to: over words; from a pronoun to one of several names."""

from functools import partial

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.baselines import CHOICE_BASELINES, WORD_BASELINES
from interp.roles.definition import Definition
from interp.types import Batch, Role

KINDS = ("pronoun", "proper", "nominal")
"""The kinds of mentions that are asked apart."""


def coreference(kinds: tuple[str, ...], resumed: tuple[str, ...]) -> tuple[Role, ...]:
    """The antecedent role; that of each kind some mention of which is `resumed`; with pronouns, their choice."""
    of_kinds = tuple(of_kind(kind) for kind in KINDS if kind in resumed)
    several = "pronoun" in kinds and len(kinds) > 1
    return (antecedent(), *of_kinds, *((choice(),) if several else ()))


def antecedent() -> Role:
    """From the head word of a mention to that of any of its antecedents (Clark et al. 2019, section 4.3)."""
    return _over_words("antecedent", None)


def of_kind(kind: str) -> Role:
    """The antecedent role of mentions of one kind: pronoun, proper or nominal (Clark et al. 2019, table 2)."""
    return _over_words(kind, kind)


def choice() -> Role:
    """From a pronoun to the mention it refers to, among those that are no pronouns (as GAP and WinoBias ask)."""
    return Role(
        "coref.choice", "coreference", "mention", "hit", "coreference/choice@1", CHOICE_BASELINES, _choice_targets
    )


def _over_words(name: str, kind: str | None) -> Role:
    baselines = (*WORD_BASELINES, "nearest_mention")
    targets = partial(_antecedent_targets, kind=kind)
    return Role(f"coref.{name}", "coreference", "word", "hit", _definition(name), baselines, targets)


def _definition(name: str) -> str:
    # until version 2 a mention was proper or nominal by its last word: `the kings of France` was a name
    return f"coreference/{name}@{2 if name in ('proper', 'nominal') else 1}"


def _antecedent_targets(batch: Batch, kind: str | None) -> Bool[Tensor, "batch query key"]:
    """Marks the antecedents of mentions of a kind; of all where it is None."""
    rows, width = batch.governor.shape
    targets = torch.zeros(rows, width, width, dtype=torch.bool, device=batch.tokens.device)
    pairs = batch.antecedent
    if kind is not None:
        pairs = pairs[batch.antecedent_kind == (batch.kinds.index(kind) if kind in batch.kinds else -2)]
    targets[pairs[:, 0], pairs[:, 1], pairs[:, 2]] = True
    return targets


def _choice_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    entity, is_mention = batch.mention[:, :, 2], batch.mention[:, :, 0] >= 0
    return (entity[:, :, None] == entity[:, None, :]) & is_mention[:, :, None] & is_mention[:, None, :]


_OVER_WORDS = {
    "family": "coreference",
    "unit": "word",
    "statistic": "hit",
    "formula": (
        "1 where argmax over k of A[q, k] is in T(q), else 0, averaged over the queries; T(q): head words of all "
        "earlier mentions of the same entity; keys within 1e-6 of the largest share the credit. The head word of a "
        "mention is the first of its words whose governor lies outside it; in a document without a tree its last word "
        "or, with corpus.heads=before_postmodifier, its last noun (without tags: word) before what begins the first "
        "postmodifier, such as a preposition or a relative pronoun (listed in interp.corpora.coreference.head_words)"
    ),
    "baseline": (
        "the best on the discovery split (select) of the offsets -1, +1, … -10, +10, the first word, the words of "
        "most tokens, and the head word of the nearest mention to the left"
    ),
}
_LEFT_OUT = (
    "antecedents that are invisible, own no token or are the query itself; queries with no antecedent left or with "
    "fewer than two candidates; special tokens"
)
_KIND = (
    " (in CoNLL-2012 and LitBank: pronoun, if it is one word of a closed list or tagged so; proper, if the word before "
    "its first postmodifier is a proper noun by its tag or, without tags, its capital; else nominal)"
)

DEFINITIONS = (
    Definition(
        id="coreference/antecedent@1",
        role="coref.antecedent",
        exclusions=_LEFT_OUT,
        source="Clark et al. 2019, section 4.3",
        **_OVER_WORDS,
    ),
    *(
        Definition(
            id=_definition(kind),
            role=f"coref.{kind}",
            exclusions=f"mentions of another kind than {kind}{_KIND}; {_LEFT_OUT}",
            source="Clark et al. 2019, table 2",
            **_OVER_WORDS,
        )
        for kind in KINDS
    ),
    Definition(
        id="coreference/choice@1",
        role="coref.choice",
        family="coreference",
        unit="mention",
        statistic="hit",
        formula=(
            "1 where argmax over m of A[q, m] is a mention of the pronoun's entity, else 0, averaged over the "
            "pronouns; A[q, m]: attention summed over the tokens of m (of its words that stand in no shorter mention), "
            "mean over the tokens of the pronoun; m: every mention that is no pronoun, on either side; mentions within "
            "1e-6 of the largest share the credit"
        ),
        exclusions=(
            "mentions that are invisible, own no token, or hold the pronoun; pronouns with no target left or with "
            "fewer than two candidates"
        ),
        baseline=(
            "the best on the discovery split (select) of: the nearest such mention (words between), the nearest to the "
            "left, the nearest to the right, the first, and any of them with equal chance"
        ),
        source="Webster et al. 2018 (GAP: the two names) and Zhao et al. 2018 (WinoBias: the two occupations)",
    ),
)
