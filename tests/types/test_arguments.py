"""What is no model or no corpus is answered with the call that makes one; models and corpora say what they are."""

from inspect import unwrap
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import nn

import interp
from interp.errors import InterpError, ModelError
from interp.heads import Head, Site
from interp.models.bridge import BridgeModel
from interp.models.planted import planted
from interp.models.recurrent import recurrent
from interp.types import Corpus, Document, Mention, check_arguments, check_corpus, check_model, describe_model
from tests.support.fakes import FakeModel, document, uniform


def corpus_of(*documents: Document, **about: Any) -> Corpus:
    return Corpus("mine", documents, "digest", **about)


# --- what is no corpus


@pytest.mark.parametrize(
    ("given", "call"),
    [
        ("de.conllu", "interp.read_conllu('de.conllu')"),
        ("de.conllu.gz", "interp.read_conllu('de.conllu.gz')"),
        (Path("a/b.txt"), f"interp.read_text({str(Path('a/b.txt'))!r})"),
        ("gap.tsv", "interp.read_coreference('gap.tsv', format=\"gap\")"),
        ("pairs.jsonl", "interp.read_minimal_pairs('pairs.jsonl')"),
        ("grammar", "interp.grammar()"),
        ("The cat sat.", "interp.sentence('The cat sat.')"),
        ("It sat. The cat", "interp.sentence('It sat. The cat')"),
        ("my treebank.conllu", "interp.read_conllu('my treebank.conllu')"),
        ("my treebank.data", "interp.read_conllu('my treebank.data')"),
        ("treebank", "interp.read_conllu('treebank')"),
    ],
)
def test_a_text_in_place_of_a_corpus_is_told_how_to_be_read(given: str | Path, call: str) -> None:
    what = "path" if isinstance(given, Path) else "text"
    with pytest.raises(InterpError) as caught:
        check_corpus(given)
    assert str(caught.value) == f"{str(given)!r} is a {what}, not a corpus. Read it first: corpus = {call}."
    # what is advised exists
    assert callable(getattr(interp, call.removeprefix("interp.").partition("(")[0]))


@pytest.mark.parametrize("given", [["a", "b"], None, 3, Corpus])
def test_what_else_is_no_corpus_is_refused(given: object) -> None:
    with pytest.raises(InterpError, match=r"is no corpus\. Read one with interp\.read_conllu"):
        check_corpus(given)


# --- what is no model


def small_bert() -> nn.Module:
    return transformers.BertModel(transformers.BertConfig(num_hidden_layers=1, hidden_size=12, vocab_size=9))


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ("minilm", "'minilm' is a text, not a model. Load it first: model = interp.load_model('minilm')."),
        (Path("here"), "'here' is a path, not a model. Load it first: model = interp.load_model('here')."),
        (corpus_of(), "A corpus is given where the model belongs."),
        (small_bert(), "BertModel is a model of transformers. Wrap it first, with its tokenizer: "),
        (nn.Linear(1, 1), "Linear is a torch module. Wrap it first"),
        (None, "None is no model: it lacks name, heads, positions, has_language_head"),
    ],
)
def test_what_is_no_model_is_told_how_to_be_one(given: object, said: str) -> None:
    with pytest.raises(ModelError) as caught:
        check_model(given)
    assert str(caught.value).startswith(said)


def test_a_bridge_is_told_to_be_wrapped() -> None:
    model = interp.load_model("small", backend="bridge")
    assert isinstance(model, BridgeModel)
    with pytest.raises(ModelError, match=r"interp\.from_bridge\(bridge\)"):
        check_model(model.bridge)


def test_only_what_is_missing_of_a_model_is_named() -> None:
    mine = FakeModel(uniform, 1)
    del mine.positions
    with pytest.raises(ModelError, match=r"of the type FakeModel is no model: it lacks positions\. Allowed"):
        check_model(mine)


def test_a_model_and_a_corpus_are_let_through() -> None:
    check_arguments(FakeModel(uniform, 1), corpus_of())


def test_every_public_function_asks() -> None:
    model, corpus = FakeModel(uniform, 1), corpus_of()
    of_both: list[Any] = [interp.anatomy, interp.prove]
    for function in of_both:
        function = unwrap(function)  # without beartype, as a user calls it
        with pytest.raises(InterpError, match=r"'a\.conllu' is a text, not a corpus"):
            function(model, "a.conllu")
        with pytest.raises(InterpError, match="'minilm' is a text, not a model"):
            function("minilm", corpus)


# --- what they say of themselves


def test_a_model_says_what_it_is_in_a_line() -> None:
    assert repr(planted()) == (
        "<PlantedModel 'planted-causal': 4 layers × 4 heads, 128 positions, causal language head, on cpu>"
    )
    assert repr(recurrent(reader="transformer")) == (
        "<MultiheadModel 'recurrent-transformer': encoder 2 layers × 4 heads; cross 1 layer × 4 heads, 32 positions, "
        "causal language head, on cpu>"
    )
    for backend, name in (("bridge", "BridgeModel"), ("attention", "AttentionModel")):
        model = interp.load_model("small", backend=backend)
        assert repr(model).startswith(f"<{name} 'small': 4 layers × 8 heads")


def test_any_model_can_be_described() -> None:
    model = FakeModel(uniform, 1)
    assert describe_model(model) == ("<FakeModel 'fake': 1 layer × 1 head, 512 positions, no language head, on cpu>")
    site: Site = "self"
    model.heads = [Head(site, layer, head) for layer in (1, 3) for head in range(layer)]
    model.positions, model.has_language_head, model.device = 4096, True, torch.device("meta")
    assert "2 layers × 1 to 3 heads, 4,096 positions, masked language head, on meta" in describe_model(model)


def test_a_corpus_says_what_it_is_in_a_line() -> None:
    plain = Document("s", "a b", ("a", "b"), np.array([[0, 1], [2, 3]], dtype=np.int32))
    tree = document(["one", "two", "three"], [-1, 0, 0], ["root", "obj", "obj"], "t")
    assert repr(corpus_of(plain)) == "<Corpus 'mine': 1 document, 2 words, without annotation>"
    assert repr(corpus_of(plain, tree)) == "<Corpus 'mine': 2 documents, 5 words, with syntax>"
    named = Document("s", "a", ("a",), plain.spans[:1], tags=("X",), mentions=(Mention(0, 1, 0),), alternative="b")
    assert repr(corpus_of(named, cut="limit", generated=True)) == (
        "<Corpus 'mine': 1 document, 1 words, generated, cut by limit, with part-of-speech tags, mentions, "
        "minimal pairs>"
    )
    many = corpus_of(*[plain] * 1234)
    assert repr(many).startswith("<Corpus 'mine': 1,234 documents, 2,468 words")
