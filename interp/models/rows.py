"""Some rows of a batch: alone, in another order, several times, cut short."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import torch
from jaxtyping import Int
from torch import Tensor

from interp.types import Batch


def some_rows(
    batch: Batch,
    rows: Sequence[int],
    pad_token: int,
    cut: Callable[[Int[Tensor, " row"]], Int[Tensor, " row"]] = lambda lengths: lengths,
) -> Batch:
    """These rows, padded to the longest of them; `cut` makes of their lengths in tokens those that are kept.

    Gold stays as it is, but for antecedents, alignments and links of entities, which are left out. Of a picture that is
    cut short the pixels stay whole: the network leaves out the patches that have no token.
    """
    index = torch.tensor(list(rows), device=batch.tokens.device)
    lengths = cut(batch.mask.sum(1)[index])
    width = int(lengths.max())
    there = torch.arange(width, device=index.device) < lengths[:, None]

    def kept(values: Tensor, filling: int | bool) -> Tensor:
        return values[index, :width].masked_fill(~there, filling)

    chosen: dict[str, Any] = {
        "tokens": kept(batch.tokens, pad_token),
        "mask": there,
        "special": kept(batch.special, False),
        "word": kept(batch.word, -1),
        "masked": None if batch.masked is None else kept(batch.masked, -1),
        "alternative": None if batch.alternative is None else batch.alternative[index],
        "antecedent": batch.antecedent[:0],
        "antecedent_kind": batch.antecedent_kind[:0],
        "pixels": None if batch.pixels is None else batch.pixels[index],
        "target": None if batch.target is None else some_rows(batch.target, rows, pad_token, cut),
        "alignment": None if batch.alignment is None else batch.alignment[:0],
        "rank": None if batch.rank is None else kept(batch.rank, -1),
        "mark": None if batch.mark is None else batch.mark[index],
        "entity_pair": None if batch.entity_pair is None else batch.entity_pair[:0],
    }
    gold = ("governor", "relation", "tag", "nearest_mention", "nearest_agreeing", "nearest_same_word", "mention")
    for name in ("document", "block", *gold):
        chosen[name] = getattr(batch, name)[index]
    return replace(batch, **chosen)
