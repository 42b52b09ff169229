"""What a head is called: its site, layer and number, written and read; and the blocks that documents fall into."""

import re
from collections.abc import Iterable
from typing import Literal, NamedTuple

from interp.errors import InterpError

BLOCKS = 64
"""Every source document falls into one of this many blocks; all statistics resample blocks."""

Site = Literal["self", "encoder", "decoder", "cross"]
"""Which attention of a model: `self` in encoder-only and decoder-only models, the others in encoder-decoders.

At `cross` the queries are the tokens of the target and the keys those of the source.
"""

MaskGroup = tuple[Site, int]
"""A site and the first of its layers that see the same keys: what heads could have attended to."""

Place = tuple[Site, int]
"""One attention layer: its site and its number."""


HEAD = ["site", "layer", "head"]
"""The columns of every table that name a head."""

NOTATION = re.compile(r"(?:(?P<site>[a-z]+)[ :])?(?:L(\d+)H(\d+)|(\d+)\.(\d+))")
"""How a head may be written: `2.10` or `L2H10`; where a model has several sites `cross 2.10`, `cross L2H10`."""


class Head(NamedTuple):
    """One attention head, counted from 0."""

    site: Site
    layer: int
    head: int

    @property
    def place(self) -> Place:
        """The attention layer that it belongs to."""
        return self.site, self.layer

    @property
    def name(self) -> str:
        """`3.1` for head 1 of layer 3, with the site where it is not `self`: `cross 3.1`."""
        return head_name(*self)


def head_name(site: str, layer: int, head: int) -> str:
    """`3.1` for head 1 of layer 3, with the site where it is not `self`: `cross 3.1`.

    >>> head_name("cross", 3, 1)
    'cross 3.1'
    """
    return f"{layer}.{head}" if site == "self" else f"{site} {layer}.{head}"


def parse_head(text: object, heads: Iterable[Head], given: str | None = None) -> Head:
    """The one of a model's `heads` that is written as `2.10`, `L2H10` or, with its site, `cross 2.10`.

    Without a site it is the head of the site `self`, or of the only one that there is. Raises `InterpError`, which
    speaks of `given` (the text itself where nothing else is said), for what is no head of these.

    >>> parse_head("L0H1", [Head("self", 0, 0), Head("self", 0, 1)])
    Head(site='self', layer=0, head=1)
    """
    known = {(head.site, head.layer, head.head): head for head in heads}
    sites = list(dict.fromkeys(site for site, _, _ in known))
    match = NOTATION.fullmatch(text) if isinstance(text, str) else None
    if match is not None:
        layer, number = (int(digits) for digits in match.groups()[1:] if digits is not None)
        # without a site a head of a model with several could be any of them
        site = match["site"] or ("self" if "self" in sites else sites[0] if len(sites) == 1 else "")
        if (found := known.get((site, layer, number))) is not None:
            return found
    layers, last = max((head.layer for head in known.values()), default=0), max((h for _, _, h in known), default=0)
    of = f"{sites[-1]} " if len(sites) > 1 else ""
    raise InterpError(
        f"{given or repr(text)} is no head of this model. Allowed: {of}L0H0 to {of}L{layers}H{last} "
        "(a number such as 2.1 could be head 1 or head 10)."
    )
