"""Forward hooks that keep what goes into a module and what comes out of it."""

from typing import Any

from torch import Tensor, nn


def keep_input(module: Any, into: dict[Any, Tensor], key: Any) -> Any:
    """Keep what goes into a module at each call, under this key; gives the handle that stops it."""

    def hook(_module: nn.Module, args: tuple[Any, ...], options: dict[str, Any]) -> None:
        into[key] = args[0] if args else options["hidden_states"]

    return module.register_forward_pre_hook(hook, with_kwargs=True)


def keep_both(module: nn.Module, into: list[tuple[nn.Module, Tensor, Tensor]]) -> Any:
    """Keep a linear map, its input and its output at each call."""

    def hook(module: nn.Module, args: tuple[Tensor, ...], output: Tensor) -> None:
        into.append((module, args[0], output))

    return module.register_forward_hook(hook)


def keep_output(module: nn.Module, into: dict[Any, Tensor], key: Any) -> Any:
    """Keep what comes out of a module at each call, under this key."""

    def hook(_module: nn.Module, _args: Any, output: Tensor) -> None:
        into[key] = output

    return module.register_forward_hook(hook)


def keep_rest(module: Any, into: dict[nn.Module, tuple[Any, ...]]) -> Any:
    """Keep what comes out of a module after its first tensor, at each call."""

    def hook(module: nn.Module, _args: Any, output: Any) -> None:
        into[module] = output[1:] if isinstance(output, tuple) else ()

    return module.register_forward_hook(hook)
