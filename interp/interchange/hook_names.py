"""A head as TransformerLens names it: the hook of its layer, and its index there."""

from typing import Literal

from interp.errors import InterpError, require_choice, shown
from interp.heads import Head

Activation = Literal["pattern", "z"]
AXES = {"pattern": 1, "z": 2}
"""Which axis of the hook's tensor is that of heads: [batch, head, query, key] and [batch, pos, head, d_head]."""


def transformer_lens_hook(head: Head | tuple[int, int], activation: Activation = "pattern") -> tuple[str, int]:
    """The name of the hook and the index of the head in it: `("blocks.18.attn.hook_pattern", 6)` for head 18.6.

    The head is a `Head`, or (layer, head) as `heads_with_role` lists them. `pattern` is where it attends, [batch,
    head, query, key]; `z` what it writes before the output projection, [batch, pos, head, d_head]. Both count layers
    and heads from 0, as this library does; queries that share keys (grouped queries) have an index each.
    Raises `InterpError` for a head of an encoder-decoder, and for what is no head.

    >>> transformer_lens_hook((18, 6))
    ('blocks.18.attn.hook_pattern', 6)
    """
    require_choice("activation", activation, AXES)
    site, layer, number = head if isinstance(head, Head) else ("self", *_pair(head))
    if site != "self":
        raise InterpError(
            f"The head {Head(site, layer, number).name} is of the site {site}. Allowed: heads of the site self; of "
            "encoder-decoders TransformerLens names no hooks that this library has tried."
        )
    return f"blocks.{layer}.attn.hook_{activation}", number


def _pair(head: object) -> tuple[int, int]:
    whole = isinstance(head, tuple) and all(isinstance(part, int) and not isinstance(part, bool) for part in head)
    if not isinstance(head, tuple) or not whole or len(head) != 2 or min(head) < 0:
        raise InterpError(f"{shown(head)} is no head. Allowed: (layer, head), counted from 0, such as (18, 6).")
    return head[0], head[1]
