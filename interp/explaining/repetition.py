"""Random tokens said twice: how well a model says them the second time."""

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.answers import precise
from interp.errors import InterpError
from interp.tallies.copying_scores import periods
from interp.types import Batch, EncodedCorpus, HeadModel, Metric, Output

REPEATED = "log_prob_of_repeats"


def repeated_log_prob(model: HeadModel, encoded: EncodedCorpus) -> Metric:
    """Mean log-probability, in nats per token, of the tokens that stood in the sequence before; larger is better.

    Its negative is the loss on the second half of repeated random tokens (Olsson et al. 2022), the first token of that
    half included. Raises `InterpError` for documents that do not repeat, and a model without a language head.
    """
    if not (model.causal and model.has_language_head):
        raise InterpError(
            f"{model.name!r} has not learnt to predict the next token. Allowed: a causal language model with its "
            "trained head, such as model=smollm2."
        )
    period = torch.from_numpy(periods(encoded))

    def positions(batch: Batch) -> Bool[Tensor, "batch pos"]:
        own = batch.mask & ~batch.special
        after = own.cumsum(1) > period[batch.document.cpu()].to(own.device)[:, None]
        # a token is asked for where the one before it stands
        return torch.nn.functional.pad((own & after)[:, 1:], (0, 1))

    def measure(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:  # noqa: ARG001
        if output.logits is None:
            raise InterpError("The metric needs the logits of a trained language head, and this model has none.")
        there = positions(batch)
        logits = output.logits[there if output.at is None else there[output.at]].float()
        token = batch.tokens.roll(-1, 1)[there]
        found = precise(logits.gather(1, token[:, None])[:, 0] - logits.logsumexp(1))
        return found.new_zeros(there.shape).masked_scatter(there, found).sum(1) / precise(there).sum(1)

    def scored(batch: Batch) -> Int[Tensor, " batch"]:
        return positions(batch).sum(1)

    return Metric(REPEATED, True, True, measure, scored, positions)


def confirming(encoded: EncodedCorpus) -> list[int]:
    """The documents of the odd blocks (confirm)."""
    return [number for number, document in enumerate(encoded.corpus) if document.block % 2 == 1]
