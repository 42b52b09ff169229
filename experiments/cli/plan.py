"""What a run would cost, from a short measurement: some items of every loop are run and timed, and nothing is written."""

import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch

from experiments.cli.summary_lines import aligned
from interp.corpora.batching import Group
from interp.devices import free_memory
from interp.folds import Fold
from interp.progress import Shard, ShardEnds

Item = TypeVar("Item")

LONG = 10.0
"""Seconds that are spent on the items of one loop: what takes no longer is done whole."""

WARM_UP = 1.0
"""Seconds up to which an item is done once before it is timed: the first pass of all is slower."""

GIB = 2**30


@dataclass(frozen=True)
class Planned:
    """What one loop would cost; `tokens` are those of the documents, without padding."""

    name: str
    items: int
    tokens: int
    seconds: float


class Planner:
    """Runs some items of every loop: from the middle, the end (the longest) and the beginning, then between these."""

    def __init__(self, shard: Shard | None = None) -> None:
        self._shard = shard
        self.loops: list[Planned] = []

    def __call__(
        self, items: Sequence[Item], name: str, fold: Fold | None = None, *, whole: bool = False
    ) -> Iterable[Item]:
        """The items that are timed, see `interp.progress.Progress`."""
        return items if fold is None else self._timed(items, name, fold, whole)

    def measured(self) -> None:
        """Raises `ShardEnds`: of some items no table is made."""
        raise ShardEnds

    def _timed(self, items: Sequence[Item], name: str, fold: Fold, whole: bool) -> Iterator[Item]:
        fold.restore({})
        took: dict[int, float] = {}
        for place in places(len(items)):
            yield from self._warmed_up(items[place]) if not took else ()
            began = perf_counter()
            yield items[place]
            took[place] = perf_counter() - began
            if sum(took.values()) > LONG:
                break
        seconds = interpolated(took, len(items))
        if seconds < LONG:
            for place in set(range(len(items))) - took.keys():
                yield items[place]
        share = 1.0 if whole or self._shard is None else 1 / self._shard.count
        self.loops.append(Planned(name, round(len(items) * share), round(tokens_of(items) * share), seconds * share))

    def _warmed_up(self, item: Item) -> Iterator[Item]:
        # sums count it twice, and are of no use here
        began = perf_counter()
        yield item
        if perf_counter() - began > WARM_UP:
            return


def places(count: int) -> list[int]:
    """Which of so many items are timed, in this order: of few all."""
    wanted = [0.5, 1.0, 0.0, 0.75, 0.25, 0.875, 0.625, 0.375, 0.125]
    return list(dict.fromkeys(round(share * (count - 1)) for share in wanted)) if count else []


def interpolated(took: dict[int, float], count: int) -> float:
    """The seconds of all items, which are sorted by length, where those of some are known."""
    if not took:
        return 0.0
    known = sorted(took)
    return float(np.interp(range(count), known, [took[place] for place in known]).sum())


def tokens_of(items: Sequence[Any]) -> int:
    """The tokens of the documents of all batches among the items, or in them; none where they are something else."""
    parts = [part for item in items for part in (item if isinstance(item, tuple) else (item,))]
    groups = [part for part in parts if isinstance(part, Group)]
    return sum(len(group.encoded.encodings[number].tokens) for group in groups for number in group.documents)


def largest_memory(device: torch.device) -> int:
    """The most bytes that this process has held so far: on an accelerator there, otherwise in all."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device)
    used = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Linux counts in KiB, macOS in bytes
    return used if sys.platform == "darwin" else 1024 * used


def plan_lines(loops: Sequence[Planned], spent: float, device: torch.device) -> list[str]:
    """What is to be said: in a line the total, then every loop; `spent` are the seconds before the first."""
    total = spent + sum(loop.seconds for loop in loops)
    free, held = free_memory(device), largest_memory(device)
    left = "" if free is None else f"; {free / GIB:.1f} GiB are free beside it"
    rows = [(loop.name, f"{loop.items:,}", f"{loop.tokens:,}", said(loop.seconds)) for loop in loops]
    return [
        f"About {said(total)} until all is measured, and then tables and figures; {held / GIB:.1f} GiB of memory{left}.",
        *aligned([("pass", "batches", "tokens", "time"), *rows, ("before the first", "", "", said(spent))]),
    ]


def said(seconds: float) -> str:
    """`42 s`, `12 min` or `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
