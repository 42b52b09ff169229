"""What a model is good for, as a number per document; larger is better."""

from collections.abc import Callable, Sequence

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor
from torch.nn.functional import pad

from interp.corpora import expansions as expansions
from interp.devices import precise as precise
from interp.errors import InterpError, closest
from interp.types import Batch, HeadModel, MaskedModel, Metric, Output

TIE = 1e-4
"""Nats within which two sentences are as probable as each other: what rounding does to the sum over a sentence."""


AT_ONCE = 2**20
"""Logits that are summed over the vocabulary together: as many as a processor's cache holds (4 MiB)."""


def automatic(model: HeadModel) -> tuple[Metric, ...]:
    """What a trained language head says of the text, for a model that has one; the embedding's cosine for any other."""
    return language(model) if _predicts_next(model) or _fills_in(model) else embedding(model)


def embedding(model: HeadModel) -> tuple[Metric, ...]:  # noqa: ARG001 - every group of metrics is asked alike
    """Of sentence encoders."""
    return (EMBEDDING_COSINE,)


def language(model: HeadModel) -> tuple[Metric, ...]:
    """Of language models, causal or masked. Raises `InterpError` for a model without a trained language head."""
    _check_language_head(model, "language")
    return (LOG_PROB, KL) if model.causal else (PSEUDO_LOG_PROB,)


def minimal_pairs(model: HeadModel) -> tuple[Metric, ...]:
    """Of language models on minimal pairs. Raises `InterpError` for a model without a trained language head.

    The difference comes first, by which heads are settled: an accuracy of 0 or 1 a pair would need nearly all pairs.
    """
    _check_language_head(model, "minimal_pairs")
    return (LOGIT_DIFFERENCE, ACCURACY)


NAMES: dict[str, Callable[[HeadModel], tuple[Metric, ...]]] = {
    "auto": automatic,
    "embedding": embedding,
    "language": language,
    "minimal_pairs": minimal_pairs,
}
"""The group of metrics, by the name that the command line has for it (`metrics=auto`)."""


def named(name: str) -> Callable[[HeadModel], tuple[Metric, ...]]:
    """The group of metrics that goes by this name, as on the command line: from a model to its metrics.

    Raises `InterpError` with the closest name.
    """
    if name not in NAMES:
        raise InterpError(f"The group of metrics {name!r} is not known. {closest(name, NAMES)}")
    return NAMES[name]


