"""Where a model runs and in which precision; tokens per forward pass for a device, and the memory it has left."""

import os
from collections.abc import Iterator, Sequence
from pathlib import Path

import torch
from torch import Tensor

from interp.errors import InterpError, closest

DTYPES = {"float32": torch.float32, "bfloat16": torch.bfloat16, "float16": torch.float16}


def pick_device(device: str) -> str:
    """`auto` becomes cuda, mps or cpu, the first that is there; any other is checked to be there."""
    there = {"cpu": True, "cuda": torch.cuda.is_available(), "mps": torch.backends.mps.is_available()}
    if device == "auto":
        return next(kind for kind in ("cuda", "mps", "cpu") if there[kind])
    kind = device.split(":")[0]
    if kind not in there:
        raise InterpError(f"device={device} is not known. {closest(device, [*there, 'auto'])}")
    if not there[kind]:
        raise InterpError(f"device={device}, but this machine (or this torch) has none. Allowed here: auto, cpu.")
    return device


def pick_dtype(dtype: str) -> torch.dtype:
    """The precision of that name."""
    if dtype not in DTYPES:
        raise InterpError(f"dtype={dtype} is not known. {closest(dtype, DTYPES)}")
    return DTYPES[dtype]


ACCELERATED = 8
"""How many times as much goes through an accelerator together: there a processor's cache decides nothing."""


def tokens_for(device: torch.device, count: int) -> int:
    """How many tokens (or weights) go through a device together, where `count` fill two cores of a processor."""
    return count if device.type == "cpu" else ACCELERATED * count


def on_processor(device: torch.device) -> bool:
    """Whether numbers here are added in a fixed order, and sparse matrices are scipy's."""
    return device.type == "cpu"


def cut(starts: Sequence[int], length: int) -> list[tuple[int, int]]:
    """Where each part begins, and the place after its end."""
    return list(zip(starts, [*starts[1:], length], strict=True))


def free_memory(device: torch.device) -> int | None:
    """Bytes that can still be allocated there; None where nothing says so. Nothing is allocated to find out."""
    if device.type == "cuda":
        # what torch has reserved and does not use is free as well
        unused = torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)
        return torch.cuda.mem_get_info(device)[0] + unused
    if device.type == "mps":
        return torch.mps.recommended_max_memory() - torch.mps.driver_allocated_memory()
    if device.type != "cpu":
        return None
    return min((*free_of_machine(), *free_of_control_groups()), default=None)


def free_of_machine(meminfo: Path = Path("/proc/meminfo")) -> Iterator[int]:
    """What the machine has available or, where it does not say so, all that it has; nothing where it says neither."""
    available = _entry(_lines(meminfo), "MemAvailable:")
    if available is not None:
        yield 1024 * available
    elif "SC_PHYS_PAGES" in getattr(os, "sysconf_names", {}):
        yield os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")


def free_of_control_groups(
    groups: Path = Path("/proc/self/cgroup"), mounted: Path = Path("/sys/fs/cgroup")
) -> Iterator[int]:
    """What Linux' control groups (containers, Slurm) leave this process: the limit less what is used, group by group.

    Groups of both versions, with those that they lie in; pages of files that can be given back count as free.
    """
    for line in _lines(groups):
        _, controllers, path = line.split(":", 2)
        if not controllers:
            root, names, given_back = mounted, ("memory.max", "memory.current"), "inactive_file"
        elif "memory" in controllers.split(","):
            names, given_back = ("memory.limit_in_bytes", "memory.usage_in_bytes"), "total_inactive_file"
            root = mounted / "memory"
        else:
            continue
        here = root / path.lstrip("/")
        for folder in (here, *(above for above in here.parents if above.is_relative_to(root))):
            limit, used = ("".join(_lines(folder / name)) for name in names)
            if limit.isdecimal() and used.isdecimal():
                yield int(limit) - int(used) + (_entry(_lines(folder / "memory.stat"), given_back) or 0)


def _entry(lines: list[str], name: str) -> int | None:
    """The number after this name."""
    return next((int(line.split()[1]) for line in lines if line.split()[:1] == [name]), None)


def _lines(path: Path) -> list[str]:
    """The lines of a file of the system's, none where it cannot be read."""
    try:
        return path.read_text(encoding="utf-8").splitlines()
    except OSError:
        return []


def precise(values: Tensor) -> Tensor:
    """In float64, for sums; on the processor where the device has no float64."""
    return (values.cpu() if values.device.type == "mps" else values).double()
