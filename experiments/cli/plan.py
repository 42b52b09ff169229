"""What a run would cost, from a short measurement: some items of every loop are timed, and nothing is written."""

import json
import resource
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import asdict, dataclass
from time import perf_counter
from typing import Any, TypeVar

import numpy as np
import torch
from omegaconf import DictConfig, OmegaConf

from experiments.cli import settings
from experiments.cli.earlier_run import literal
from experiments.cli.measuring import measured, open_subject
from experiments.cli.printing import say
from experiments.cli.stopwatch import Stopwatch
from experiments.cli.summary_lines import aligned
from interp.corpora.batching import Group
from interp.devices import free_memory
from interp.folds import Fold
from interp.progress import Shard, ShardEnds, read_shard

Item = TypeVar("Item")

LONG = 10.0
"""Seconds that are spent on the items of one loop: what takes no longer is done whole."""

FEWEST = 3
"""Items that are timed in any case: in the middle and at both ends."""

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
            # the first pass of all is slower: what is short is done once more, and counts twice in sums of no use
            for _ in range(1 if took else 2):
                began = perf_counter()
                yield items[place]
                took[place] = perf_counter() - began
                if took[place] > WARM_UP:
                    break
            if sum(took.values()) > LONG and len(took) >= FEWEST:
                break
        seconds = interpolated(took, len(items))
        if seconds < LONG:
            yield from (items[place] for place in range(len(items)) if place not in took)
        share = 1.0 if whole or self._shard is None else 1 / self._shard.count
        self.loops.append(Planned(name, round(len(items) * share), round(tokens_of(items) * share), seconds * share))


def plan_once(config: DictConfig, watch: Stopwatch) -> None:
    """Say what the run would cost. Raises `InterpError` where a run would, among others where memory is too small."""
    plain: Any = OmegaConf.to_container(config, resolve=True, throw_on_missing=True)
    settings.check(plain)
    settings.make(config)
    notes = []
    if (plain.get("ablation") or {}).get("until") or (plain.get("ablation") or {}).get("top"):
        # how soon heads are settled is known when they are
        plain["ablation"] |= {"until": None, "top": None}
        notes.append("At most: what is measured until it is settled is planned as if no head were settled early.")
    config = literal(plain)
    subject = open_subject(config, watch, gate=True)
    shard = None if config.shard is None else read_shard(config.shard)
    planner = Planner(shard)
    measured(config, subject, planner)
    device = torch.device("cpu") if subject.model is None else subject.model.device
    before = watch.total
    for line in (
        [json.dumps(as_json(planner.loops, before, device))]
        if config.json
        else [*plan_lines(planner.loops, before, device), *notes]
    ):
        say(line)


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
        f"About {said(total)} until all is measured; tables and figures follow. {held / GIB:.1f} GiB of memory{left}.",
        *aligned([("pass", "batches", "tokens", "time"), *rows, ("before the first", "", "", said(spent))]),
    ]


def as_json(loops: Sequence[Planned], spent: float, device: torch.device) -> dict[str, Any]:
    """The same for machines; seconds, and bytes."""
    return {
        "passes": [asdict(loop) for loop in loops],
        "seconds": spent + sum(loop.seconds for loop in loops),
        "seconds_before": spent,
        "memory": largest_memory(device),
        "memory_free": free_memory(device),
    }


def said(seconds: float) -> str:
    """`42 s`, `12 min` or `3.4 h`."""
    if seconds < 120:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200 else f"{seconds / 3600:.1f} h"