def embedding_cosine(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:
    """Cosine between the intact and the given mean-pooled embedding, each the mean over non-padding tokens."""
    return torch.cosine_similarity(_pooled(output, batch), _pooled(intact, batch), dim=-1)


def log_prob(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:  # noqa: ARG001
    """Mean log-probability, in nats per token, of the tokens asked for; NaN where none is, in a document of one token.

    In a document as it stands every next token is asked for, in a masked copy the masked one: the mean of that over
    a document's copies is its pseudo-log-likelihood per token (Salazar et al. 2020).
    """
    return _of_scored_tokens(output, batch).sum(-1) / precise(scored_positions(batch)).sum(-1)


def kl(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:
    """Minus the mean divergence, in nats per token, of the next-token distribution from the intact model's.

    KL(intact ‖ given), over the positions whose next token is in the document; NaN for a document of one token.
    """
    there = scored_positions(batch)
    before = _logits(intact, there)
    scale = _logsumexp(before)[:, None]

    def of_piece(start: int, after: Tensor) -> tuple[Tensor, Tensor]:
        clean = before[:, start : start + after.shape[1]]
        probabilities = (clean - scale).exp_()
        return precise((probabilities * (clean - after)).sum(-1)), after.logsumexp(-1)

    # what each logit lost, weighted, and how far the logarithm of the sum moved: both small where little changed
    lost, sums = zip(*_in_pieces(output, there, of_piece), strict=True)
    apart = _in_place(sum(lost) + precise(torch.stack(sums).logsumexp(0) - scale[:, 0]), there)
    return -apart.sum(-1) / precise(there).sum(-1)


def sentence_log_prob(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:  # noqa: ARG001
    """Summed log-probability of the tokens asked for, in nats; NaN where none is."""
    there = scored_positions(batch).any(-1)
    total = _of_scored_tokens(output, batch).sum(-1)
    return torch.where(there.to(total.device), total, torch.nan)


def scored_positions(batch: Batch) -> Bool[Tensor, "batch pos"]:
    """Where a token is asked for: in masked copies at the mask, else wherever the next token is in the document."""
    return pad(batch.mask[:, 1:], (0, 1)) if batch.masked is None else batch.masked >= 0


def mean_of_rows(values: Float[Tensor, "*set row"], rows: Batch) -> Float[Tensor, "*set document"]:
    """The mean over each document's rows."""
    _, place, count = torch.unique_consecutive(rows.document, return_inverse=True, return_counts=True)
    return _summed(values, place, len(count)) / count.to(values.device)


def difference_of_pair(values: Float[Tensor, "*set row"], rows: Batch) -> Float[Tensor, "*set document"]:
    """log P(good) − log P(bad), in nats, from the log-probabilities of their rows."""
    _, place = torch.unique_consecutive(rows.document, return_inverse=True)
    if rows.alternative is None:
        raise InterpError(
            "A pair is compared over the rows of minimal pairs. Read them with interp.corpora.expansions.pairs."
        )
    sums = _summed(values, 2 * place + rows.alternative, 2 * (int(place.max()) + 1)).unflatten(-1, (-1, 2))
    return sums[..., 0] - sums[..., 1]


def better_of_pair(values: Float[Tensor, "*set row"], rows: Batch) -> Float[Tensor, "*set document"]:
    """1 where log P(good) > log P(bad), ½ where they tie, else 0 (Warstadt et al. 2020, abstract).

    Two sentences tie whose log-probabilities differ by no more than rounding does.
    """
    difference = difference_of_pair(values, rows)
    side = torch.where(difference.abs() <= TIE, 0.0, difference.sign())
    return torch.where(difference.isnan(), torch.nan, (side + 1) / 2)


def cosine_direction(
    output: Output, batch: Batch, generators: Sequence[np.random.Generator]
) -> Float[Tensor, " batch"]:
    """The embedding, of length 1, along random signs: 1 − cos is half the squared distance of two such embeddings."""
    embedding = torch.nn.functional.normalize(_pooled(output, batch), dim=-1)
    signs = np.stack([generator.choice([-1.0, 1.0], embedding.shape[-1]) for generator in generators])
    return (embedding * torch.from_numpy(signs).to(embedding)).sum(-1)


def kl_direction(output: Output, batch: Batch, generators: Sequence[np.random.Generator]) -> Float[Tensor, " batch"]:
    """Log-probabilities of tokens drawn from the model's own distribution, with random signs, over √tokens.

    The variance of their gradient is Fisher's information, the second derivative of the divergence.
    """
    there = scored_positions(batch)
    log_probs = _logits(output, there).log_softmax(-1)
    draws = torch.from_numpy(np.stack([one.random((there.shape[1], 2)) for one in generators])).to(there.device)[there]
    below = log_probs.detach().exp().cumsum(-1)
    drawn = torch.searchsorted(below, draws[:, :1].to(below) * below[:, -1:]).clamp(max=below.shape[-1] - 1)
    signs = torch.where(draws[:, 1] < 0.5, -1.0, 1.0)
    chosen = _in_place(log_probs.gather(-1, drawn)[:, 0] * signs, there)
    return chosen.sum(-1) / precise(there).sum(-1).sqrt()


def _pooled(output: Output, batch: Batch) -> Float[Tensor, "batch d_model"]:
    there = batch.mask[..., None]
    return precise(output.hidden * there).sum(1) / precise(there).sum(1)


def _predicts_next(model: HeadModel) -> bool:
    return model.causal and model.has_language_head


def _fills_in(model: HeadModel) -> bool:
    can_mask = isinstance(model, MaskedModel) and model.mask_token is not None
    return not model.causal and model.has_language_head and can_mask


def _check_language_head(model: HeadModel, group: str) -> None:
    if not (_predicts_next(model) or _fills_in(model)):
        raise InterpError(
            f"metrics={group} asks for the probabilities of tokens, but {model.name!r} has no trained causal language "
            "head, nor a trained masked one with a mask token. Allowed for it: metrics=embedding."
        )


def _of_scored_tokens(output: Output, batch: Batch) -> Float[Tensor, "batch pos"]:
    """The log-probability of each token asked for, at the position where it is; 0 elsewhere."""
    there = scored_positions(batch)
    token = (batch.tokens.roll(-1, 1) if batch.masked is None else batch.masked)[there][:, None]

    def of_piece(start: int, logits: Tensor) -> tuple[Tensor, Tensor]:
        place, width = token - start, logits.shape[1]
        chosen = logits.gather(-1, place.clamp(0, width - 1))
        return torch.where((place >= 0) & (place < width), chosen, 0)[:, 0], logits.logsumexp(-1)

    chosen, sums = zip(*_in_pieces(output, there, of_piece), strict=True)
    return _in_place(sum(chosen) - torch.stack(sums).logsumexp(0), there)


def _in_pieces(
    output: Output, there: Bool[Tensor, "batch pos"], of_piece: Callable[[int, Tensor], tuple[Tensor, Tensor]]
) -> list[tuple[Tensor, Tensor]]:
    """What `of_piece` makes of the logits at these positions, some of the vocabulary at a time."""
    if output.pieces is not None and output.at is not None:
        exact = torch.equal(output.at, there)
        return (output.pieces if exact else output.pieces.rows(there[output.at])).each(of_piece)
    logits = _logits(output, there)
    size = max(1024, AT_ONCE // max(1, len(logits)))
    return [of_piece(start * size, piece) for start, piece in enumerate(logits.split(size, dim=1))]


def _logits(output: Output, there: Bool[Tensor, "batch pos"]) -> Float[Tensor, "scored vocab"]:
    """The logits at these positions, in float32, whichever positions the output has."""
    if output.logits is None:
        raise InterpError("The metric needs the logits of a trained language head, and this model has none.")
    # most often exactly these positions were scored, and nothing has to be copied
    exact = output.at is not None and torch.equal(output.at, there)
    return (output.logits if exact else output.logits[there if output.at is None else there[output.at]]).float()


def _logsumexp(logits: Float[Tensor, "scored vocab"]) -> Float[Tensor, " scored"]:
    """Over the vocabulary; some rows at a time, which a processor's cache holds, is more than twice as fast."""
    rows = max(1, AT_ONCE // logits.shape[1])
    return torch.cat([some.logsumexp(-1) for some in logits.split(rows)])


def _in_place(values: Float[Tensor, " scored"], there: Bool[Tensor, "batch pos"]) -> Float[Tensor, "batch pos"]:
    values = precise(values)
    where = there.to(values.device)
    return values.new_zeros(where.shape).masked_scatter(where, values)


def _summed(values: Float[Tensor, "*set row"], place: Int[Tensor, " row"], count: int) -> Float[Tensor, "*set place"]:
    return values.new_zeros(*values.shape[:-1], count).index_add(-1, place.to(values.device), values)


def _all_tokens(batch: Batch) -> Int[Tensor, " batch"]:
    return batch.mask.sum(-1)


def _scored_tokens(batch: Batch) -> Int[Tensor, " batch"]:
    return scored_positions(batch).sum(-1)


EMBEDDING_COSINE = Metric("embedding_cosine", False, False, embedding_cosine, _all_tokens, direction=cosine_direction)
LOG_PROB = Metric("log_prob", True, True, log_prob, _scored_tokens, scored_positions, piecewise=True)
KL = Metric("kl", False, True, kl, _scored_tokens, scored_positions, direction=kl_direction, piecewise=True)
PSEUDO_LOG_PROB, ACCURACY, LOGIT_DIFFERENCE = (
    Metric(name, True, True, measure, _scored_tokens, scored_positions, expansion, combine, piecewise=True)
    for name, measure, expansion, combine in (
        ("pseudo_log_prob", log_prob, expansions.masked, mean_of_rows),
        ("accuracy", sentence_log_prob, expansions.pairs, better_of_pair),
        ("logit_difference", sentence_log_prob, expansions.pairs, difference_of_pair),
    )
)
