"""Which layers of a model see alike: only among those can one ask the same queries and compare with one guess."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from interp.types import Batch, HeadModel, Sight, Site, Windowed

Sights = Mapping[tuple[Site, int], Sight]
"""From each (site, layer) to the first layer of that site that sees the same keys."""


Visible = Mapping[Sight, Bool[Tensor, "batch query key"]]
"""What the heads of each sight could attend to in a batch."""


def sights_of(model: HeadModel) -> Sights:
    """Layers of one site see alike, unless the model has windows of different widths."""
    windows = model.windows if isinstance(model, Windowed) else None
    first: dict[tuple[Site, int | None], int] = {}
    found: dict[tuple[Site, int], Sight] = {}
    for site, layer, _ in model.heads:
        width = windows[layer] if windows is not None and site != "cross" else None
        found[site, layer] = (site, first.setdefault((site, width), layer))
    return found


def visible_keys(model: HeadModel, batch: Batch) -> Visible:
    """What the heads of each sight could attend to in this batch."""
    return {sight: seen_from(model, batch, sight) for sight in dict.fromkeys(sights_of(model).values())}


def seen_from(model: HeadModel, batch: Batch, sight: Sight) -> Bool[Tensor, "batch query key"]:
    """The keys that each query of this sight may attend to."""
    visible: Any = model.visible  # a model of one site need not know of any
    return visible(batch) if sight == ("self", 0) else visible(batch, *sight)
