"""What a model is, in a line: for `repr`, so that a notebook says it."""

from collections import Counter

from interp.heads import Site
from interp.types.model import HeadModel


def describe_model(model: HeadModel) -> str:
    """`<AttentionModel 'minilm': 6 layers × 12 heads, 512 positions, no language head, on cpu>`."""
    sites: dict[Site, None] = dict.fromkeys(head.site for head in model.heads)
    heads = "; ".join(_heads_of(model, site) for site in sites) or "no heads"
    head = f"{'causal' if model.causal else 'masked'} language head" if model.has_language_head else "no language head"
    return f"<{type(model).__name__} {model.name!r}: {heads}, {model.positions:,} positions, {head}, on {model.device}>"


def _heads_of(model: HeadModel, site: Site) -> str:
    """`cross 2 layers × 4 heads`; `self` goes without saying."""
    by_layer = Counter(layer for at, layer, _ in model.heads if at == site)
    sizes = sorted(set(by_layer.values()))
    size = f"{sizes[0]}" if len(sizes) == 1 else f"{sizes[0]} to {sizes[-1]}"
    layers = f"{len(by_layer)} layer{'s' if len(by_layer) > 1 else ''} × {size} head{'s' if sizes[-1] > 1 else ''}"
    return layers if site == "self" else f"{site} {layers}"
