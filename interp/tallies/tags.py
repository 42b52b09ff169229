"""From which parts of speech to which: the whole matrix of every head (after Vig & Belinkov 2019)."""

from collections.abc import Sequence

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.attention.candidates import Candidates, word_candidates
from interp.attention.visibility import MaskGroups, Visible, mask_groups
from interp.corpora.batching import batches, read_batches
from interp.errors import InterpError
from interp.folds import State, restore_to, state_of
from interp.progress import Progress, silent
from interp.roles.definition import Definition
from interp.sums import TagSums
from interp.tallies.stream import stream
from interp.types import BLOCKS, Batch, EncodedCorpus, Head, HeadModel, MaskGroup, Pattern, Site

TAGS = Definition(
    "tags/share@1",
    "every head",
    "tags",
    "word",
    "share of attention",
    "Σ A_w[w, v] over words w of one tag and v of another ÷ Σ A_w[w, v] over the same w and all candidates v. A_w: "
    "mean over the tokens of w, sum over those of v.",
    "Candidates of w are the visible aligned words other than w; a query needs two. Special tokens are no words.",
    "uniform attention over the tokens of the candidates (column expected)",
    "Vig & Belinkov 2019, section 5.1.1, equation 3 (P_α(tag), over tokens, without the first), for every tag that "
    "attends",
)
DEFINITIONS = (TAGS,)
"""Of the table `tags`."""


def tally_tags(model: HeadModel, encoded: EncodedCorpus, progress: Progress = silent) -> TagSums:
    """Attention from words of each tag to words of each, over words that have two candidates to choose from.

    Raises `InterpError` for a corpus without tags or of too short documents, and for cross-attention alone.
    """
    tags = encoded.corpus.tags
    heads = [head for head in model.heads if head.site != "cross"]
    if not tags or not heads:
        raise InterpError(
            f"experiment=tags needs part-of-speech tags, and {encoded.corpus.name!r} has none for {model.name!r}. "
            "Allowed: corpora with tags, such as corpus=grammar or corpus=conllu corpus.path=FILE, and models with "
            "attention within one text."
        )
    tally = TagTally(tags, heads, mask_groups(model))
    stream(model, read_batches(progress(batches(encoded, model), "tags", tally)), tally)
    progress.measured()
    sums = tally.sums()
    if not sums.n.any():
        raise InterpError(
            f"No word of {encoded.corpus.name!r} has two others that {model.name!r} can see, and a matrix of tags "
            "is of words that choose. Give longer documents."
        )
    return sums


TABLES = ("_n", "_expected", "_mass", "_word_mass")


class TagTally:
    """Sums of attention from words of each tag to words of each tag, per block of documents."""

    def __init__(self, tags: Sequence[str], heads: Sequence[Head], groups: MaskGroups) -> None:
        self.tags, self.heads = tuple(tags), tuple(heads)
        self._group = [groups[head.site, head.layer] for head in self.heads]
        self._number = {head: number for number, head in enumerate(self.heads)}
        size, heads_and_blocks = len(self.tags), (BLOCKS, len(self.heads))
        # the rows of all words, whatever their tag, are last
        self._mass = torch.zeros(*heads_and_blocks, size + 1, size, dtype=torch.float64)
        self._word_mass = torch.zeros(*heads_and_blocks, size + 1, dtype=torch.float64)
        self._groups = tuple(dict.fromkeys(self._group))
        self._n = torch.zeros(len(self._groups), BLOCKS, size + 1, dtype=torch.float64)
        self._expected = torch.zeros(len(self._groups), BLOCKS, size + 1, size, dtype=torch.float64)
        self._asked: dict[MaskGroup, tuple[Candidates, Tensor, Tensor]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Count the words that ask, and what even attention would give."""
        self._block = batch.block.cpu()
        for number, group in enumerate(self._groups):
            side = batch.query_side(group[0])
            view = word_candidates(side, visible[group])
            query_side = view.queries & (view.candidates.sum(-1) >= 2)
            to = _one_hot(side.tag, side.tags, self.tags)
            of = torch.cat([to, torch.ones_like(to[..., :1])], dim=-1) * query_side[..., None]
            owned = view.candidates * view.owned[:, None, :].float()
            even = owned / owned.sum(-1, keepdim=True).clamp(min=1)
            self._asked[group] = view, of, to
            self._add(self._n[number], of.sum(1))
            self._add(self._expected[number], torch.einsum("bqs,bqt->bst", of, even @ to))

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's attention."""
        if Head(site, layer, first) not in self._number:
            return
        start = self._number[Head(site, layer, first)]
        columns = slice(start, start + pattern.shape[1])
        view, of, to = self._asked[self._group[start]]
        attention = view.attention(pattern)
        self._add(self._mass[:, columns], torch.einsum("bqs,bhqt->bhst", of, attention @ to[:, None]))
        self._add(self._word_mass[:, columns], torch.einsum("bqs,bhq->bhs", of, attention.sum(-1)))

    def _add(self, table: Tensor, values: Float[Tensor, "batch *rest"]) -> None:
        table.index_add_(0, self._block, values.cpu().double())

    def state(self) -> State:
        """Everything folded in so far."""
        return state_of(self, TABLES)

    def restore(self, state: State) -> None:
        """Go on from there."""
        restore_to(self, TABLES, state)

    def sums(self) -> TagSums:
        """Everything folded in so far, blocks last."""

        def blocks_last(table: Tensor) -> np.ndarray:
            return table.movedim(0, -1).numpy().copy()

        return TagSums(
            tags=self.tags,
            heads=tuple((head.site, head.layer, head.head) for head in self.heads),
            group=np.array([self._groups.index(group) for group in self._group]),
            n=np.stack([blocks_last(one) for one in self._n]).astype(np.int64),
            expected=np.stack([blocks_last(one) for one in self._expected]),
            mass=blocks_last(self._mass),
            word_mass=blocks_last(self._word_mass),
        )


def _one_hot(
    tag: Int[Tensor, "batch word"], names: Sequence[str], wanted: Sequence[str]
) -> Float[Tensor, "batch word tag"]:
    index = torch.tensor([names.index(name) if name in names else -2 for name in wanted], device=tag.device)
    return (tag[:, :, None] == index).float()
