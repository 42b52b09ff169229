"""Prompts as one language model reads them: both texts as tokens, both answers as one token each, named positions."""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
from jaxtyping import Int

from interp.corpora.encoding import encode
from interp.documents import Prompt
from interp.errors import InterpError
from interp.types import Corpus, EncodedCorpus, Encoding, HeadModel
from interp.types.model import Provable

END = "end"
"""The position after which the answer comes: the last token of the text."""


@dataclass(frozen=True, eq=False)
class Prompts:
    """A behaviour's prompts that a model can read, both texts side by side: document d of both is prompt d.

    `right[d]` and `wrong[d]` are tokens; `named[name][d]` is a position in the tokens of both texts, special tokens
    counted, -1 where a prompt has no such place. `skipped` counts, by reason, the prompts that were left out.
    """

    clean: EncodedCorpus
    corrupted: EncodedCorpus
    right: Int[np.ndarray, " prompt"]
    wrong: Int[np.ndarray, " prompt"]
    named: dict[str, Int[np.ndarray, " prompt"]]
    skipped: dict[str, int]

    @property
    def asked(self) -> list[Prompt]:
        """What each of them asks."""
        return [prompt for one in self.clean.corpus if (prompt := one.prompt) is not None]

    @property
    def block(self) -> Int[np.ndarray, " prompt"]:
        """The block of every prompt: prompts that share a template and names share one."""
        return np.array([one.block for one in self.clean.corpus], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.right)


def has_prompts(corpus: Corpus) -> bool:
    """Whether the corpus is a behaviour: prompts with answers."""
    return any(one.prompt is not None for one in corpus)


def read_prompts(model: HeadModel, corpus: Corpus) -> Prompts:
    """The prompts of a corpus whose answers are one token each for this model, and whose two texts are as long.

    Raises `InterpError` for a corpus without prompts, a model that does not say what comes next, and where no prompt
    is left.
    """
    if not has_prompts(corpus):
        raise InterpError(
            f"The corpus {corpus.name!r} has no prompts with a right and a wrong answer. "
            "Allowed: corpus=behaviour with a behaviour, such as behaviour=ioi."
        )
    if not (model.causal and model.has_language_head):
        raise InterpError(
            f"A prompt asks for the next token, which {model.name!r} has not learnt to predict. "
            "Allowed: a causal language model with its trained head, such as model=smollm2."
        )
    prompts = [one.prompt for one in corpus]
    text = model.encode([one.text for one in corpus])
    corrupted = model.encode([one.prompt.corrupted if one.prompt else one.text for one in corpus])
    right, wrong = (
        model.encode([one.text + getattr(one.prompt, answer, "") for one in corpus]) for answer in ("right", "wrong")
    )
    unknown = model.unknown_token if isinstance(model, Provable) else None
    skipped: Counter[str] = Counter()
    kept: list[int] = []
    for number, prompt in enumerate(prompts):
        why = _unreadable(prompt, text[number], corrupted[number], right[number], wrong[number], unknown)
        if why:
            skipped[why] += 1
        else:
            kept.append(number)
    if not kept:
        reasons = ", ".join(f"{why.replace('_', ' ')}: {count}" for why, count in skipped.items())
        raise InterpError(
            f"{model.name!r} can read none of the {len(corpus)} prompts of {corpus.name!r} ({reasons}). "
            "Allowed: a behaviour whose answers are one token each for its tokenizer."
        )
    documents = [corpus.documents[number] for number in kept]
    own = replace(corpus, documents=tuple(documents))
    other = replace(
        own,
        documents=tuple(
            replace(one, text=one.prompt.corrupted, words=(), spans=np.zeros((0, 2), np.int32))
            for one in documents
            if one.prompt
        ),
    )
    return Prompts(
        encode(model, own),
        encode(model, other),
        np.array([right[number].tokens[-1] for number in kept], dtype=np.int64),
        np.array([wrong[number].tokens[-1] for number in kept], dtype=np.int64),
        _positions([prompts[number] for number in kept], [text[number] for number in kept]),
        dict(skipped),
    )


def _unreadable(
    prompt: Prompt | None,
    text: Encoding,
    corrupted: Encoding,
    right: Encoding,
    wrong: Encoding,
    unknown: int | None,
) -> str | None:
    """Why a prompt cannot be asked of a model: the reason under which it is counted; None where it can."""
    if prompt is None:
        return "documents_without_prompt"
    if any(one.truncated for one in (text, corrupted, right, wrong)):
        return "prompts_that_are_too_long"
    for answer in (right, wrong):
        if len(answer.tokens) != len(text.tokens) + 1 or (answer.tokens[:-1] != text.tokens).any():
            return "prompts_whose_answers_are_not_one_token"
    if unknown is not None and unknown in (right.tokens[-1], wrong.tokens[-1]):
        return "prompts_whose_answers_the_tokenizer_does_not_know"
    if right.tokens[-1] == wrong.tokens[-1]:
        return "prompts_whose_answers_are_one_token_for_both"
    if len(corrupted.tokens) != len(text.tokens):
        return "prompts_whose_corrupted_text_has_other_tokens"
    return None


def _positions(prompts: Sequence[Prompt | None], texts: Sequence[Encoding]) -> dict[str, Int[np.ndarray, " prompt"]]:
    """By name, in the order in which names are first met, and the end last."""
    names = list(dict.fromkeys(name for prompt in prompts if prompt for name, _, _ in prompt.named))
    found = {name: np.full(len(texts), -1, dtype=np.int64) for name in names}
    for number, (prompt, text) in enumerate(zip(prompts, texts, strict=True)):
        for name, start, end in prompt.named if prompt else ():
            inside = (text.offsets[:, 0] < end) & (text.offsets[:, 1] > start) & ~text.special
            if inside.any():
                found[name][number] = np.flatnonzero(inside)[-1]
    return found | {END: np.array([len(text.tokens) - 1 for text in texts], dtype=np.int64)}


def prompt_table(prompts: Prompts) -> pd.DataFrame:
    """The table `prompts`: `prompt template text right wrong corrupted block`, and a column per named position.

    From it anyone can compute again what a run says of a behaviour.
    """
    return pd.DataFrame(
        {
            "prompt": np.arange(len(prompts)),
            "template": [one.template for one in prompts.asked],
            "text": [one.text for one in prompts.clean.corpus],
            "right": [one.right for one in prompts.asked],
            "wrong": [one.wrong for one in prompts.asked],
            "corrupted": [one.corrupted for one in prompts.asked],
            "source": [one.source for one in prompts.clean.corpus],
            "block": prompts.block,
            **prompts.named,
        }
    )
