"""What every word, or token, attends to, cell by cell: those that it sees, the first special token, the later ones."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.attention.visibility import MaskGroups, Visible, mask_groups, visible_keys
from interp.attention.words import WordTokens
from interp.cells import CellAttention, Unit
from interp.corpora.batching import batches, read_batches
from interp.folds import Collected, State
from interp.types import Batch, EncodedCorpus, Head, HeadModel, MaskGroup, Pattern, Site


class CellTally:
    """Keeps the attention of every head within one text, document by document.

    With `unit` token every token that is not special is a word of its own, numbered by its place.
    """

    def __init__(self, heads: Sequence[Head], groups: MaskGroups, unit: Unit = "word") -> None:
        self._unit: Unit = unit
        within = [head for head in heads if head.site != "cross"]
        self._groups = tuple(dict.fromkeys(groups[head.site, head.layer] for head in within))
        self._heads: list[list[Head]] = [[] for _ in self._groups]
        self._at: dict[Head, tuple[int, int]] = {}
        for head in within:
            group = self._groups.index(groups[head.site, head.layer])
            self._at[head] = group, len(self._heads[group])
            self._heads[group].append(head)
        self._kept = Collected()
        self._views: dict[int, _CellView] = {}
        self._rows: dict[int, list[tuple[np.ndarray, np.ndarray]]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Note which cells each word sees, and make room for the attention on them."""
        for number, group in enumerate(self._groups):
            view = self._views[number] = _cells(batch, visible[group], group, self._unit)
            self._rows[number] = []
            for row, document in enumerate(batch.document.tolist()):
                pairs = view.seen[row].nonzero().cpu().numpy()
                words, width = view.tokens[row].cpu().numpy(), view.seen.shape[1]
                # words before the two special cells, whatever the batch is padded to
                pairs[:, 1] = np.where(pairs[:, 1] < width, pairs[:, 1], width - 1 - pairs[:, 1])
                attention = np.zeros((len(pairs), len(self._heads[number])), dtype=np.float32)
                outside = np.zeros(len(self._heads[number]))
                found = {"pairs": pairs.astype(np.int32), "attention": attention, "outside": outside}
                self._kept.add(document, **{f"{number}.{name}": array for name, array in found.items()})
                self._kept.add(document, **{f"{number}.tokens": np.trim_zeros(words, "b").astype(np.int32)})
                self._rows[number].append((attention, outside))

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Keep one layer's attention."""
        if Head(site, layer, first) not in self._at:
            return
        number, start = self._at[Head(site, layer, first)]
        view, columns = self._views[number], slice(start, start + pattern.shape[1])
        on_cells = view.rows.mT[:, None] @ (pattern.float() @ view.columns[:, None])
        on_cells = on_cells * view.seen[:, None]
        kept = on_cells.sum(-1, keepdim=True)
        outside = ((view.rows.sum(1) > 0)[:, None].float() - kept[..., 0]).sum(-1).cpu().numpy()
        shares = (on_cells / kept.clamp(min=1e-12)).permute(0, 2, 3, 1)
        for row, (attention, lost) in enumerate(self._rows[number]):
            attention[:, columns] = shares[row][view.seen[row]].cpu().numpy()
            lost[columns] = outside[row]

    def state(self) -> State:
        """All that is kept so far."""
        return self._kept.state()

    def restore(self, state: State) -> None:
        """Go on from there."""
        self._kept.restore(state)

    def cells(self) -> list[CellAttention]:
        """One for each group of heads that see alike, over documents in the order of their numbers."""
        return [self._of_group(number) for number in range(len(self._groups))]

    def _of_group(self, number: int) -> CellAttention:
        by_document: dict[int, dict[str, np.ndarray]] = {}
        for key, array in self._kept.state().items():
            document, _, name = key.partition(" ")
            group, _, what = name.partition(".")
            if int(group) == number:
                by_document.setdefault(int(document), {})[what] = array
        documents, words, queries, count = [], [], [], 0
        for document in sorted(by_document):
            asking, place = np.unique(by_document[document]["pairs"][:, 0], return_inverse=True)
            documents.append(np.full(len(asking), document))
            words.append(asking)
            queries.append(place.ravel() + count)
            count += len(asking)
        parts = [by_document[document] for document in sorted(by_document)]
        return CellAttention(
            heads=tuple((head.site, head.layer, head.head) for head in self._heads[number]),
            document=np.concatenate(documents),
            word=np.concatenate(words).astype(np.int64),
            query=np.concatenate(queries),
            cell=np.concatenate([part["pairs"][:, 1] for part in parts]).astype(np.int64),
            attention=np.concatenate([part["attention"] for part in parts]),
            outside=np.sum([part["outside"] for part in parts], axis=0) / max(count, 1),
            tokens={document: by_document[document]["tokens"].astype(np.int64) for document in sorted(by_document)},
        )


def seen_cells(
    model: HeadModel, encoded: EncodedCorpus, documents: Sequence[int], unit: Unit = "word"
) -> list[CellAttention]:
    """What every word of these documents sees, one for each group of heads that see alike.

    The model is not run, and `attention` is 0: rules need only know which cells there are.
    """
    tally = CellTally(model.heads, mask_groups(model), unit)
    for batch in read_batches(batches(encoded, model, documents=documents)):
        tally.begin(batch, visible_keys(model, batch))
    return tally.cells()


@dataclass(frozen=True, eq=False)
class _CellView:
    """From token attention to cells: words, and after them the two special cells."""

    rows: Float[Tensor, "batch pos word"]
    columns: Float[Tensor, "batch other_pos cell"]
    seen: Bool[Tensor, "batch word cell"]
    tokens: Int[Tensor, "batch word"]


def _cells(batch: Batch, visible: Bool[Tensor, "batch query key"], group: MaskGroup, unit: Unit) -> _CellView:
    """A word is seen where the query's last token sees all of its tokens, a special cell where it sees any."""
    side = batch.query_side(group[0])
    word, width = side.word, side.governor.shape[1]
    if unit == "token":
        width = word.shape[1]
        word = torch.where(side.mask & ~side.special, torch.arange(width, device=word.device), -1)
    words = WordTokens(word, width)
    special = side.special & side.mask
    is_first = special & (special.cumsum(1) == 1)
    place = torch.where(special, torch.where(is_first, words.width, words.width + 1), words.width + 2)
    place = torch.where(word >= 0, word, place)
    columns = torch.nn.functional.one_hot(place, words.width + 3)[..., :-1].float()
    rows = columns[..., : words.width]
    from_last = visible.gather(1, words.last[:, :, None].expand(-1, -1, visible.shape[2])).float()
    reached, owned = from_last @ columns, columns.sum(1)[:, None, :]
    seen = (reached == owned) & (owned > 0)
    seen[..., words.width :] = reached[..., words.width :] > 0
    seen &= (words.count > 0)[:, :, None]
    return _CellView(rows / words.count.clamp(min=1)[:, None], columns, seen, words.count)
