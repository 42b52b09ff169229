"""Attention between the tokens of one document, with the tokens of either side: what viewers of attention show."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from jaxtyping import Float

from interp.errors import InterpError
from interp.examples import STEPS, Examples, Side, load_examples
from interp.heads import Head, Site, parse_head


@dataclass(frozen=True, eq=False)
class TokenAttention:
    """Every head's attention in one document; at `cross` the queries are tokens of the target, the keys of the source.

    `patterns[site][n]` is that of the n-th of `of_site(site)`; a row sums to one, up to `resolution` a weight.
    """

    heads: tuple[Head, ...]
    queries: Mapping[str, tuple[str, ...]]
    """The tokens that attend, by site."""
    keys: Mapping[str, tuple[str, ...]]
    """The tokens attended to, by site."""
    patterns: Mapping[str, Float[np.ndarray, "head query key"]]
    resolution: float = 0.0
    """By how much a weight may lie off: half a step where a run has kept it in steps, 0 as the model gave it."""

    @property
    def sites(self) -> tuple[str, ...]:
        """The sites, in the order of the heads."""
        return tuple(dict.fromkeys(head.site for head in self.heads))

    def of_site(self, site: str) -> tuple[Head, ...]:
        """The heads of a site, in the order in which `patterns` has them."""
        return tuple(head for head in self.heads if head.site == site)

    def chosen(self, heads: Sequence[str | Head] | None, site: str | None) -> tuple[Head, ...]:
        """These heads, written as `3.1` or `cross 3.1`; without them all of the site, or of all sites.

        Raises `InterpError` for a site or a head that the document has none of, and for a head of another site.
        """
        if site is not None and site not in self.sites:
            raise InterpError(f"site={site}: no head of it is there. Allowed: {', '.join(self.sites)}.")
        allowed = self.heads if site is None else self.of_site(site)
        if heads is None:
            return allowed
        if isinstance(heads, str) or not heads:
            raise InterpError('heads=… takes a list of one head or more, such as ["3.1", "5.2"].')
        named = [one.name if isinstance(one, Head) else one for one in heads]
        return tuple(dict.fromkeys(parse_head(one, allowed) for one in named))

    def of(self, head: Head) -> Float[np.ndarray, "query key"]:
        """One head's attention."""
        return self.patterns[head.site][self.of_site(head.site).index(head)]


def kept_attention(run: str | Path | Examples, document: int | None = None) -> TokenAttention:
    """The attention of every head in a document that a run has kept, up to half a step of 1/255 a weight.

    `run` is the run's folder, or what `load_examples` read there; `document` its number in the corpus, as the tables
    `examples` and `example_documents` have it, without one the first that was drawn. Raises `InterpError` for a run
    that keeps no examples, and for a document that is not among them.
    """
    examples = run if isinstance(run, Examples) else load_examples(run)
    numbers = [one.document for one in examples.documents]
    if not numbers:
        raise InterpError(f"The run has kept no document ({examples.rule}). Use interp.token_attention(model, text).")
    if document is not None and document not in numbers:
        few = ", ".join(map(str, sorted(numbers)[:20])) + (", …" if len(numbers) > 20 else "")
        raise InterpError(f"document={document} is not among the {len(numbers)} that the run has kept. Allowed: {few}.")
    example = examples.documents[0 if document is None else numbers.index(document)]
    sides = {site: (example.query_side(site), example.key_side(site)) for site in example.patterns}
    patterns = {site: pattern.astype(np.float32) / STEPS for site, pattern in example.patterns.items()}
    return attention_of_sides(examples.heads, sides, patterns, resolution=0.5 / STEPS)


def attention_of_sides(
    heads: Sequence[tuple[str, int, int]],
    sides: Mapping[str, tuple[Side, Side]],
    patterns: Mapping[str, Float[np.ndarray, "head query key"]],
    *,
    resolution: float = 0.0,
) -> TokenAttention:
    """The same from the two sides of each site, the queries' and the keys'."""
    return TokenAttention(
        tuple(Head(_site(site), layer, head) for site, layer, head in heads),
        {site: query.tokens for site, (query, _) in sides.items()},
        {site: key.tokens for site, (_, key) in sides.items()},
        patterns,
        resolution,
    )


def _site(name: str) -> Site:
    sites: tuple[Site, ...] = ("self", "encoder", "decoder", "cross")
    return next(site for site in sites if site == name)
