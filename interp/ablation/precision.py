"""Whether low precision pays on this device: one product of the model's, measured both ways, before a sweep."""

import time
from collections import Counter
from collections.abc import Callable
from statistics import median

import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from interp.ablation.fast_engine import TOKENS_AT_ONCE
from interp.devices import tokens_for
from interp.models.dispatching import is_offloaded
from interp.types import HeadModel, Provable

REPEATS = 5
"""Of each product; the median counts."""

PAYS_BELOW = 0.9
"""Low precision pays where its product takes less than this share of the exact one's time."""


def seconds(work: Callable[[], object], device: torch.device) -> float:
    """The median time of some repeats, after one that does not count."""
    found: list[float] = []
    for _ in range(1 + REPEATS):
        _finish(device)
        start = time.perf_counter()
        work()
        _finish(device)
        found.append(time.perf_counter() - start)
    return median(found[1:])


@torch.inference_mode()
def slower_than_exact(model: HeadModel, precision: str) -> str | None:
    """Why `precision` does not pay, in words; None where it does, where it is exact, or where no weights are shown."""
    weight = _largest_map(model)
    if precision == "float32" or weight is None or weight.dtype not in (torch.float32, torch.float64):
        return None
    if isinstance(model, Provable) and any(is_offloaded(module) for module in model.modules()):
        return (
            f"precision=float32 ran, the exact sweep, and not {precision}: weights are offloaded (model.device_map), "
            "and a second copy of them in bfloat16 would have to stay where there is no room for the first."
        )
    rows = torch.randn(tokens_for(model.device, TOKENS_AT_ONCE), weight.shape[1]).to(weight)
    clean_in, clean_out, rounded = rows.roll(1, 0), nn.functional.linear(rows, weight), weight.bfloat16()

    def of_difference() -> torch.Tensor:
        return clean_out + nn.functional.linear((rows - clean_in).bfloat16(), rounded)

    def throughout() -> torch.Tensor:
        return nn.functional.linear(rows.bfloat16(), rounded)

    exact = seconds(lambda: nn.functional.linear(rows, weight), model.device)
    low = seconds(of_difference if precision == "delta" else throughout, model.device)
    if low < PAYS_BELOW * exact:
        return None
    return (
        f"precision=float32 ran, the exact sweep, and not {precision}: on this {model.device.type} a product in "
        f"bfloat16 takes {low / exact:.1f} times as long as one in float32, measured at the start."
    )


def _largest_map(model: HeadModel) -> torch.Tensor | None:
    """A weight, [out, in], of the shape on which the model spends most; its language head is of a shape of its own."""
    modules = model.modules() if isinstance(model, Provable) else ()
    maps = [module for module in modules if isinstance(module, nn.Linear | Conv1D)]
    weights = [module.weight.T if isinstance(module, Conv1D) else module.weight for module in maps]
    if not weights:
        return None
    spent = Counter[tuple[int, ...]]()
    for weight in weights:
        spent[tuple(weight.shape)] += weight.numel()
    often = {shape: count for shape, count in spent.items() if count > shape[0] * shape[1]} or spent
    largest = max(often, key=often.__getitem__)
    return next(weight.detach() for weight in weights if tuple(weight.shape) == largest)


def _finish(device: torch.device) -> None:
    """An accelerator works on after it was asked."""
    if device.type != "cpu":
        getattr(torch, device.type).synchronize()
