"""Heads that are silenced together: whole layers, or sets with a name."""

import re
from collections.abc import Iterable, Mapping, Sequence

from interp.errors import InterpError, closest
from interp.types import Head

NOTATION = re.compile(r"(?:(?P<site>[a-z]+) )?(?:L(\d+)H(\d+)|(\d+)\.(\d+))")

HeadSets = str | Mapping[str, Sequence[object]]
"""`layers`, or names with heads such as `L2H10` or `"2.10"`; `cross L2H10` in a model with several sites."""


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
    known = {(head.site, head.layer, head.head): head for head in heads}
    sites = list(dict.fromkeys(head.site for head in heads))
    found: dict[Head, None] = {}
    for one in written:
        match = NOTATION.fullmatch(one) if isinstance(one, str) else None
        layer, head = [int(n) for n in match.groups()[1:] if n is not None] if match else (-1, -1)
        # without a site a head of a model with several could be any of them
        site = (match["site"] or sites[0]) if match and (match["site"] or len(sites) == 1) else ""
        place = (site, layer, head)
        if place not in known:
            layers, last = max(head.layer for head in heads), max(head.head for head in heads)
            of = "" if len(sites) == 1 else f"{sites[-1]} "
            raise InterpError(
                f"ablation.sets: {one!r} in {name!r} is no head of this model. Allowed: {of}L0H0 to "
                f"{of}L{layers}H{last} (a number such as 2.1 could be head 1 or head 10)."
            )
        found[known[place]] = None
    if not found:
        raise InterpError(f"ablation.sets: {name!r} is empty. Give at least one head, such as L2H0.")
    return list(found)
