"""Viewers are optional: they are imported where they are used, and an error says what installs them."""

from importlib import import_module
from types import ModuleType

from interp.errors import InterpError


def import_viewer(module: str, extra: str) -> ModuleType:
    """The module of a viewer. Raises `InterpError` where it, or a package that it needs, is not installed."""
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        raise InterpError(
            f"{module} cannot be imported: there is no module {error.name!r} here. Install the extra: "
            f"pip install 'interp[{extra}]'."
        ) from error
