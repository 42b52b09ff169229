"""Why a network cannot be watched, told from its configuration and its modules; and which other way there is."""

from typing import Any


def several_networks(config: Any) -> str | None:
    return None
