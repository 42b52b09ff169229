"""Heads that are ablated together: whole layers, or sets with a name."""

from collections.abc import Iterable, Mapping, Sequence

from interp.errors import InterpError, closest
from interp.heads import Head, parse_head

HeadSets = str | Mapping[str, Sequence[object]]
"""`layers`, or names with heads such as `L2H10` or `"2.10"`; `cross L2H10` in a model with several sites.

A head may also be a `Head`, or (layer, head) as `interp.heads_with_role` lists them.
"""


def head_sets(asked: HeadSets, heads: Sequence[Head]) -> dict[str, tuple[Head, ...]]:
    """The sets by name. Raises `InterpError` for what is no set, or a head that the model does not have."""
    if asked == "layers":
        layers = sorted({(head.site, head.layer) for head in heads})
        return {
            (f"layer {layer}" if site == "self" else f"{site} layer {layer}"): tuple(
                head for head in heads if (head.site, head.layer) == (site, layer)
            )
            for site, layer in layers
        }
    if isinstance(asked, str) or not asked:
        raise InterpError(f"ablation.sets={asked} is not known. {closest(asked, ['layers'])} Or {{name:[L2H0,L2H8]}}.")
    return {str(name): tuple(_heads(str(name), written, heads)) for name, written in asked.items()}


def _heads(name: str, written: Iterable[object], heads: Sequence[Head]) -> list[Head]:
    found = [parse_head(_named(one), heads, f"ablation.sets: {one!r} in {name!r}") for one in written]
    if not found:
        raise InterpError(f"ablation.sets: {name!r} is empty. Give at least one head, such as L2H0.")
    return list(dict.fromkeys(found))


def _named(one: object) -> object:
    """A head or a pair as it is written; anything else as it is."""
    if isinstance(one, Head):
        return one.name
    return f"{one[0]}.{one[1]}" if isinstance(one, tuple) and len(one) == 2 else one
