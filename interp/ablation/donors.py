"""Patching: what a head writes in a text is replaced by what it writes in another, token by token."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Int

from interp.ablation.replacements import Substitute, Substitution
from interp.attention.nan_checks import finite_z
from interp.corpora.batching import collate
from interp.corpora.prompts import Prompts
from interp.types import Batch, EncodedCorpus, HeadModel, HeadOutput, Site


@dataclass(frozen=True, eq=False)
class Donors:
    """Where z comes from: for document d its donor `document[d]` of another corpus (-1: it has none).

    Token p of document d takes what was written at token `position[d][p]` of the donor.
    """

    encoded: EncodedCorpus
    document: Int[np.ndarray, " document"]
    position: Sequence[Int[np.ndarray, " _"]]

    @property
    def served(self) -> list[int]:
        """The documents that have a donor."""
        return np.flatnonzero(self.document >= 0).tolist()


def from_donors(model: HeadModel, donors: Donors) -> Substitute:
    """z becomes the donor's. Every document of a batch has to have one (`Donors.served`)."""

    def substitute(batch: Batch) -> Substitution:
        numbers = batch.document.tolist()
        others = collate(donors.encoded, [int(donors.document[number]) for number in numbers], model)
        written: dict[tuple[Site, int], HeadOutput] = {}

        def keep(site: Site, layer: int, z: HeadOutput) -> None:
            written[site, layer] = finite_z(model, others, site, layer, z)

        model.run(others, z=keep, logits=False)
        position = torch.zeros(batch.tokens.shape, dtype=torch.long)
        for row, number in enumerate(numbers):
            position[row, : len(donors.position[number])] = torch.from_numpy(donors.position[number])

        def replace(site: Site, layer: int, z: HeadOutput) -> HeadOutput:
            own = written[site, layer].to(z)
            index = position.to(z.device)[:, : z.shape[1], None, None]
            return own.gather(1, index.expand_as(z))

        return Substitution("z", replace)

    return substitute


def same_place(encoded: EncodedCorpus) -> Donors:
    """Document d of a corpus for document d of another with as many tokens: a prompt's other text."""
    lengths = [len(one.tokens) for one in encoded.encodings]
    return Donors(encoded, np.arange(len(lengths)), [np.arange(length) for length in lengths])


def same_answer(prompts: Prompts, seed: int) -> Donors:
    """For every prompt another whose right answer is the same token, from another template; drawn from the seed.

    One of another source (other names) is preferred; -1 where no other template asks for this answer. A named position
    takes from the donor's position of that name, every other token from the one as far from the end of the text.
    """
    template, source = (np.array(one) for one in ([p.template for p in prompts.asked], _sources(prompts)))
    random, found = np.random.default_rng(seed), np.full(len(prompts), -1, dtype=np.int64)
    for number in range(len(prompts)):
        can = (prompts.right == prompts.right[number]) & (template != template[number])
        elsewhere = can & (source != source[number])
        choice = np.flatnonzero(elsewhere if elsewhere.any() else can)
        if len(choice):
            found[number] = random.choice(choice)
    return Donors(prompts.clean, found, [_aligned(prompts, number, int(donor)) for number, donor in enumerate(found)])


def of_another_source(prompts: Prompts, donors: Donors) -> int:
    """How many prompts have a donor from another source."""
    sources = _sources(prompts)
    return sum(sources[number] != sources[donors.document[number]] for number in donors.served)


def _sources(prompts: Prompts) -> list[str]:
    return [one.source for one in prompts.clean.corpus]


def _aligned(prompts: Prompts, number: int, donor: int) -> Int[np.ndarray, " _"]:
    length, other = (len(prompts.clean.encodings[one].tokens) for one in (number, donor))
    position = np.clip(np.arange(length) + other - length, 0, None)
    for named in prompts.named.values():
        if donor >= 0 and named[number] >= 0 and named[donor] >= 0:
            position[named[number]] = named[donor]
    return position
