"""A network that gives NaN or ∞ where the gate does not look: every pass refuses it by document, layer and head."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file
from torch import Tensor

from experiments import nulls, sensitivity, shapes, stability, tags
from experiments.head_roles import run as head_roles
from experiments.pruning_curve import run as pruning_curve
from interp import api as analysis
from interp import metrics, roles
from interp.ablation.effects import measure_effects
from interp.ablation.plan import Plan
from interp.corpora.batching import batches
from interp.corpora.conllu import read_conllu
from interp.corpora.encoding import encode
from interp.corpora.probe_documents import probe_documents
from interp.corpora.text import text_document
from interp.errors import ModelError
from interp.models import loading
from interp.progress import silent
from interp.results import read_manifest
from interp.statistics.criteria import Criteria
from interp.tallies.by_document import tally_heads
from interp.tallies.copying_scores import VariantTally, periods
from interp.tallies.sentence import attention_table
from interp.tallies.similarity import attention_similarity
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, HeadModel, Metric, Output
from tests.conftest import bert_config, grouped_query_config, metaspace_tokenizer, seeded, word_piece_tokenizer
from tests.support.fakes import FakeModel, effects_with, noise, random_documents
from tests.support.paths import ROOT

RULES = Criteria(margin=0.1, alpha=0.05, min_queries=50, min_blocks=12, min_word_mass=0.1)
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
    return effects_with(one.model, encode(one.model, one.corpus), **settings)


PASSES: dict[str, Callable[[Broken], object]] = {
    "score": lambda one: analysis.score(one.model, one.corpus),
    "head_roles": lambda one: head_roles(one.model, one.corpus, roles=ROLES, criteria=RULES),
    "shapes": lambda one: shapes.run(one.model, one.corpus),
    "tags": lambda one: tags.run(one.model, one.corpus),
    "nulls": lambda one: nulls.run(
        one.model, one.corpus, roles=ROLES, criteria=RULES, null="shuffled_rows", null_seeds=1
    ),
    "stability": lambda one: stability.run(
        one.model, one.corpus, roles=ROLES, criteria=RULES, other=None, random=None, documents=8, permutations=1
    ),
    "contributions": lambda one: analysis.lay_open_heads(
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
    "sensitivity": lambda one: sensitivity.tally_choices(one.model, encode(one.model, one.corpus), ROLES, 0, silent),
    "calibration": lambda one: tally_heads(one.model, encode(one.model, one.corpus), roles.positional(one.corpus)),
    "pruning": lambda one: pruning_curve(
        one.model, one.corpus, roles=ROLES, role=None, steps=2, seeds=1, plan=Plan("zero"),
        metrics=metrics.embedding,
    ),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:In the documents")  # small tokenizers do not know these words
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


def test_scores_that_copy_refuse_too() -> None:
    """Of words that repeat, once more with their own letters."""
    one = bert(float("nan"))
    text = " ".join(one.corpus.documents[BAD].words[1:4])
    corpus = Corpus("twice", (text_document(f"{text} {text}"),), "none")
    encoded = encode(one.model, corpus)
    tally = VariantTally(one.model, periods(encoded))
    with pytest.raises(ModelError, match=r"not finite .* in document 0 of the corpus"):
        stream(one.model, (group.batch() for group in batches(encoded, one.model)), tally)


def test_a_sentence_refuses_too() -> None:
    one = llama(float("nan"))
    encoded = encode(one.model, one.corpus)
    batch = next(iter(batches(encoded, one.model, documents=[BAD]))).batch()
    with pytest.raises(ModelError, match="Attention in layer 0"):
        attention_table(one.model, batch, one.corpus.documents[BAD].words)


def test_what_padding_attends_to_is_nobody_s_business() -> None:
    """Rows of padding that hold NaN, as a fully masked softmax gives: the sums are those of the same without."""

    def on_padding(batch: Batch) -> Tensor:
        return noise(batch).masked_fill(~batch.mask[:, None, :, None], float("nan"))

    corpus = Corpus("of many lengths", tuple(random_documents(12)), "none")
    sound, padded = FakeModel(noise, 2), FakeModel(on_padding, 2)
    assert not on_padding(next(iter(batches(encode(padded, corpus), padded))).batch()).isfinite().all()
    pd.testing.assert_frame_equal(analysis.score(sound, corpus), analysis.score(padded, corpus))


def short_and_long(broken: bool, value: Callable[[Output, Batch], Tensor]) -> pd.DataFrame:
    """Effects by a metric of one's own, of a network whose hidden states of the first document may be NaN."""
    corpus = Corpus("some", tuple(random_documents(4)), "none")

    class Silent(FakeModel):
        def run(self, batch: Batch, *, pattern: Any = None, z: Any = None, logits: bool = True) -> Output:
            hidden = torch.ones(*batch.tokens.shape, 1)
            hidden[batch.document == 0] = float("nan") if broken else 1.0
            return Output(hidden, None)

    own = Metric("own", True, False, lambda output, batch, _: value(output, batch), lambda batch: batch.mask.sum(1))
    model = Silent(noise, 2)
    return measure_effects(model, encode(model, corpus), Plan(replacement="zero"), metrics=[own]).table


