"""What a language model answers to prompts, as metrics that any ablation can measure."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.corpora.batching import batches
from interp.corpora.prompts import Prompts
from interp.devices import precise
from interp.errors import InterpError
from interp.folds import Collected
from interp.progress import Progress, silent
from interp.types import Batch, EncodedCorpus, HeadModel, Metric, Output, Resumable

LOGIT_DIFFERENCE, LOG_PROB, ACCURACY = "logit_difference", "log_prob", "accuracy"


def answer_metrics(prompts: Prompts) -> tuple[Metric, ...]:
    """Of each prompt, at the last position of its text: logit(right) − logit(wrong), log P(right), and whether the
    right answer has the larger logit (1, or 0; ½ where both are equal).

    They read the prompt's number from the batch, and hold for both of its texts.
    """
    right, wrong = (torch.from_numpy(one) for one in (prompts.right, prompts.wrong))

    def of(measure: Callable[[Float[Tensor, "batch vocab"], Tensor, Tensor], Tensor]) -> Callable[..., Tensor]:
        def measured(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:  # noqa: ARG001
            answers = (one[batch.document.cpu()].to(batch.document.device) for one in (right, wrong))
            return precise(measure(last_logits(output, batch), *answers))

        return measured

    asked = {LOGIT_DIFFERENCE: _difference, LOG_PROB: _log_prob, ACCURACY: _is_right}
    return tuple(Metric(name, True, True, of(measure), _one_each, last_positions) for name, measure in asked.items())


def last_positions(batch: Batch) -> Bool[Tensor, "batch pos"]:
    """The last token of every text, after which the answer comes."""
    return batch.mask & ~torch.nn.functional.pad(batch.mask[:, 1:], (0, 1))


def last_logits(output: Output, batch: Batch) -> Float[Tensor, "batch vocab"]:
    """The logits there, in float32, whichever positions the output has. Raises `InterpError` where it has none."""
    if output.logits is None:
        raise InterpError("An answer needs the logits of a trained language head, and this model has none.")
    there = last_positions(batch)
    return output.logits[there if output.at is None else there[output.at]].float()


def answers(
    model: HeadModel, prompts: Prompts, encoded: EncodedCorpus, name: str, *, progress: Progress = silent
) -> dict[str, Float[np.ndarray, " prompt"]]:
    """Every metric of every prompt, of the intact model, on one of its two texts: `prompts.clean` or `.corrupted`."""
    metrics = answer_metrics(prompts)
    found = {one.name: np.full(len(prompts), np.nan) for one in metrics}
    kept = Collected()
    groups = batches(encoded, model)
    for place, group in progress(list(enumerate(groups)), name, kept, whole=True):
        batch = group.batch()
        output = output_at_end(model, batch)
        kept.add(place, **{one.name: one.measure(output, batch, output).cpu().numpy() for one in metrics})
    for one in metrics:
        for group, values in zip(groups, kept.arrays(one.name), strict=True):
            found[one.name][list(group.documents)] = values
    return found


def output_at_end(model: HeadModel, batch: Batch) -> Output:
    """One forward pass, the language head at the last positions only where the model can be asked for these."""
    if isinstance(model, Resumable) and model.resumable:
        return model.remember(batch, logits=last_positions(batch)).output
    return model.run(batch)


def _difference(
    logits: Float[Tensor, "batch vocab"], right: Int[Tensor, " batch"], wrong: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    return (logits.gather(1, right[:, None]) - logits.gather(1, wrong[:, None]))[:, 0]


def _log_prob(
    logits: Float[Tensor, "batch vocab"],
    right: Int[Tensor, " batch"],
    wrong: Int[Tensor, " batch"],  # noqa: ARG001
) -> Float[Tensor, " batch"]:
    return logits.gather(1, right[:, None])[:, 0] - logits.logsumexp(1)


def _is_right(
    logits: Float[Tensor, "batch vocab"], right: Int[Tensor, " batch"], wrong: Int[Tensor, " batch"]
) -> Float[Tensor, " batch"]:
    return (_difference(logits, right, wrong).sign() + 1) / 2


def _one_each(batch: Batch) -> Int[Tensor, " batch"]:
    return torch.ones(len(batch.tokens), dtype=torch.long, device=batch.tokens.device)
