"""What a head is called: its site, layer and number; and the blocks that documents fall into."""

from typing import Literal, NamedTuple

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


class Head(NamedTuple):
    """One attention head, counted from 0."""

    site: Site
    layer: int
    head: int
