"""Heads that follow a dependency relation, over words, in either direction; and how else papers have scored that."""

from collections.abc import Callable, Iterable
from functools import partial
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.baselines import SPREAD, WORD_BASELINES
from interp.roles.definition import Definition
from interp.types import Batch, Role


def syntax(relations: Iterable[str]) -> tuple[Role, ...]:
    """Both directions of every relation given."""
    return tuple(role for relation in relations for role in (to_governor(relation), to_dependent(relation)))


def to_governor(relation: str) -> Role:
    """From a dependent to its governor (Clark et al. 2019, section 4.2: dep→head)."""
    targets = partial(_governor_targets, relation=relation)
    return _role(f"{relation}.to_governor", "syntax/to-governor@1", targets)


def to_dependent(relation: str) -> Role:
    """From a governor to its dependents in the relation, any of them (Voita et al. 2019, section 5.2)."""
    targets = partial(_dependent_targets, relation=relation)
    return _role(f"{relation}.to_dependent", "syntax/to-dependent@1", targets)


def variants(relations: Iterable[str]) -> tuple[Role, ...]:
    """Clark's other direction and released code for every relation given, and Vig's dependency alignment over all."""
    by_relation = (role for relation in relations for role in (from_governor(relation), to_governor_first(relation)))
    return (*by_relation, aligned_governor(), aligned_dependent(), aligned_either())


def from_governor(relation: str) -> Role:
    """From a dependent to the word that attends to it most, which should be its governor (Clark's head←dep)."""
    targets = partial(_governor_targets, relation=relation)
    return _role(f"{relation}.from_governor", "syntax/from-governor@1", targets, "columns")


def to_governor_first(relation: str) -> Role:
    """As `to_governor`, but a word attends as its first token does: what Clark's released code runs."""
    targets = partial(_governor_targets, relation=relation)
    return _role(f"{relation}.to_governor_first", "syntax/to-governor-first@1", targets, "first")


def aligned_governor() -> Role:
    """Attention on the word's governor, whatever the relation (Vig & Belinkov 2019)."""
    return _alignment("governor", _any_governor)


def aligned_dependent() -> Role:
    """Attention on the word's dependents, whatever the relation."""
    return _alignment("dependent", lambda batch: _any_governor(batch).mT)


def aligned_either() -> Role:
    """Attention on the word's governor and dependents."""
    return _alignment("either", lambda batch: _any_governor(batch) | _any_governor(batch).mT)


def _role(
    name: str, definition: str, targets: Callable[[Batch], Tensor], view: Literal["rows", "columns", "first"] = "rows"
) -> Role:
    return Role(name, "syntax", "word", "hit", definition, WORD_BASELINES, targets, view=view)


def _alignment(way: str, targets: Callable[[Batch], Tensor]) -> Role:
    # governors and dependents stand side by side: a head of one offset puts most of its attention on them
    baselines = (*WORD_BASELINES, *SPREAD)
    return Role(f"alignment.{way}", "syntax", "word", "mass", f"syntax/alignment-{way}@1", baselines, targets)


def _any_governor(batch: Batch) -> Bool[Tensor, "batch query key"]:
    return batch.governor[:, :, None] == torch.arange(batch.governor.shape[1], device=batch.governor.device)


def _governor_targets(batch: Batch, relation: str) -> Bool[Tensor, "batch query key"]:
    index = batch.relations.index(relation) if relation in batch.relations else -2
    governor = torch.where(batch.relation == index, batch.governor, -1)
    return governor[:, :, None] == torch.arange(governor.shape[1], device=governor.device)


def _dependent_targets(batch: Batch, relation: str) -> Bool[Tensor, "batch query key"]:
    return _governor_targets(batch, relation).transpose(1, 2)


_WORDS = (
    "Candidates of w are the visible aligned words other than w; a query needs two candidates and one target. "
    "Special tokens are no words; what they get is not redistributed. The relations punct and root are left out."
)
_GUESSED = (
    "The best on the discovery split (select) of: the word at one offset from −10 to +10, the first word, the words "
    "with most tokens."
)
_GUESSED_OR_EVEN = (
    "The best on the discovery split (select) of: all attention on the word at one offset from −10 to +10, on the "
    "first word, on the words with most tokens; uniform attention over the candidates or over their tokens."
)
_TIES = "Candidates within 1e-6 of the largest share the hit."
_MEAN = "A_w[u, v]: mean over the tokens of u, sum over those of v."

DEFINITIONS = (
    Definition(
        "syntax/to-governor@1",
        "RELATION.to_governor",
        "syntax",
        "word",
        "hit",
        f"Share of dependents w whose argmax over v of A_w[w, v] is the governor. {_MEAN} {_TIES}",
        _WORDS,
        _GUESSED,
        "Clark et al. 2019, section 4.2, dep→head.",
    ),
    Definition(
        "syntax/to-dependent@1",
        "RELATION.to_dependent",
        "syntax",
        "word",
        "hit",
        f"Share of governors w whose argmax over v of A_w[w, v] is one of its dependents in the relation. {_MEAN} "
        f"{_TIES}",
        _WORDS,
        _GUESSED,
        "Voita et al. 2019, section 5.2: the row of the governor (there tokens, without the end token).",
    ),
    Definition(
        "syntax/from-governor@1",
        "RELATION.from_governor",
        "syntax",
        "word",
        "hit",
        f"Share of dependents w whose argmax over v of A_w[v, w], down their column, is the governor. {_MEAN} {_TIES} "
        "mass is what the governor gives to w, word_mass what all candidates give.",
        "Candidates of w are the aligned words other than w that can see all of w; a query needs two, and its governor "
        "among them. The relations punct and root are left out.",
        _GUESSED,
        "Clark et al. 2019, section 4.2, head←dep (their released notebook: argmax over attn.T).",
    ),
    Definition(
        "syntax/to-governor-first@1",
        "RELATION.to_governor_first",
        "syntax",
        "word",
        "hit",
        "Share of dependents w whose argmax over v of A_f[w, v] is the governor. A_f[u, v]: the first token of u, sum "
        f"over those of v. {_TIES}",
        _WORDS,
        _GUESSED,
        "The code released with Clark et al. 2019 (mode first, where the paper says mean).",
    ),
    *(
        Definition(
            f"syntax/alignment-{way}@1",
            f"alignment.{way}",
            "syntax",
            "word",
            "mass",
            f"Mean over query words w of Σ A_w[w, v] over v that are {target} of w, in any relation. {_MEAN} "
            "(mass ÷ word_mass is a share of the attention on words, as DepAl is.)",
            "Candidates of w are the visible aligned words other than w; a query needs two candidates and one target: "
            "words without one do not count, whereas DepAl counts their attention. punct is a relation here.",
            _GUESSED_OR_EVEN,
            "Vig & Belinkov 2019, section 5.1.2, equation 4: DepAl = Σ A[i, j] dep(i, j) ÷ Σ A[i, j], in three "
            "directions, over tokens, without the first.",
        )
        for way, target in (
            ("governor", "the governor"),
            ("dependent", "dependents"),
            ("either", "the governor or dependents"),
        )
    ),
)
