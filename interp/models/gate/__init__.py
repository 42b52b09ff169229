"""The correctness gate: whether the taps of a model see, and change, what its network does; seconds before a run.

Every number of this project rests on it, and the errors it finds are silent ones: a projection sliced after the heads
were mixed, a hook that never fires, padding that is attended to, a table that calls head 3 what is head 5.
"""

from collections.abc import Callable, Sequence
from typing import Any

from torch import Tensor
from transformers import PreTrainedModel

from interp.errors import ModelError
from interp.models.gate.checks import (
    every_layer_is_seen,
    head_map,
    heads_add_up,
    nothing_invisible_is_seen,
    parts_are_the_whole,
    patterns_make_z,
    rows_sum_to_one,
    same_as_unhooked,
)
from interp.models.gate.evidence import PROBE, Check, Evidence, look
from interp.models.gate.inputs import (
    order_changes_nothing,
    padding_changes_nothing,
    the_longest_text_is_read,
    tokens_are_the_text,
)
from interp.models.gate.interventions import (
    a_silenced_head_matters,
    a_silenced_head_takes_its_share,
    nothing_stays_hooked,
    resumed_is_run,
    watching_changes_nothing,
)
from interp.models.hooking_errors import because, is_bridged
from interp.models.library_errors import refusing
from interp.types import Batch, EncodedCorpus, HeadModel

LONGEST = 64
"""Tokens to which the documents are cut."""

CHECKS: tuple[Callable[[Evidence], Check | None], ...] = (
    every_layer_is_seen,
    tokens_are_the_text,
    rows_sum_to_one,
    nothing_invisible_is_seen,
    same_as_unhooked,
    head_map,
    heads_add_up,
    patterns_make_z,
    a_silenced_head_takes_its_share,
    a_silenced_head_matters,
    watching_changes_nothing,
    parts_are_the_whole,
    resumed_is_run,
    nothing_stays_hooked,
    padding_changes_nothing,
    order_changes_nothing,
    the_longest_text_is_read,
)
"""Every check, in the order in which an error names them; one that a model has no use for gives None."""


def check(model: HeadModel, encoded: EncodedCorpus, batch: Batch) -> list[Check]:
    """Every check on these documents, of which `batch` is one; a dozen short passes and one over a long text.

    Raises `ModelError` for a model that cannot be run on them.
    """
    shortened = examples(batch, model.pad_token)
    network = type(getattr(model, "network", model)).__name__
    with refusing(f"The first forward pass of {model.name!r} ({network}) failed", "Allowed: models that can be run."):
        evidence = Evidence(model, encoded, shortened, look(model, shortened))
        _ = evidence.bare  # with the language head
    first = every_layer_is_seen(evidence)
    # the others compare what was seen of every layer
    with refusing(f"The gate could not look into {model.name!r} ({network})", "Allowed: models that can be watched."):
        found = [one(evidence) for one in CHECKS] if first.passed else [first]
    return [one for one in found if one is not None]


def insist(model: HeadModel, checks: Sequence[Check]) -> None:
    """Raises `ModelError` that names every check that does not hold, what was seen and what is allowed."""
    failed = [one for one in checks if not one.passed]
    if not failed:
        return
    found = "; ".join(f"{one.name} ({one.detail}: {one.deviation:.2g}, allowed {one.allowed:.2g})" for one in failed)
    network: Any = getattr(model, "network", None)
    by_interface = network is not None and model.provenance.get("backend") == "attention"
    why = because(network) if isinstance(network, PreTrainedModel) else ""
    # a known cause is one for every way; and who comes to the bridge has the interface behind them
    other = by_interface and not why and is_bridged(network)
    way = "Try model.backend=bridge, another way into the same model; or" if other else "Mend the model, or"
    raise ModelError(
        f"The correctness gate refuses {model.name!r}. What does not hold: {found}. {why}{way} "
        "gate=off goes on all the same, at one's own risk, and the manifest says so."
    )


def examples(batch: Batch, pad_token: int) -> Batch:
    """The documents cut to `LONGEST` tokens, and the first once more, its half or `PROBE` tokens: there is padding."""
    rows = len(batch.tokens)

    def cut(lengths: Tensor) -> Tensor:
        kept = lengths.clamp(max=LONGEST)
        kept[-1] = ((kept[-1] + 1) // 2).clamp(max=PROBE)
        return kept

    return batch.rows([*range(rows), 0]).shortened(pad_token, cut)
