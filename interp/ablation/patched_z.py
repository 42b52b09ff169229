"""What each head would write if one thing it computes with came from the run on the other text: activation patching."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.ablation.replacements import Substitution
from interp.attention.nan_checks import finite_z
from interp.errors import InterpError
from interp.models.hugging_face.interface import Ingredients
from interp.models.ingredients import shows_ingredients
from interp.types import Batch, EncodedCorpus, HeadModel, HeadOutput, Place, Site

SAME = 1e-5
"""Outputs that differ by less of the largest number of their layer are the same: rounding in float32 does as much."""

Exchange = Callable[[Ingredients, Ingredients, Bool[Tensor, "batch pos"]], HeadOutput]
"""From one run's ingredients, the other's, and the positions at which they are exchanged: z of every head alone."""


def _queries(own: Ingredients, other: Ingredients, at: Bool[Tensor, "batch pos"]) -> HeadOutput:
    mixed = replace(own, query=_mixed(own.query, other.query, at))
    return mixed.write(mixed.pattern())


def _keys(own: Ingredients, other: Ingredients, at: Bool[Tensor, "batch pos"]) -> HeadOutput:
    mixed = replace(own, key=_mixed(own.key, other.key, at))
    return mixed.write(mixed.pattern())


def _values(own: Ingredients, other: Ingredients, at: Bool[Tensor, "batch pos"]) -> HeadOutput:
    return replace(own, value=_mixed(own.value, other.value, at)).write(own.pattern())


def _pattern(own: Ingredients, other: Ingredients, at: Bool[Tensor, "batch pos"]) -> HeadOutput:
    return own.write(_mixed(own.pattern(), other.pattern(), at))


EXCHANGES: Mapping[str, Exchange] = {"q": _queries, "k": _keys, "v": _values, "pattern": _pattern}
"""By part. Of q and pattern the positions are those that attend, of k and v those that are attended to."""

PARTS = ("z", *EXCHANGES)


@dataclass(frozen=True, eq=False)
class Exchanged:
    """z of every head with one part from the other run, by place; and for which heads nothing changes by that.

    z of a head is that of the head exchanged alone: heads that share keys and values each have their own view of them.
    """

    documents: Sequence[int]
    z: dict[Place, HeadOutput]
    same: dict[Place, Bool[Tensor, "batch head"]]

    def substitution(self, some: Batch) -> Substitution:
        """What takes the place of z in some rows of the batch."""
        rows = [self.documents.index(number) for number in some.document.tolist()]

        def replaced(site: Site, layer: int, z: HeadOutput) -> HeadOutput:
            return self.z[site, layer][rows].to(z)

        return Substitution("z", replaced)


class TwoRuns:
    """What two texts of equal length leave behind: z of every layer, and what they attend with if it is asked for."""

    def __init__(self, model: HeadModel, own: Batch, other: Batch, *, ingredients: bool) -> None:
        """One forward pass of each. Raises `ModelError` for a model that does not show its ingredients."""
        self._batch = own
        self._own = _Seen(model, own, ingredients=ingredients)
        self._other = _Seen(model, other, ingredients=ingredients)

    @property
    def z(self) -> dict[Place, HeadOutput]:
        """What heads write in the run that is patched."""
        return self._own.z

    def exchanged(self, part: str, at: Bool[Tensor, "batch pos"]) -> Exchanged:
        """What heads write with this part from the other run at these positions."""
        found: dict[Place, Tensor] = {}
        same: dict[Place, Tensor] = {}
        for place, z in self._own.z.items():
            if part == "z":
                new = torch.where(at[:, :, None, None], self._other.z[place], z)
            else:
                new = EXCHANGES[part](self._own.ingredients[place], self._other.ingredients[place], at)
            found[place] = new
            same[place] = within_rounding(new - z, z, self._batch.mask)
        return Exchanged(self._batch.document.tolist(), found, same)


class _Seen:
    def __init__(self, model: HeadModel, batch: Batch, *, ingredients: bool) -> None:
        self.z: dict[Place, HeadOutput] = {}
        self.ingredients: dict[Place, Ingredients] = {}

        def keep(site: Site, layer: int, z: HeadOutput) -> None:
            self.z[site, layer] = finite_z(model, batch, site, layer, z)

        def keep_all(site: Site, layer: int, at: Ingredients) -> HeadOutput:
            self.ingredients[site, layer] = at
            z = at.write(at.pattern())
            keep(site, layer, z)
            return z

        if ingredients:
            shows_ingredients(model, "Patching q, k, v or pattern").see_layers(batch, keep_all)
        else:
            model.run(batch, z=keep, logits=False)


def within_rounding(
    change: HeadOutput, z: Float[Tensor, "any_row query any_head d_head"], mask: Bool[Tensor, "batch query"]
) -> Bool[Tensor, "batch head"]:
    """The heads whose z changes by no more than rounding does, at any position of a text."""
    largest = (change.abs().amax(-1) * mask[:, :, None].to(change)).amax(1)
    return largest <= SAME * z.abs().max()


def other_text(batch: Batch, encoded: EncodedCorpus, pad_token: int) -> Batch:
    """The same rows with the tokens of another corpus, whose documents have the same numbers and lengths.

    Raises `InterpError` where the lengths differ.
    """
    tokens = torch.full_like(batch.tokens, pad_token)
    for row, number in enumerate(batch.document.tolist()):
        these = torch.from_numpy(encoded.encodings[number].tokens).to(tokens)
        if len(these) != int(batch.mask[row].sum()):
            raise InterpError(
                f"Document {number} has {int(batch.mask[row].sum())} tokens in one text and {len(these)} in the other. "
                "Allowed: texts of equal length, as interp.corpora.prompts.read_prompts keeps them."
            )
        tokens[row, : len(these)] = these
    return replace(batch, tokens=tokens)


def _mixed(own: Tensor, other: Tensor, at: Bool[Tensor, "batch pos"]) -> Tensor:
    """[batch, head, pos, …]: the other's at these positions."""
    return torch.where(at[:, None, :, None], other, own)


def positions_at(
    batch: Batch, name: str, positions: Mapping[str, Int[Tensor, " prompt"]], everywhere: str = "all"
) -> Bool[Tensor, "batch pos"]:
    """Where a named position lies in each row; nowhere in rows that have none (-1), everywhere for `all`."""
    if name == everywhere:
        return batch.mask
    at = positions[name][batch.document.cpu()].to(batch.document.device)
    place = torch.arange(batch.tokens.shape[1], device=at.device)
    return place[None] == at[:, None]
