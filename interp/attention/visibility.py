"""Groups layers that share an attention mask: only these have the same queries, candidates and baselines."""

from collections.abc import Mapping
from typing import Any

from jaxtyping import Bool
from torch import Tensor

from interp.types import Batch, HeadModel, MaskGroup, Site, Windowed

MaskGroups = Mapping[tuple[Site, int], MaskGroup]
"""From each (site, layer) to the first layer of that site that sees the same keys."""


Visible = Mapping[MaskGroup, Bool[Tensor, "batch query key"]]
"""What the heads of each mask group could attend to in a batch."""


def mask_groups(model: HeadModel) -> MaskGroups:
    """Layers of one site share a mask, unless the model has windows of different widths."""
    windows = model.windows if isinstance(model, Windowed) else None
    first: dict[tuple[Site, int | None], int] = {}
    found: dict[tuple[Site, int], MaskGroup] = {}
    for site, layer, _ in model.heads:
        width = windows[layer] if windows is not None and site != "cross" else None
        found[site, layer] = (site, first.setdefault((site, width), layer))
    return found


def visible_keys(model: HeadModel, batch: Batch) -> Visible:
    """What the heads of each mask group could attend to in this batch."""
    return {group: visible_to(model, batch, group) for group in dict.fromkeys(mask_groups(model).values())}


def visible_to(model: HeadModel, batch: Batch, group: MaskGroup) -> Bool[Tensor, "batch query key"]:
    """The keys that each query of this mask group may attend to."""
    visible: Any = model.visible  # a model of one site need not know of any
    return visible(batch) if group == ("self", 0) else visible(batch, *group)
