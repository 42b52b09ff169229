"""One model over several devices: accelerate lays its weights on GPUs, in memory and on disk, and brings them back.

A layer whose weights are `offloaded` has them only while it runs; outside of a forward pass they are read `at_hand`.
"""

import shutil
import tempfile
import warnings
import weakref
from collections.abc import Callable, Collection, Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass
from importlib.util import find_spec
from typing import Any, TypeVar

import torch
from torch import Tensor, nn

from interp.errors import InterpError, ModelError, closest

Loaded = TypeVar("Loaded")

NAMED = ("auto", "balanced", "balanced_low_0", "sequential")
"""The ways to lay out a model that accelerate knows by name."""

DeviceMap = str | Mapping[str, str | int]
MaxMemory = Mapping[str | int, str | int]


@dataclass(frozen=True)
class Placement:
    """Where the weights of a model go: by a name, or each module to its device; at most so many bytes on each."""

    device_map: str | dict[str, str | int]
    max_memory: dict[str | int, int] | None = None

    def options(self, folder: str) -> dict[str, Any]:
        """What `from_pretrained` takes; weights that are kept in another form than stored go to the folder."""
        return {"device_map": self.device_map, "max_memory": self.max_memory, "offload_folder": folder}


def placement(
    device_map: DeviceMap | None, max_memory: MaxMemory | None, device: str, backend: str
) -> Placement | None:
    """What was asked for; None where a model goes to one device, as it does without a device map.

    Raises `InterpError` for a map that is not known, for a limit that is no size, beside a device or a backend that a
    map cannot go with, and where the package accelerate is missing.
    """
    if device_map is None:
        if max_memory is not None:
            raise InterpError("model.max_memory goes with model.device_map alone. Allowed: model.device_map=auto.")
        return None
    if device != "auto":
        raise InterpError(
            f"device={device} names one device, and model.device_map={device_map} lays the model on several. "
            "Allowed: one of the two; with a map device=auto (as it is by itself), and which devices count says "
            "model.max_memory={0:20GiB,cpu:60GiB} or CUDA_VISIBLE_DEVICES."
        )
    if backend == "bridge":
        raise InterpError(
            "model.backend=bridge runs on one device. Allowed with model.device_map: model.backend=attention or auto."
        )
    if find_spec("accelerate") is None:
        raise InterpError(
            "model.device_map needs the package accelerate, which is not installed. "
            "Install it: pip install 'interp[large]'."
        )
    return Placement(_map(device_map), None if max_memory is None else _limits(max_memory))


def _map(given: DeviceMap) -> str | dict[str, str | int]:
    if isinstance(given, str):
        if given not in NAMED:
            raise InterpError(
                f"model.device_map={given} is not known. {closest(given, NAMED)} Or each module's device "
                "({transformer.h.0: 0, …: cpu, …: disk}); for one device leave it out, and give device=."
            )
        return given
    if not isinstance(given, Mapping):
        raise InterpError(f"model.device_map={given} is no map. Allowed: {', '.join(NAMED)}, or {{MODULE: DEVICE}}.")
    found = {str(name): _device(device) for name, device in given.items()}
    if not found:
        raise InterpError(
            "model.device_map={} names no device. Allowed: the names of modules with a GPU's number, cpu or disk; "
            "or auto, which finds them."
        )
    return found


def _device(given: str | int) -> str | int:
    """GPUs by their numbers: of these accelerate takes the first for the main one, of names any."""
    number = str(given).removeprefix("cuda:")
    there = torch.accelerator.device_count() if torch.accelerator.is_available() else 0
    if number.isdecimal() and int(number) < there:
        return int(number)
    if given not in ("cpu", "disk", "mps"):
        gpus = f"the numbers of GPUs (0 to {there - 1}), " if there else ""
        raise InterpError(
            f"model.device_map or model.max_memory names the device {given}, which this machine has not. "
            f"Allowed here: {gpus}cpu, disk."
        )
    return str(given)


def _limits(given: MaxMemory) -> dict[str | int, int]:
    from accelerate.utils import convert_file_size_to_int

    if not isinstance(given, Mapping):
        raise InterpError(
            f"model.max_memory={given} is for no device. Allowed: sizes by device: "
            "model.max_memory={0:20GiB,cpu:60GiB}."
        )
    found: dict[str | int, int] = {}
    for device, size in given.items():
        try:
            found[_device(device)] = convert_file_size_to_int(size)
        except (AttributeError, TypeError, ValueError) as error:
            raise InterpError(
                f"model.max_memory gives {device} {size!r}, which is no size. Allowed: bytes, or a text such as 20GiB "
                "or 500MB: model.max_memory={0:20GiB,cpu:60GiB}."
            ) from error
    return found


# The folder of weights that lie nowhere else


def folder_for_weights() -> str:
    """A new folder among the temporary ones (TMPDIR)."""
    return tempfile.mkdtemp(prefix="interp-offload-")


def remove_with(network: nn.Module, folder: str) -> None:
    """Let the folder go when the network does, at the end of the process at the latest."""
    weakref.finalize(network, shutil.rmtree, folder, ignore_errors=True)


