"""Heads in CircuitsVis: small maps of attention, of which one is shown large."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from interp.errors import InterpError
from interp.heads import Head
from interp.interchange.extras import import_viewer
from interp.interchange.token_attention import TokenAttention

MODULE = "circuitsvis.attention"


def to_circuitsvis(
    attention: TokenAttention, heads: Sequence[str | Head] | None = None, *, site: str | None = None
) -> Any:
    """What `circuitsvis.attention.attention_heads` shows of these heads, named as here (`3.1`); a notebook shows it.

    Without `heads` all of the site. What is given back has its page as the text `local_src`, which needs no network.
    Shown in a notebook, CircuitsVis 1.43.3 asks google.com whether there is a network, and if so takes its script from
    unpkg.com. Nothing above the diagonal is hidden, which it would do of its own accord. Raises `InterpError` without
    the extra `circuitsvis`, for what `attention` has no head of, and for the site `cross`: CircuitsVis has one list of
    tokens for queries and keys (`to_bertviz` has two).
    """
    if site is None and heads is None and len(attention.sites) > 1:
        raise InterpError(
            f"The model has several sites, and CircuitsVis shows one. Say which: site=…, of {_square(attention)}."
        )
    chosen = attention.chosen(heads, site)
    shown = sorted({head.site for head in chosen})
    if len(shown) > 1 or shown == ["cross"]:
        raise InterpError(
            f"CircuitsVis has one list of tokens, for queries and keys; the heads are of {' and '.join(shown)}. "
            f"Allowed: heads of one of {_square(attention)}. interp.to_bertviz shows the site cross."
        )
    viewer = import_viewer(MODULE, "circuitsvis")
    patterns = np.stack([attention.of(head) for head in chosen])
    return viewer.attention_heads(
        attention=patterns,
        tokens=list(attention.queries[shown[0]]),
        attention_head_names=[head.name for head in chosen],
        min_value=0.0,
        max_value=1.0,
        mask_upper_tri=False,
    )


def _square(attention: TokenAttention) -> str:
    return ", ".join(site for site in attention.sites if site != "cross")
