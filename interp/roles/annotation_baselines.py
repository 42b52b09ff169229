"""Annotation baselines beside a role's baseline: the next verb, the end of the next nouns, a mention that agrees.

A head that follows a relation has to do better than one that knows parts of speech and distance alone; one that finds
antecedents, better than one that knows agreement and spelling.
"""

from collections.abc import Collection

import torch
from jaxtyping import Float, Int
from torch import Tensor

from interp.devices import precise
from interp.types import Batch, Corpus, Role

AGREEING = "nearest_agreeing_mention"
SAME_WORD = "nearest_same_word_mention"
OF_MENTIONS = (AGREEING, SAME_WORD)
WAYS = ("previous", "next", "end of next")
"""The nearest word of a class on either side; and the last of the unbroken run of them that the next one begins."""

_NOUNS = ("NOUN", "PROPN", "NN", "NNS", "NNP", "NNPS")
_ADJECTIVES = ("ADJ", "JJ", "JJR", "JJS")
_VERBS = ("VERB", "VB", "VBD", "VBG", "VBN", "VBP", "VBZ")
CLASSES: dict[str, tuple[str, ...]] = {
    "noun": _NOUNS,
    "noun or pronoun": (*_NOUNS, "PRON", "PRP"),
    "verb or auxiliary": (*_VERBS, "AUX", "MD"),
    "noun or adjective": (*_NOUNS, *_ADJECTIVES),
    "noun, adjective or verb": (*_NOUNS, *_ADJECTIVES, *_VERBS),
}
"""Parts of speech that one baseline takes together, by the tags of Universal Dependencies and the Penn Treebank."""


def annotation_baselines(*corpora: Corpus) -> tuple[str, ...]:
    """What the annotation of a corpus, or of both sides of one, allows, such as `previous tag ADJ`.

    Of every way, by tag and by class of tags (`CLASSES`), of which two must occur. The last are, where there are
    mentions, `nearest_agreeing_mention` if gender or number of any is annotated, and `nearest_same_word_mention`.
    """
    tags = sorted({tag for corpus in corpora for tag in corpus.tags})
    agreeing = (AGREEING,) if any(corpus.has_agreement for corpus in corpora) else ()
    same = (SAME_WORD,) if any(corpus.has_mentions for corpus in corpora) else ()
    of_tags = [f"{way} {name}" for name in _named(tags) for way in WAYS[:2]]
    ends = [f"{WAYS[2]} {name}" for name in _named(tags)]
    return (*of_tags, *ends, *agreeing, *same)


def is_held_against(role: Role, baseline: str) -> bool:
    """Whether a annotation baseline is one for this role: only for hits over the words of one text.

    Roles of coreference are held against mentions, all others against parts of speech.
    """
    if role.unit != "word" or role.statistic != "hit" or "cross" in role.sites:
        return False
    return ("nearest_mention" in role.baselines) == (baseline in OF_MENTIONS)


def annotation_credit(
    baselines: tuple[str, ...], batch: Batch, pair: Int[Tensor, "pair 3"]
) -> Float[Tensor, "pair baseline"]:
    """What each baseline earns with each (row, query, target): 1 where it names that target.

    Every target is a candidate. The nearest word is the nearest in the document: where that is no candidate of the
    query, the baseline is a miss.
    """
    row, query, key = pair.unbind(1)
    named = {AGREEING: batch.nearest_agreeing, SAME_WORD: batch.nearest_same_word}
    classes = _named(batch.tags)
    for way, nearest in zip(WAYS, _nearest_of(batch, list(classes.values())), strict=True):
        named |= {f"{way} {name}": nearest[..., number] for number, name in enumerate(classes)}
    nothing = torch.full_like(batch.tag, -1)
    # all baselines of a word side by side: one look-up for each query
    names = torch.stack([named.get(baseline, nothing) for baseline in baselines], dim=-1)
    return precise(names[row, query] == key[:, None])


def _named(tags: Collection[str]) -> dict[str, tuple[str, ...]]:
    """Every tag, and every class of which two tags occur, as baselines call them: a tag may be spelt as a class is."""
    classes = {name: members for name, members in CLASSES.items() if len(set(members) & set(tags)) >= 2}
    return {**{f"tag {tag}": (tag,) for tag in tags}, **{f"class {name}": of for name, of in classes.items()}}


def _nearest_of(batch: Batch, classes: list[tuple[str, ...]]) -> tuple[Int[Tensor, "batch word class"], ...]:
    """Of each class the nearest word before each word, the one after it, and the end of its run; −1 for none."""
    rows, width = batch.tag.shape
    place = torch.arange(width, device=batch.tag.device)[None, :, None]
    if not classes:
        return (place.expand(rows, -1, 0),) * 3
    member = torch.tensor([[tag in one for one in classes] for tag in (*batch.tags, None)], device=batch.tag.device)
    is_one = member[batch.tag]  # -1, no tag, is the last row: a member of nothing
    last = torch.where(is_one, place, -1).cummax(1).values
    first = _first_from(is_one)
    none, beyond = torch.full_like(last[:, :1], -1), torch.full_like(first[:, :1], width)
    before = torch.cat([none, last[:, :-1]], dim=1)
    after = torch.cat([first[:, 1:], beyond], dim=1)
    run_end = _first_from(~is_one) - 1
    end = run_end.gather(1, after.clamp(max=width - 1))
    return before, torch.where(after == width, -1, after), torch.where(after == width, -1, end)


def _first_from(marked: Tensor) -> Int[Tensor, "batch word class"]:
    """The first marked word at each word or after it; the width where there is none."""
    width = marked.shape[1]
    place = torch.arange(width, device=marked.device)[None, :, None]
    return torch.where(marked, place, width).flip(1).cummin(1).values.flip(1)
