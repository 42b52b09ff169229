"""Where a model runs, and in which precision."""

import torch

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