def test_a_metric_without_a_value_is_left_out_and_a_network_without_numbers_refused() -> None:
    def none_of_first(_output: Output, batch: Batch) -> Tensor:
        return torch.where(batch.document == 0, torch.nan, 1.0)

    table = short_and_long(False, none_of_first)
    assert (table.n == 3).all() and (table.effect == 0).all(), "the document is too short, and the rest stands"
    with pytest.raises(ModelError, match=r"after the last layer .* document 0 of the corpus"):
        short_and_long(True, none_of_first)
    with pytest.raises(ModelError, match=r"document 0 of the corpus"):
        short_and_long(False, lambda _output, batch: torch.where(batch.document == 0, torch.inf, 1.0))


def test_a_head_without_which_there_is_no_value_is_named() -> None:
    calls = iter([1.0, 1.0, float("nan")])
    with pytest.raises(ModelError, match=r"own without the heads 0\.1 of 'fake' is not finite"):
        short_and_long(False, lambda _output, batch: torch.full((len(batch.tokens),), next(calls)))


@pytest.mark.filterwarnings("ignore:In the documents")
def test_weights_that_are_not_finite_are_named_by_head() -> None:
    tokenizer = metaspace_tokenizer()
    network = seeded(transformers.LlamaForCausalLM, grouped_query_config(transformers.LlamaConfig, len(tokenizer)))
    with torch.no_grad():
        network.model.layers[1].self_attn.o_proj.weight[:, -1] = float("nan")
    model = loading.from_transformers(network, tokenizer, name="broken")
    with pytest.raises(ModelError, match="NaN or ∞ at self, layer 1, head 3"):
        analysis.anatomy(model, documents())


@pytest.mark.real
@pytest.mark.parametrize("experiment", ["head_roles", "head_ablation"])
def test_the_command_line_refuses_and_leaves_nothing_complete(
    experiment: str, stories: loading.Model, shared: Path, tmp_path: Path
) -> None:
    """The gate's three documents do not hold the token, others do."""
    treebank = shared / "corpora" / "ud_english_ewt" / "en_ewt-ud-test.conllu"
    corpus = read_conllu(treebank, first=60)
    seen = {token for one in probe_documents(stories, corpus).encodings for token in one.tokens.tolist()}
    own = [set(one.tokens.tolist()) for one in encode(stories, corpus).encodings]
    token = min(next(some - seen for some in own if some - seen))
    source, folder = shared / "models" / "stories260K", tmp_path / "model"
    folder.mkdir()
    for file in ("tokenizer.json", "tokenizer_config.json"):
        (folder / file).write_bytes((source / file).read_bytes())
    config = json.loads((source / "config.json").read_text()) | {"tie_word_embeddings": False}
    (folder / "config.json").write_text(json.dumps(config))
    weights = load_file(source / "model.safetensors")
    weights["lm_head.weight"] = weights["model.embed_tokens.weight"].clone()
    weights["model.embed_tokens.weight"][token] = float("nan")
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    run = tmp_path / "run"
    settings = [f"experiment={experiment}", "model=local", f"model.path={folder}", "corpus=conllu"]
    # a file of its own, so that it holds these sentences however a limit is taken
    few_sentences = tmp_path / "few.conllu"
    few_sentences.write_text("\n\n".join(treebank.read_text("utf-8").split("\n\n")[:60]) + "\n\n", "utf-8")
    settings += [f"corpus.path={few_sentences}", f"hydra.run.dir={run}"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments", *settings], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode != 0 and "Traceback" not in done.stderr
    assert "layer 0, head" in done.stderr and "of the corpus (counted from 0)" in done.stderr
    assert token in own[int(done.stderr.split(" in document ")[1].split()[0])]
    assert (read_manifest(run) or {}).get("status") != "complete"
