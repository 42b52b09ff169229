"""The slices of torch's own multi-head attention, and a proof on random inputs that they do what torch does."""

import torch
from torch import Tensor, nn

from interp.errors import ModelError
from interp.models.head_weights import Columns, LayerSlices
from interp.models.torch_modules.attention import ingredients, projections, slow_path

TOKENS = 5
"""Random tokens that the proof attends from; it attends to two more."""


@torch.no_grad()
def proven_slices(attention: nn.MultiheadAttention, name: str) -> LayerSlices:
    """Each head's rows of W_Q, W_K and W_V, packed or apart, transposed, and its columns of W_O.

    Raises `ModelError` where torch's own forward pass of the module gives something else than they do.
    """
    columns = torch.arange(attention.embed_dim, device=attention.out_proj.weight.device).chunk(attention.num_heads)
    query, key, value = (
        tuple(Columns(weight.detach().T, None if bias is None else bias.detach(), one) for one in columns)
        for weight, bias in zip(*projections(attention), strict=True)
    )
    output = attention.out_proj.weight.detach().T.unflatten(0, (attention.num_heads, -1))
    slices = LayerSlices(query, key, value, output, attention.head_dim**-0.5, None)
    if wrong := _deviations(attention, slices):
        raise ModelError(
            f"The slices of {name!r} do not do what torch does: {', '.join(wrong)} differ. "
            "Allowed: nn.MultiheadAttention as torch has it, without hooks or parametrizations that change its weights."
        )
    return slices


def _deviations(attention: nn.MultiheadAttention, slices: LayerSlices) -> list[str]:
    """What differs between torch's own forward pass and the slices, on random tokens."""
    generator = torch.Generator().manual_seed(0)
    weight = attention.out_proj.weight

    def tokens(count: int, columns: Columns) -> Tensor:
        given = torch.randn(1, count, len(columns.whole), generator=generator).to(weight)
        return given if attention.batch_first else given.transpose(0, 1)

    asked = (tokens(TOKENS, slices.query[0]), tokens(TOKENS + 2, slices.key[0]), tokens(TOKENS + 2, slices.value[0]))
    at, sinks = ingredients(attention, *asked, None, None)
    with slow_path():
        written, weights = nn.MultiheadAttention.forward(attention, *asked, average_attn_weights=False)
    x, y, v = (one if attention.batch_first else one.transpose(0, 1) for one in asked)
    heads = [slices.head(number) for number in range(attention.num_heads)]
    query = torch.stack([_through(x, head.query, head.query_bias) for head in heads], 1)
    key, value = (
        torch.cat([torch.stack(own, 1), computed[:, :, computed.shape[2] - sinks :]], 2)
        for own, computed in (
            ([_through(y, head.key, head.key_bias) for head in heads], at.key),
            ([_through(v, head.value, head.value_bias) for head in heads], at.value),
        )
    )
    pattern = torch.softmax(slices.scaling * query @ key.mT, dim=-1)
    output = torch.einsum("bhqd,hdm->bqm", pattern @ value, slices.output)
    output = output if attention.out_proj.bias is None else output + attention.out_proj.bias
    pairs = {
        "queries": (query, at.query),
        "keys": (key, at.key),
        "values": (value, at.value),
        "attention": (pattern, weights),
        "what is written": (output if attention.batch_first else output.transpose(0, 1), written),
    }
    return [name for name, (mine, theirs) in pairs.items() if not _agree(mine, theirs)]


def _through(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return x @ weight if bias is None else x @ weight + bias


def _agree(mine: Tensor, theirs: Tensor | None) -> bool:
    """Up to the rounding of their type."""
    if theirs is None or mine.shape != theirs.shape:
        return False
    tolerance = torch.finfo(mine.dtype).eps ** 0.5
    return bool((mine - theirs).abs().max() <= tolerance * (1 + theirs.abs().max()))
