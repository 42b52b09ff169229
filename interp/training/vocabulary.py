"""A tokenizer whose tokens are the words of the grammar: every word of a treebank's kind is one token."""

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np
import transformers
from jaxtyping import Int
from tokenizers import Regex, Tokenizer, models, pre_tokenizers, processors

UNKNOWN, START = "[UNK]", "<s>"

WORD = r"\w+?(?=n't\b)|n't\b|'s\b|\w+|[^\w\s]"
"""A word as Universal Dependencies cut English: did|n't, Anna|'s, and every punctuation mark alone."""


def word_tokenizer(sentences: Sequence[str], positions: int) -> Any:
    """A fast tokenizer over the words of these sentences, most frequent first, case kept.

    Every text gets the start token in front; a word that occurs in none of the sentences is unknown.
    """
    cut = pre_tokenizers.Split(Regex(WORD), behavior="removed", invert=True)
    counts = Counter(word for sentence in sentences for word, _ in cut.pre_tokenize_str(sentence))
    words = sorted(counts, key=lambda word: (-counts[word], word))
    numbers = {word: number for number, word in enumerate([UNKNOWN, START, *words])}
    raw = Tokenizer(models.WordLevel(numbers, unk_token=UNKNOWN))
    raw.pre_tokenizer = cut  # pyright: ignore[reportAttributeAccessIssue]
    raw.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single=f"{START} $A", special_tokens=[(START, numbers[START])]
    )
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token=UNKNOWN, bos_token=START, model_max_length=positions
    )


def token_ids(tokenizer: Any, sentences: Sequence[str]) -> list[list[int]]:
    """The tokens of each sentence, without the start token."""
    return tokenizer(list(sentences), add_special_tokens=False)["input_ids"] if sentences else []


def ordinary(tokenizer: Any) -> Int[np.ndarray, " token"]:
    """Every token that is a word."""
    return np.setdiff1d(np.arange(len(tokenizer)), tokenizer.all_special_ids)
