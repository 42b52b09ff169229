"""Causal language models that read whole words, so that the positions of a prompt can be counted by hand."""

from collections.abc import Iterable
from typing import Any

import transformers
from tokenizers import Regex, Tokenizer, models, pre_tokenizers

from interp.models import loading
from interp.types import Corpus
from tests.conftest import gpt2_config, seeded

UNKNOWN = "[UNK]"
DIGITS = {1: r"\d", 2: r"\d{2}(?!\d(?!\d))"}
"""Each digit alone; or two and two, where a third stays with them, as in GPT-2's ` 174`."""


def word_model(texts: Iterable[str], *, digits: int = 1) -> loading.Model:
    """A random model of GPT-2's shape that has a token for every word and mark of these texts, and for no other."""
    cuts: Any = pre_tokenizers.Sequence(
        [pre_tokenizers.Whitespace(), pre_tokenizers.Split(Regex(DIGITS[digits]), "isolated")]
    )
    words = {word for text in texts for word, _ in cuts.pre_tokenize_str(text)}
    vocabulary = {word: number for number, word in enumerate(["<|endoftext|>", UNKNOWN, *sorted(words)])}
    raw = Tokenizer(models.WordLevel(vocabulary, unk_token=UNKNOWN))  # pyright: ignore[reportCallIssue]
    raw.pre_tokenizer = cuts
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=raw, eos_token="<|endoftext|>", unk_token=UNKNOWN)
    network = seeded(transformers.GPT2LMHeadModel, gpt2_config(len(vocabulary)))
    return loading.from_transformers(network, tokenizer, name="words")


def reader_of(corpus: Corpus, *, digits: int = 1) -> loading.Model:
    """A model that knows every word of a corpus of prompts."""
    asked = [(one.text, one.prompt) for one in corpus if one.prompt]
    texts = [text for text, prompt in asked for text in (text + prompt.right, text + prompt.wrong, prompt.corrupted)]
    return word_model(texts, digits=digits)