def dispatch(network: Any, where: Placement) -> Any:
    """The same network, laid out: one that was made in memory, such as a random one.

    What goes to disk is written to a temporary folder, which is removed with the network.
    """
    from accelerate import dispatch_model, infer_auto_device_map
    from accelerate.utils import get_balanced_memory

    whole: Any = list(network._no_split_modules or ())
    by: Any = where.device_map
    limits: Any = where.max_memory
    if isinstance(by, str):
        if by != "sequential":
            limits = get_balanced_memory(network, limits, whole, low_zero=by == "balanced_low_0")
        by = laying_out(lambda: infer_auto_device_map(network, limits, whole))
    if set(by) == {""}:
        # accelerate writes to disk what has a name
        by = {name: by[""] for name, _ in network.named_children()}
    folder = folder_for_weights()
    remove_with(network, folder)
    return dispatch_model(network, by, offload_dir=folder, skip_keys=network._skip_keys_device_placement)


def laying_out(load: Callable[[], Loaded]) -> Loaded:
    """What `load` gives. Raises `ModelError` where accelerate finds no layout for weights that modules share."""
    try:
        return load()
    except (IndexError, ValueError) as error:
        if isinstance(error, ValueError) and "meta device" not in str(error):
            raise
        raise ModelError(
            "accelerate found no layout within these limits: it stumbles over weights that two modules share, one of "
            "which it has cut up. Allowed: other limits (model.max_memory), or a map that you write "
            "(model.device_map={MODULE: DEVICE, …}), modules that share weights on one device."
        ) from error


def fill_in(network: Any, missing: Collection[str]) -> None:
    """Give weights that no file holds, and that would be read from disk, the value 0: those of a head that is not used.

    In memory they would be random.
    """
    for key in missing:
        path, _, name = key.rpartition(".")
        module = network.get_submodule(path)
        if is_offloaded(module) and getattr(module, name).is_meta:
            files: Any = module._hf_hook.weights_map.dataset
            if key not in files.index and key not in files.state_dict:
                files.state_dict[key] = torch.zeros(getattr(module, name).shape, dtype=getattr(module, name).dtype)


# A network that is laid out


def is_dispatched(network: nn.Module) -> bool:
    """Whether accelerate moves this network's numbers between devices."""
    return hasattr(network, "_hf_hook") and getattr(network, "hf_device_map", None) is not None


def device_of(network: Any) -> torch.device:
    """The device that a network's inputs go to, and what is read of it."""
    if is_dispatched(network):
        return torch.device(network._hf_hook.execution_device)
    return next(network.parameters()).device


def is_offloaded(module: nn.Module) -> bool:
    """Whether the module has its own weights only while it runs."""
    return any(weight.is_meta for weight in module.parameters(recurse=False))


def at_hand(module: nn.Module) -> AbstractContextManager[None]:
    """While it is open, the module's own weights can be read; they are brought from where they lie, if need be."""
    if not is_offloaded(module):
        return nullcontext()
    from accelerate.utils import align_module_device

    return align_module_device(module)


def weights_of(network: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Every weight by its name, once; those of one module at a time are in memory beside those that always are.

    Raises `ModelError` for one that was to be read from disk and is in no file.
    """
    tied = set(getattr(network, "all_tied_weights_keys", ())) if is_dispatched(network) else ()
    seen: set[int] = set()
    for path, module in network.named_modules():
        with _stored(path), at_hand(module):
            for name, weight in module.named_parameters(path, recurse=False):
                if id(weight) not in seen and name not in tied:
                    if not is_dispatched(network):
                        seen.add(id(weight))
                    yield name, weight


@contextmanager
def _stored(path: str) -> Iterator[None]:
    try:
        yield
    except KeyError as error:
        raise ModelError(
            f"{path} was laid out on disk, and its weight ({error}) is in no file: it is computed (the positions of "
            f"Marian). Allowed: a map with {path} on a device, or more of model.max_memory."
        ) from error


def say_what_is_offloaded(network: Any, name: str) -> None:
    """Warns where weights have to be brought to where they are used, for every batch anew."""
    if not any(is_offloaded(module) for module in network.modules()):
        return
    by_device: dict[str, list[str]] = {}
    for module, device in network.hf_device_map.items():
        by_device.setdefault(str(device), []).append(module)
    where = "; ".join(f"{device}: {', '.join(modules)}" for device, modules in by_device.items())
    warnings.warn(
        f"{name}: its weights do not fit on {device_of(network)}, where it runs, and are brought there for every batch "
        f"({where}).",
        stacklevel=3,
    )


def refuse_spread(network: Any, name: str, what: str) -> None:
    """Raises `ModelError` where a network is laid out and `what` is about all its weights together."""
    if is_dispatched(network):
        raise ModelError(
            f"{what} needs all weights of {name!r} on one device, and model.device_map has laid them out. "
            "Allowed: one device that holds them all: device=cpu or a GPU, without model.device_map; "
            "dtype=bfloat16 takes half the memory."
        )
