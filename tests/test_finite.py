"""A network that gives NaN or ∞ where the gate does not look: every pass refuses it by document, layer and head."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import pytest
import torch
import transformers

from experiments import anatomy, nulls, shapes, stability, tags
from experiments.head_roles import run as head_roles
from experiments.pruning_curve import run as pruning_curve
from interp import analysis, effects, metrics, roles
from interp.corpora.batching import encode
from interp.errors import ModelError
from interp.likeness import attention_similarity
from interp.models import loading
from interp.types import Corpus, HeadModel
from tests.conftest import bert_config, grouped_query_config, metaspace_tokenizer, seeded, word_piece_tokenizer
from tests.fakes import random_documents

RULES = {"margin": 0.1, "alpha": 0.05, "min_queries": 50, "min_blocks": 12, "min_word_mass": 0.1}
BAD = 5
"""The document that holds the word whose embedding is not finite."""
WORD = "park"


def documents() -> Corpus:
    """Random trees of few letters; in one of them a word of others."""
    made = [replace(one, tags=tuple("NOUN" for _ in one.words)) for one in random_documents(18, sizes=(6, 7))]
    size = len(made[BAD].words[2])
    text = made[BAD].text
    start, end = made[BAD].spans[2]
    word = (WORD * 3)[:size]
    words = (*made[BAD].words[:2], word, *made[BAD].words[3:])
    made[BAD] = replace(made[BAD], text=text[:start] + word + text[end:], words=words)
    return Corpus("with one bad word", tuple(made), "none")


@dataclass(frozen=True)
class Broken:
    """A model, and the number of its first document with the token whose embedding is not finite."""

    model: HeadModel
    corpus: Corpus
    document: int


def broken(kind: Any, config: Any, tokenizer: Any, number: float, bad: int = BAD) -> Broken:
    corpus = documents()
    network = seeded(kind, config)
    whole = loading.from_transformers(network, tokenizer)
    own = [set(one.tokens[~one.special].tolist()) for one in encode(whole, corpus).encodings]
    others = set().union(*(tokens for place, tokens in enumerate(own) if place != bad))
    token = min(own[bad] - others)
    with torch.no_grad():
        network.get_input_embeddings().weight[token] = number
    return Broken(loading.from_transformers(network, tokenizer, name="broken"), corpus, bad)


def llama(number: float) -> Broken:
    tokenizer = metaspace_tokenizer()
    return broken(
        transformers.LlamaForCausalLM, grouped_query_config(transformers.LlamaConfig, len(tokenizer)), tokenizer, number
    )


def bert(number: float) -> Broken:
    tokenizer = word_piece_tokenizer()
    config = bert_config(len(tokenizer), tie_word_embeddings=False)
    return broken(transformers.BertForMaskedLM, config, tokenizer, number)


MODELS = [partial(kind, number) for kind in (llama, bert) for number in (float("nan"), float("inf"))]

ROLES: Any = roles.everything


def ablated(one: Broken, **settings: Any) -> object:
    return effects.measure(one.model, encode(one.model, one.corpus), **settings)


PASSES: dict[str, Callable[[Broken], object]] = {
    "score": lambda one: analysis.score(one.model, one.corpus),
    "head_roles": lambda one: head_roles(one.model, one.corpus, roles=ROLES, classification=RULES),
    "shapes": lambda one: shapes.run(one.model, one.corpus),
    "tags": lambda one: tags.run(one.model, one.corpus),
    "nulls": lambda one: nulls.run(
        one.model, one.corpus, roles=ROLES, classification=RULES, null="shuffled_rows", null_seeds=1
    ),
    "stability": lambda one: stability.run(
        one.model, one.corpus, roles=ROLES, classification=RULES, other=None, random=None, documents=8, permutations=1
    ),
    "contributions": lambda one: anatomy.lay_open_heads(
        one.model, encode(one.model, one.corpus), seed=0, min_blocks=12
    ),
    "likeness": lambda one: attention_similarity(
        one.model, one.model, encode(one.model, one.corpus), encode(one.model, one.corpus), documents=range(18)
    ),
    "zero": lambda one: ablated(one, replacement="zero"),
    "mean": lambda one: ablated(one, replacement="mean"),
    "resample": lambda one: ablated(one, replacement="resample"),
    "uniform": lambda one: ablated(one, replacement="uniform"),
    "plain": lambda one: ablated(one, replacement="zero", engine="plain"),
    "embedding": lambda one: ablated(one, replacement="zero", metrics=metrics.embedding),
    "until": lambda one: ablated(one, replacement="zero", until=0.1),
    "sets": lambda one: ablated(one, replacement="zero", sets="layers"),
    "estimate": lambda one: ablated(one, replacement="zero", estimate="attribution"),
    "sketch": lambda one: ablated(one, replacement="zero", estimate="gauss_newton", metrics=metrics.embedding),
    "pruning": lambda one: pruning_curve(
        one.model, one.corpus, roles=ROLES, role=None, steps=2, seeds=1, ablation={"replacement": "zero"},
        metrics=metrics.embedding,
    ),
}  # fmt: skip


@pytest.mark.parametrize("make", MODELS, ids=["llama-nan", "llama-inf", "bert-nan", "bert-inf"])
@pytest.mark.parametrize("name", PASSES)
def test_every_pass_names_document_layer_and_heads(name: str, make: Callable[[], Broken]) -> None:
    one = make()
    with pytest.raises(ModelError) as refused:
        PASSES[name](one)
    said = str(refused.value)
    assert "not finite (NaN or ∞)" in said or "hold NaN or ∞" in said
    if name not in ("pruning", "contributions"):  # a half of the corpus has numbers of its own; weights no document
        assert f"document {one.document} of the corpus" in said
        assert "layer 0, head" in said
    if name != "contributions":
        assert "dtype=float32" in said and "embedding" in said
