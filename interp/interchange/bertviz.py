"""Heads in bertviz: lines between two columns of tokens, one layer at a time (`head`), or all heads small (`model`)."""

from collections.abc import Mapping
from typing import Any, Literal

import torch

from interp.errors import InterpError, require_choice
from interp.interchange.extras import import_viewer
from interp.interchange.token_attention import TokenAttention

VIEWS = {"head": "head_view", "model": "model_view"}


def to_bertviz(attention: TokenAttention, view: Literal["head", "model"] = "head", *, site: str | None = None) -> Any:
    """What bertviz's `head_view` or `model_view` gives back (html_action="return"): a page, in `data`, as HTML.

    An encoder-decoder's sites are shown together, or one of them alone. Layers and heads are counted from 0, as here.
    The page of bertviz 1.4.1 needs a network: it takes require.js, d3 and jQuery from cdnjs.cloudflare.com. Raises
    `InterpError` without the extra `bertviz`, for a site that there is none of, where layers of a site have different
    numbers of heads, and where sites that are shown together differ in their layers or in how many heads these have:
    bertviz would leave out, without a word, what the first of them does not have.
    """
    require_choice("view", view, VIEWS)
    attention.chosen(None, site)
    sites = attention.sites if site is None else (site,)
    layers = {one: _layers(attention, one) for one in sites}
    shapes = {one: [(layer, pattern.shape[1]) for layer, pattern in of.items()] for one, of in layers.items()}
    if any(shape != shapes[sites[0]] for shape in shapes.values()):
        listed = ", ".join(f"{one} {len(shape)} × {shape[0][1]}" for one, shape in shapes.items())
        raise InterpError(
            f"The sites differ in layers × heads ({listed}), and bertviz shows of all what the first one has. "
            f"Show one: site=…, of {', '.join(sites)}."
        )
    viewer = import_viewer("bertviz", "bertviz")
    given: dict[str, Any] = {"include_layers": list(layers[sites[0]])}
    for one in sites:
        given["attention" if one == "self" else f"{one}_attention"] = _by_number(layers[one])
        if one == "self":
            given["tokens"] = list(attention.queries[one])
        else:
            given["decoder_tokens" if one != "encoder" else "encoder_tokens"] = list(attention.queries[one])
            given["decoder_tokens" if one == "decoder" else "encoder_tokens"] = list(attention.keys[one])
    # what it would take for signs of a tokenizer are letters of the text
    return getattr(viewer, VIEWS[view])(**given, prettify_tokens=False, html_action="return")


def _layers(attention: TokenAttention, site: str) -> dict[int, torch.Tensor]:
    """By layer [1, head, query, key]; raises `InterpError` where heads are missing, which have no place there."""
    heads = attention.of_site(site)
    found: dict[int, torch.Tensor] = {}
    for layer in dict.fromkeys(head.layer for head in heads):
        places = [place for place, head in enumerate(heads) if head.layer == layer]
        assert [heads[place].head for place in places] == list(range(len(places)))
        found[layer] = torch.from_numpy(attention.patterns[site][places])[None]
    counts = {layer: pattern.shape[1] for layer, pattern in found.items()}
    if len(set(counts.values())) > 1:
        raise InterpError(
            f"Layers of the site {site} have {', '.join(map(str, sorted(set(counts.values()))))} heads, and bertviz "
            "asks for the same number in all. Use interp.to_circuitsvis."
        )
    return found


def _by_number(layers: Mapping[int, torch.Tensor]) -> list[torch.Tensor | None]:
    """A list in which each layer stands at its own number; bertviz takes out those that it is to include."""
    return [layers.get(layer) for layer in range(max(layers) + 1)]
