"""What each head adds to the residual stream on a corpus, and where from: a fold over the layers' own ingredients."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

from interp.attention.nan_checks import finite_attention, finite_z
from interp.attention.visibility import Visible, mask_groups, visible_keys
from interp.corpora.batching import batches
from interp.corpora.memory import heads_of_a_layer, require_room_for
from interp.folds import Folds, State, restore_to, state_of
from interp.models.head_weights import lay_open
from interp.models.hugging_face.interface import Ingredients
from interp.progress import Progress, silent
from interp.roles.cross import aligned, on_diagonal, source_end, source_first
from interp.roles.positional import first, offset, self_token, separator
from interp.sums import ContributionSums
from interp.tallies.roles import RoleTally
from interp.types import BLOCKS, Batch, EncodedCorpus, Head, HeadModel, HeadOutput, Pattern, Role, Site

Projection = Float[Tensor, "head d_value d_model"]


def looked_at() -> tuple[Role, ...]:
    """Where attention is held against norm-weighted attention, in the roles' own definitions."""
    return offset(-1), self_token(), first(), separator(), on_diagonal(), source_first(), source_end(), aligned()


def triangles(output: Projection) -> Float[Tensor, "head d_value d_value"]:
    """R of W_O^T = Q R for every head: ‖v W_O‖ = ‖R v‖, without a vector of d_model numbers for each head."""
    return torch.linalg.qr(output.cpu().double().mT, mode="r").R.float().to(output.device)


def norms_written(
    vectors: Float[Tensor, "batch pos head d_value"], triangle: Float[Tensor, "head d_value d_value"]
) -> Float[Tensor, "batch pos head"]:
    """‖v W_O‖ for every head and token, of z or of values, given the head's `triangles`."""
    return torch.einsum("bqhd,hrd->bqhr", vectors.float(), triangle).norm(dim=-1)


def shares(z: HeadOutput, output: Projection) -> Float[Tensor, "batch query head"]:
    """⟨c_h, Σ c⟩ / ‖Σ c‖² with c_h = z_h W_O: the part of the layer's output, without bias, that is head h's.

    Over heads they sum to one; a head that writes against the others has a negative share. All are 0 where the layer
    writes nothing at all.
    """
    together = output.float().flatten(0, 1)
    summed = z.float().flatten(-2) @ together
    # ⟨z_h W_O, Σ c⟩ = ⟨z_h, W_O Σ c⟩: no vector of d_model numbers for each head
    on_sum = ((summed @ together.T).unflatten(-1, z.shape[-2:]) * z.float()).sum(-1)
    length = summed.square().sum(-1, keepdim=True)
    return torch.where(length > 0, on_sum / length.clamp(min=torch.finfo(torch.float32).tiny), 0.0)


def weighted_by_norm(
    pattern: Pattern,
    value: Float[Tensor, "batch head key d_value"],
    triangle: Float[Tensor, "head d_value d_value"],
) -> Float[Tensor, "batch head query key"]:
    """‖α_ij f(x_j)‖ with f(x) = (x W_V + b_V) W_O (Kobayashi et al. 2020); each row is made to sum to one.

    The bias of the output projection belongs to no head and is left out. Rows of nothing but zeros stay zero. A key
    that is no token counts like any other: a learned one by the vector learned with it, one of zeros by nothing.
    """
    norms = norms_written(value.transpose(1, 2), triangle).permute(0, 2, 1)
    weighted = pattern.float() * norms[:, :, None, :]
    return weighted / weighted.sum(-1, keepdim=True).clamp(min=torch.finfo(torch.float32).tiny)


class _Written:
    """Norms and shares, in float64, per head and block."""

    def __init__(self, heads: Sequence[Head]) -> None:
        self.number = {head: number for number, head in enumerate(heads)}
        self.n = np.zeros((len(heads), BLOCKS), dtype=np.int64)
        self.norm, self.share = (np.zeros((len(heads), BLOCKS)) for _ in range(2))

    def state(self) -> State:
        """Everything folded in so far."""
        return state_of(self, ("n", "norm", "share"))

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, ("n", "norm", "share"), state)

    def begin(self, batch: Batch) -> None:
        """Take up a batch."""
        self.batch, self.block = batch, batch.block.cpu().numpy()

    def add(self, first: Head, z: HeadOutput, output: Projection, triangle: Tensor) -> None:
        """Fold in what one layer writes at the tokens that are no padding."""
        start = self.number[first]
        rows = slice(start, start + z.shape[2])
        there = self.batch.query_side(first.site).mask.cpu()
        np.add.at(self.n[rows].T, self.block, there.sum(-1, keepdim=True).numpy())
        for table, values in ((self.norm, norms_written(z, triangle)), (self.share, shares(z, output))):
            of_documents = values.cpu().double().mul(there[:, :, None]).sum(1)
            np.add.at(table[rows].T, self.block, of_documents.numpy())


def measure_contributions(model: HeadModel, encoded: EncodedCorpus, progress: Progress = silent) -> ContributionSums:
    """One pass over the corpus, one batch and one layer at a time.

    Raises `ModelError` for a model whose heads cannot be laid open, and where what a head does is not finite.
    """
    opened = lay_open(model)
    require_room_for(model, encoded, heads_of_a_layer(model))
    heads, groups = tuple(model.heads), mask_groups(model)
    written, roles = _Written(heads), looked_at()
    raw, by_norm = (RoleTally(roles, heads, groups) for _ in range(2))
    outputs = {place: layer.output.float() for place, layer in opened.slices().items()}
    made = {place: triangles(output) for place, output in outputs.items()}
    for group in progress(batches(encoded, model), "contributions", Folds(written, raw, by_norm)):
        batch = group.batch()
        visible = visible_keys(model, batch)
        written.begin(batch)
        raw.begin(batch, visible)
        by_norm.begin(batch, visible)

        def see(
            site: Site, layer: int, at: Ingredients, batch: Batch = batch, visible: Visible = visible
        ) -> HeadOutput:
            pattern = at.pattern()
            z = at.write(pattern)
            pattern = finite_attention(model, batch, visible[groups[site, layer]], site, layer, 0, pattern)
            known = finite_z(model, batch, site, layer, z)
            written.add(Head(site, layer, 0), known, outputs[site, layer], made[site, layer])
            # keys that are no token come last
            tokens = batch.key_side(site).tokens.shape[1]
            raw.update(site, layer, pattern[..., :tokens])
            weighted = weighted_by_norm(pattern, at.value, made[site, layer])
            by_norm.update(site, layer, weighted[..., :tokens])
            return z

        opened.see_layers(batch, see)
    return ContributionSums(
        tuple((head.site, head.layer, head.head) for head in heads),
        *(written.n, written.norm, written.share, raw.sums(), by_norm.sums()),
    )
