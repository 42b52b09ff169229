"""How fast an exact sweep could be at best: the matrix products that no method can leave out."""

import time
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from interp.ablation.fast_engine import TOKENS_AT_ONCE
from interp.models.hugging_face.model import AttentionModel
from interp.types import Batch, Head

REPEATS = 5

Shape = tuple[int, int]
"""Numbers going in and coming out."""


def rerun(model: AttentionModel, read: Sequence[Batch], heads: Sequence[Head], *, logits: bool) -> Counter[Shape]:
    """Rows of each shape of linear layer that come after an ablated head, over these heads and all batches.

    That is the feed-forward layers of its own block, everything in the later ones, and the language head if asked.
    Rows are padded tokens; attention itself is left out.
    """
    needed: Counter[Shape] = Counter()
    tokens, in_layer = sum(batch.tokens.numel() for batch in read), Counter(head.layer for head in heads)
    for number, layer in enumerate(model.layers):
        a_layer = in_layer[number] * tokens
        known = {id(module) for module in (*layer.attention.modules(), layer.projection)}
        for later in model.layers[number:]:
            assert later.block is not None
            for module in later.block.modules():
                if isinstance(module, nn.Linear | Conv1D) and not (later is layer and id(module) in known):
                    needed[_shape(module)] += a_layer
        if logits:
            needed[_shape(model.network.get_output_embeddings())] += a_layer
    return needed


def products(needed: Iterable[Shape], read: Sequence[Batch]) -> dict[Shape, float]:
    """Seconds that torch.mm takes for one row of each shape, the best of several products of a usual number of rows."""
    rows = rows_at_once(read)
    return {shape: _product(rows, shape) / rows for shape in needed}


def rows_at_once(read: Sequence[Batch]) -> int:
    """Padded tokens that the engine sends through the rest of the network together."""
    tokens = max(batch.tokens.numel() for batch in read)
    return max(1, TOKENS_AT_ONCE // tokens) * tokens


def describe(needed: Counter[Shape], a_row: Mapping[Shape, float], rows: int, seconds: float) -> str:
    """The bound in words, next to the seconds that the sweep took."""
    work = sum(2 * count * into * out for (into, out), count in needed.items())
    bound = sum(count * a_row[shape] for shape, count in needed.items())
    return (
        f"matrix-multiply bound of the sweep (linear layers that must be rerun; torch.mm, {rows} rows at a time): "
        f"{work / 1e9:.0f} GFLOP at {work / bound / 1e9:.0f} GFLOP/s = {bound:.3f} s; "
        f"interp takes {seconds:.3f} s and so reaches {bound / seconds:.0%} of it"
    )


def _shape(module: nn.Module) -> Shape:
    into, out = module.weight.shape if isinstance(module, Conv1D) else module.weight.T.shape  # pyright: ignore
    return int(into), int(out)


def _product(rows: int, shape: Shape) -> float:
    """Seconds of one product, the best of several."""
    left, right, into = torch.randn(rows, shape[0]), torch.randn(shape), torch.empty(rows, shape[1])
    torch.mm(left, right, out=into)
    best = float("inf")
    for _ in range(REPEATS):
        start = time.perf_counter()
        torch.mm(left, right, out=into)
        best = min(best, time.perf_counter() - start)
    return best
