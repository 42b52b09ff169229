"""What a model is good for, as a number per document; larger is better."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.errors import InterpError
from interp.types import Batch, HeadModel, Metric, Output


def automatic(model: HeadModel) -> tuple[Metric, ...]:
    """Log-probability for a causal model with a trained head, the embedding's cosine for any other."""
    return language(model) if model.causal and model.has_language_head else embedding(model)


def embedding(model: HeadModel) -> tuple[Metric, ...]:  # noqa: ARG001 - every group of metrics is asked alike
    """Of sentence encoders."""
    return (EMBEDDING_COSINE,)


def language(model: HeadModel) -> tuple[Metric, ...]:
    """Of causal language models. Raises `InterpError` for a model without a trained language head."""
    if not (model.causal and model.has_language_head):
        raise InterpError(
            f"metrics=language asks for next-token probabilities, but {model.name!r} has no trained causal language "
            "head. Allowed for it: metrics=embedding."
        )
    return (LOG_PROB, KL)


def embedding_cosine(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:
    """Cosine between the intact and the given mean-pooled embedding, each the mean over non-padding tokens."""
    return torch.cosine_similarity(_pooled(output, batch), _pooled(intact, batch), dim=-1)


def log_prob(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:  # noqa: ARG001
    """Mean next-token log-probability in nats per token; NaN for a document of one token."""
    if output.logits is None:
        raise InterpError("log_prob needs the logits of a trained language head, and this model has none.")
    predicted = output.logits[:, :-1].float()
    chosen = predicted.gather(-1, batch.tokens[:, 1:, None])[..., 0] - predicted.logsumexp(-1)
    there = batch.mask[:, 1:]
    return precise(torch.where(there, chosen, 0.0)).sum(-1) / precise(there).sum(-1)


def kl(output: Output, batch: Batch, intact: Output) -> Float[Tensor, " batch"]:
    """Minus the mean divergence, in nats per token, of the next-token distribution from the intact model's.

    KL(intact ‖ given), over the positions whose next token is in the document; NaN for a document of one token.
    """
    if output.logits is None or intact.logits is None:
        raise InterpError("kl needs the logits of a trained language head, and this model has none.")
    before, after = (one[:, :-1].float().log_softmax(-1) for one in (intact.logits, output.logits))
    there = batch.mask[:, 1:]
    apart = torch.where(there, (before.exp() * (before - after)).sum(-1), 0.0)
    return -precise(apart).sum(-1) / precise(there).sum(-1)


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
    if output.logits is None:
        raise InterpError("kl needs the logits of a trained language head, and this model has none.")
    log_probs = output.logits[:, :-1].float().log_softmax(-1)
    length = log_probs.shape[1]
    draws = np.stack([generator.random((length, 2)) for generator in generators])
    below = log_probs.detach().exp().cumsum(-1)
    uniform = torch.from_numpy(draws[..., :1]).to(below)
    drawn = torch.searchsorted(below, uniform * below[..., -1:]).clamp(max=below.shape[-1] - 1)
    signs = torch.from_numpy(np.where(draws[..., 1] < 0.5, -1.0, 1.0)).to(below)
    there = batch.mask[:, 1:]
    chosen = torch.where(there, log_probs.gather(-1, drawn)[..., 0] * signs, 0.0)
    return precise(chosen).sum(-1) / precise(there).sum(-1).sqrt()


def precise(values: Tensor) -> Tensor:
    """In float64, for sums; on the CPU where the device has none (mps)."""
    return (values.cpu() if values.device.type == "mps" else values).double()


def _pooled(output: Output, batch: Batch) -> Float[Tensor, "batch d_model"]:
    there = batch.mask[..., None]
    return precise(output.hidden * there).sum(1) / precise(there).sum(1)


def _all_tokens(batch: Batch) -> Int[Tensor, " batch"]:
    return batch.mask.sum(-1)


def _predicted_tokens(batch: Batch) -> Int[Tensor, " batch"]:
    return batch.mask.sum(-1) - 1


EMBEDDING_COSINE = Metric("embedding_cosine", False, False, embedding_cosine, _all_tokens, cosine_direction)
LOG_PROB = Metric("log_prob", True, True, log_prob, _predicted_tokens)
KL = Metric("kl", False, True, kl, _predicted_tokens, kl_direction)
