"""Finds the attention layers of a torch module: every `nn.MultiheadAttention`, and the site that it belongs to."""

from collections.abc import Mapping
from fnmatch import fnmatchcase
from typing import NamedTuple

from torch import nn

from interp.errors import ModelError, closest
from interp.models.hugging_face.layers import SITE_ORDER
from interp.types import Site


class Layer(NamedTuple):
    """One attention layer, the module that computes it, and its name in the network."""

    site: Site
    number: int
    attention: nn.MultiheadAttention
    name: str


def find_layers(network: nn.Module, sites: Mapping[str, str | None], name: str) -> list[Layer]:
    """The attention modules in the order of their sites, numbered within a site as they are registered.

    Raises `ModelError` where there is none, where no site is known for one, and where one computes something else.
    """
    known: dict[str | None, Site] = {site: site for site in SITE_ORDER}
    for asked in sites.values():
        if asked is not None and asked not in known:
            raise ModelError(f"sites of {name!r}: {asked!r} is no site. {closest(asked, SITE_ORDER)}")
    attentions = {path: one for path, one in network.named_modules() if isinstance(one, nn.MultiheadAttention)}
    found: list[Layer] = []
    for path, attention in attentions.items():
        pattern = next((one for one in sites if fnmatchcase(path, one)), None)
        if pattern is None:
            raise ModelError(
                f"sites of {name!r} say nothing of the attention {path!r}. Add {{{path!r}: SITE}}, where SITE is one "
                f"of {', '.join(SITE_ORDER)}, or None to leave it alone."
            )
        site = known.get(sites[pattern])
        if site is None:
            continue
        if type(attention).forward is not nn.MultiheadAttention.forward:
            raise ModelError(
                f"The attention {path!r} of {name!r} is a {type(attention).__name__}, which computes something of its "
                "own. Allowed: nn.MultiheadAttention as torch has it."
            )
        found.append(Layer(site, sum(layer.site == site for layer in found), attention, path))
    if not found:
        raise ModelError(
            f"{name!r} ({type(network).__name__}) has no nn.MultiheadAttention whose heads could be watched; it has "
            f"{len(attentions)} in all. Allowed: modules built on it; for transformers' models, from_transformers."
        )
    return sorted(found, key=lambda layer: SITE_ORDER.index(layer.site))
