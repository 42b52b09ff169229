"""The residual stream of a planted model: which of its dimensions say what, and what every token brings into it.

Every vector in it adds up to zero (one dimension balances the others), and layer norms are given an epsilon so large
that they multiply each vector by 1 to within 1e-6: so what is planted is what a head reads.
"""

import csv
from functools import cache
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np
from jaxtyping import Float, Int
from tokenizers import Tokenizer, processors
from transformers import PreTrainedTokenizerFast

HERE = Path(__file__).parent
TOKENIZER = HERE.parent / "small" / "tokenizer.json"
"""The words of the corpus `grammar`, each a token; any other word is [UNK]."""

WORD_CLASSES = HERE / "classes.tsv"
"""The part of speech that each of these words most often has in `grammar`."""

POSITIONS, CODE, HEADS, LAYERS = 128, 64, 4, 4
CLASSES = (
    *("ADJ", "ADP", "ADV", "AUX", "CCONJ", "DET", "NOUN", "NUM", "PART", "PRON", "PROPN", "PUNCT", "SCONJ", "VERB"),
    "[SEP]",
)
FEATURES = POSITIONS + len(CLASSES)
"""A token's place, one-hot, and its class, one-hot."""

WIDTH_OF_HEAD = FEATURES + CODE + 1
"""Room for a head to compare features and one code, and for its noise."""

WIDTH = HEADS * WIDTH_OF_HEAD
Codes = Literal["identity", "previous", "copied", "spare"]
"""The word's own code; then what heads write: that of the word before it, of the word that comes next, of others."""

CODES: dict[Codes, slice] = {name: slice(at * CODE, (at + 1) * CODE) for at, name in enumerate(get_args(Codes))}
"""Where they stand."""

LOOKS = slice(len(CODES) * CODE, len(CODES) * CODE + FEATURES)
"""Where the features stand."""

BALANCE = WIDTH - 1
EPSILON = 1e6
"""Of every layer norm, beside a variance of about 0.01; its gain is √EPSILON."""


def tokenizer(*, encoder: bool) -> PreTrainedTokenizerFast:
    """Words as tokens: `<s>` in front, or [CLS] and [SEP] around."""
    raw = Tokenizer.from_file(str(TOKENIZER))
    about: dict[str, Any] = {"unk_token": "[UNK]", "model_max_length": POSITIONS}
    around = {"pad_token": "[PAD]", "cls_token": "[CLS]", "sep_token": "[SEP]"}
    start = {"bos_token": "<s>"}
    if not encoder:
        return PreTrainedTokenizerFast(tokenizer_object=raw, **start, **about)
    raw.add_special_tokens(["[PAD]", "[CLS]", "[SEP]"])
    added = [(token, raw.token_to_id(token)) for token in ("[CLS]", "[SEP]")]
    raw.post_processor = processors.TemplateProcessing(  # pyright: ignore[reportAttributeAccessIssue]
        single="[CLS] $A [SEP]", special_tokens=added
    )
    return PreTrainedTokenizerFast(tokenizer_object=raw, **around, **about)


@cache
def class_of_word() -> dict[str, str]:
    """The part of speech of every word whose class is known, and of [SEP] its own."""
    with WORD_CLASSES.open(encoding="utf-8", newline="") as file:
        words = {row["word"]: row["class"] for row in csv.DictReader(file, delimiter="\t", quoting=csv.QUOTE_NONE)}
    return words | {"[SEP]": "[SEP]"}


def class_of_token(words: PreTrainedTokenizerFast) -> Int[np.ndarray, " token"]:
    """Each token's place in `CLASSES`, -1 for one without a class."""
    known = class_of_word()
    names = words.convert_ids_to_tokens(list(range(len(words))))
    return np.array([CLASSES.index(known[name]) if name in known else -1 for name in names])


def codes_of_words(words: PreTrainedTokenizerFast, random: np.random.Generator) -> Float[np.ndarray, "token code"]:
    """Random codes of length 1, nearly orthogonal to each other; special tokens have none (zeros)."""
    codes = random.choice([-1.0, 1.0], (len(words), CODE)) / np.sqrt(CODE)
    codes[words.all_special_ids] = 0.0
    return codes


def embeddings(
    classes: Int[np.ndarray, " token"], codes: Float[np.ndarray, "token code"]
) -> tuple[Float[np.ndarray, "token width"], Float[np.ndarray, "position width"]]:
    """What a token brings by its word, and by its place."""
    of_word, of_place = np.zeros((len(codes), WIDTH)), np.zeros((POSITIONS, WIDTH))
    of_word[:, CODES["identity"]] = codes
    known = np.flatnonzero(classes >= 0)
    of_word[known, LOOKS.start + POSITIONS + classes[known]] = 1.0
    of_place[:, LOOKS.start : LOOKS.start + POSITIONS] = np.eye(POSITIONS)
    return balanced(of_word), balanced(of_place)


def balanced(vectors: Float[np.ndarray, "some width"]) -> Float[np.ndarray, "some width"]:
    """The same with a last dimension that makes every vector add up to zero."""
    vectors = vectors.copy()
    vectors[:, BALANCE] = -vectors[:, :BALANCE].sum(axis=1)
    return vectors
