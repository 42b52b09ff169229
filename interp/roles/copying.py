"""Heads that attend where the same token stood before: to it (duplicate), or to what came after it (induction).

Only earlier occurrences count, in models that see later tokens too: so that a number means the same in every model, and
because it is what came after that a head of this kind carries on. The previous-token head, which induction is made of,
is `offset-1` of the positional roles.
"""

from collections.abc import Callable

import torch
from jaxtyping import Bool
from torch import Tensor

from interp.roles.definition import Definition
from interp.types import Batch, Role


def copying() -> tuple[Role, ...]:
    """Earlier occurrences of the same token, and the tokens after them."""
    return duplicate(), induction()


def duplicate() -> Role:
    """Every earlier occurrence of the same token (Wang et al. 2023, section 3: duplicate token heads)."""
    return _role("duplicate", "copying/duplicate@1", duplicate_targets)


def induction() -> Role:
    """The token after every earlier occurrence of the same token (Olsson et al. 2022: prefix matching)."""
    return _role("induction", "copying/induction@1", induction_targets)


def _role(name: str, definition: str, targets: Callable[[Batch], Tensor]) -> Role:
    return Role(name, "copying", "token", "mass", definition, ("uniform",), targets)


def duplicate_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    """Where the key is the query's own token, and earlier; special tokens and padding are neither."""
    own = batch.mask & ~batch.special
    same = batch.tokens[:, :, None] == batch.tokens[:, None, :]
    return (same & own[:, :, None] & own[:, None, :]).tril(-1)


def induction_targets(batch: Batch) -> Bool[Tensor, "batch query key"]:
    """Where the key's left neighbour is the query's own token, and earlier, and the key is no special token.

    After a token that stands twice in a row this is the query itself, which a role of tokens leaves out.
    """
    found = torch.zeros_like(duplicate_targets(batch))
    found[:, :, 1:] = duplicate_targets(batch)[:, :, :-1]
    return found & (batch.mask & ~batch.special)[:, None, :]


_EXCLUSIONS = (
    "special tokens and padding as query, key or earlier occurrence; the query itself as key; later occurrences, also "
    "where the model sees them; queries without a target. Unknown tokens share one id and count as the same"
)
_BASELINE = "uniform: targets ÷ visible keys, averaged over the same queries"

DEFINITIONS: tuple[Definition, ...] = (
    Definition(
        id="copying/duplicate@1",
        role="duplicate",
        family="copying",
        unit="token",
        statistic="mass",
        formula="mean over queries q of Σ A[q, k] over k < q with token(k) = token(q)",
        exclusions=_EXCLUSIONS,
        baseline=_BASELINE,
        source="Wang et al. 2023 (Interpretability in the Wild), section 3.3 and appendix I: duplicate token heads",
    ),
    Definition(
        id="copying/induction@1",
        role="induction",
        family="copying",
        unit="token",
        statistic="mass",
        formula="mean over queries q of Σ A[q, k] over k < q with token(k − 1) = token(q)",
        exclusions=_EXCLUSIONS,
        baseline=_BASELINE,
        source=(
            "Olsson et al. 2022 (In-context Learning and Induction Heads): prefix matching (their own average over "
            "entries is copying/induction-entry-mean@1), here summed over all earlier occurrences. The previous-token "
            "head that it is composed with is positional/offset@1, offset-1"
        ),
    ),
)
"""The cards of this family."""
