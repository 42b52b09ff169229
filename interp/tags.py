"""From which parts of speech to which: the whole matrix of every head (after Vig & Belinkov 2019)."""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.corpora.batching import batches
from interp.errors import InterpError
from interp.progress import Progress, silent
from interp.sights import Sights, Visible, sights_of
from interp.tallies import stream
from interp.types import Batch, EncodedCorpus, Head, HeadModel, Pattern, Sight, Site
from interp.views import View, word_view

ANY = "any"
"""In the place of the tag that attends: all words, whatever their tag."""


def tag_table(model: HeadModel, encoded: EncodedCorpus, progress: Progress = silent) -> pd.DataFrame:
    """The table `tags`: one row per head, tag that attends (`any`: all words) and tag attended to.

    Over the `n` words of `from_tag` that have two candidates to choose from, `mass` is the mean attention on words of
    `to_tag`, `word_mass` that on all candidates, and `share` = Σ mass ÷ Σ word_mass: P_α(tag) over words, where special
    tokens are none. `expected` is the share under attention that is even over the tokens of the candidates, `excess`
    = share − expected. Raises `InterpError` for a corpus without tags, and for a model that has cross-attention alone.
    """
    tags = tuple(tag for tag in encoded.corpus.tags if tag != "_")
    heads = [head for head in model.heads if head.site != "cross"]
    if not tags or not heads:
        raise InterpError(
            f"experiment=tags needs part-of-speech tags, and {encoded.corpus.name!r} has none for {model.name!r}. "
            "Allowed: corpora with tags, such as corpus=grammar or corpus=conllu corpus.path=FILE, and models with "
            "attention within one text."
        )
    tally = TagTally(tags, heads, sights_of(model))
    stream(model, (group.batch() for group in progress(batches(encoded, model), "tags")), tally)
    return tally.table()


class TagTally:
    """Sums of attention from words of each tag to words of each tag."""

    def __init__(self, tags: Sequence[str], heads: Sequence[Head], sights: Sights) -> None:
        self.tags, self.heads = tuple(tags), tuple(heads)
        self._sight = [sights[head.site, head.layer] for head in self.heads]
        self._number = {head: number for number, head in enumerate(self.heads)}
        size = len(self.tags)
        # the rows of all words, whatever their tag, are last
        self._mass = torch.zeros(len(self.heads), size + 1, size, dtype=torch.float64)
        self._word_mass = torch.zeros(len(self.heads), size + 1, dtype=torch.float64)
        self._n = {sight: torch.zeros(size + 1, dtype=torch.float64) for sight in self._sight}
        self._expected = {sight: torch.zeros(size + 1, size, dtype=torch.float64) for sight in self._sight}
        self._asked: dict[Sight, tuple[View, Tensor, Tensor]] = {}

    def begin(self, batch: Batch, visible: Visible) -> None:
        """Count the words that ask, and what even attention would give."""
        for sight in self._n:
            side = batch.asking(sight[0])
            view = word_view(side, visible[sight])
            asking = view.queries & (view.candidates.sum(-1) >= 2)
            to = _one_hot(side.tag, side.tags, self.tags)
            of = torch.cat([to, torch.ones_like(to[..., :1])], dim=-1) * asking[..., None]
            owned = view.candidates * view.owned[:, None, :].float()
            even = owned / owned.sum(-1, keepdim=True).clamp(min=1)
            self._asked[sight] = view, of, to
            self._n[sight] += of.sum((0, 1)).cpu().double()
            self._expected[sight] += torch.einsum("bqs,bqt->st", of, even @ to).cpu().double()

    def update(self, site: Site, layer: int, pattern: Pattern, first: int = 0) -> None:
        """Add one layer's attention."""
        if Head(site, layer, first) not in self._number:
            return
        start = self._number[Head(site, layer, first)]
        columns = slice(start, start + pattern.shape[1])
        view, of, to = self._asked[self._sight[start]]
        attention = view.attention(pattern)
        self._mass[columns] += torch.einsum("bqs,bhqt->hst", of, attention @ to[:, None]).cpu().double()
        self._word_mass[columns] += torch.einsum("bqs,bhq->hs", of, attention.sum(-1)).cpu().double()

    def table(self) -> pd.DataFrame:
        """The means of all heads, one row per pair of tags; pairs whose first tag never asks have none."""
        frames = []
        for number, (head, sight) in enumerate(zip(self.heads, self._sight, strict=True)):
            n, mass, word_mass = self._n[sight][:, None], self._mass[number], self._word_mass[number][:, None]
            asked = n.clamp(min=1)
            values = {
                "n": n.expand_as(mass).long(),
                "mass": mass / asked,
                "word_mass": (word_mass / asked).expand_as(mass),
                "share": mass / word_mass,
                "expected": self._expected[sight] / asked,
            }
            names = {
                **head._asdict(),
                "from_tag": np.repeat([*self.tags, ANY], len(self.tags)),
                "to_tag": np.tile(self.tags, len(self.tags) + 1),
            }
            frames.append(pd.DataFrame(names | {name: value.flatten().numpy() for name, value in values.items()}))
        table = pd.concat(frames, ignore_index=True)
        table["excess"] = table["share"] - table["expected"]
        return table[table["n"] > 0].reset_index(drop=True)


def _one_hot(
    tag: Int[Tensor, "batch word"], names: Sequence[str], wanted: Sequence[str]
) -> Float[Tensor, "batch word tag"]:
    index = torch.tensor([names.index(name) if name in names else -2 for name in wanted], device=tag.device)
    return (tag[:, :, None] == index).float()
