"""The contract, read a second time: streamed tables against numpy, one sentence at a time (`support.oracle`)."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import torch
import transformers
from hypothesis import given, settings
from hypothesis import strategies as st

from interp import roles
from interp.api import score
from interp.corpora.batching import batches, collate
from interp.corpora.conllu import read_conllu
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.errors import InterpError
from interp.sums import RoleSums
from interp.tables import score_table
from interp.tables.roles import classify
from interp.tallies.roles import RoleTally
from interp.tallies.spread import ShapeTally
from interp.tallies.stream import stream
from interp.types import Corpus, EncodedCorpus, HeadModel
from tests.support import oracle
from tests.support.fakes import FakeModel, document, random_documents, to_governor, uniform
from tests.support.paths import SHARED

DATA = SHARED / "data"
TREEBANK = DATA / "corpora" / "ud_english_ewt" / "en_ewt-ud-dev.conllu"
KEYS = ["role", "layer", "head", "split"]


def tally(model: HeadModel, encoded: EncodedCorpus, tokens: int = 2048, reverse: bool = False) -> RoleSums:
    counted = RoleTally(roles.everything(encoded.corpus), model.heads)
    groups = batches(encoded, model, tokens=tokens)
    stream(model, (group.batch() for group in (groups[::-1] if reverse else groups)), counted)
    return counted.sums()


def compare(mine: pd.DataFrame, theirs: pd.DataFrame) -> None:
    # which have a second reading of their own, in test_lexical
    mine = mine[mine.family != "lexical"]
    both = mine.merge(theirs, on=KEYS, how="outer", suffixes=("", "_oracle"), indicator=True)
    assert (both._merge == "both").all(), both[both._merge != "both"][KEYS]
    assert (both.n == both.n_oracle).all()
    assert (both.baseline_name == both.baseline_name_oracle).all()
    for column in ("hit", "mass", "word_mass", "baseline", "lift"):
        np.testing.assert_allclose(both[column], both[f"{column}_oracle"], atol=1e-6, rtol=0, err_msg=column)


@pytest.fixture(scope="module")
def treebank() -> Path:
    if not TREEBANK.is_file():
        pytest.skip("needs ../shared/data: the English Web Treebank")
    return TREEBANK


@pytest.mark.real
@pytest.mark.parametrize(("tokens", "reverse"), [(2048, False), (150, True)])
def test_minilm_on_a_treebank(minilm: HeadModel, treebank: Path, tokens: int, reverse: bool) -> None:
    plain = transformers.AutoModel.from_pretrained(minilm.provenance["path"], attn_implementation="eager").eval()
    check_on_treebank(minilm, plain, treebank, False, tokens, reverse)


@pytest.mark.real
@pytest.mark.parametrize(("tokens", "reverse"), [(4096, True), (150, False)])
def test_stories_on_a_treebank(stories: HeadModel, treebank: Path, tokens: int, reverse: bool) -> None:
    path = stories.provenance["path"]
    plain = transformers.AutoModelForCausalLM.from_pretrained(path, attn_implementation="eager").eval()
    check_on_treebank(stories, plain, treebank, True, tokens, reverse)


def check_on_treebank(
    model: HeadModel, plain: torch.nn.Module, treebank: Path, causal: bool, tokens: int, reverse: bool
) -> None:
    tokenizer = transformers.AutoTokenizer.from_pretrained(model.provenance["path"])
    theirs = oracle.oracle_scores(oracle.sentences(treebank, 40), plain, tokenizer, causal)
    sums = tally(model, encode(model, read_conllu(treebank, first=40)), tokens, reverse)
    compare(score_table(sums, seed=0), theirs)


def test_coreference_on_grammar(minilm: HeadModel) -> None:
    """Mentions, antecedents and the baseline `nearest_mention`, on the bundled corpus."""
    corpus = grammar(documents=40)
    plain = transformers.AutoModel.from_pretrained(minilm.provenance["path"], attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(minilm.provenance["path"])
    sentences = [
        {
            "words": list(document.words),
            "spans": [tuple(span) for span in document.spans.tolist()],
            "text": document.text,
            "governors": list(document.governors or ()),
            "relations": [relation.split(":")[0] for relation in document.relations or ()],
            "block": oracle.block_of(document.text),
            "mentions": [(m.start, m.end, m.entity) for m in document.mentions or ()],
        }
        for document in corpus
    ]
    theirs = oracle.oracle_scores(sentences, plain, tokenizer, False)
    mine = score_table(tally(minilm, encode(minilm, corpus)), seed=0)
    assert "coref.antecedent" in set(mine.role)
    compare(mine, theirs)


@pytest.fixture(scope="module")
def random_trees() -> Corpus:
    return Corpus("random trees", tuple(random_documents(300)), "none")


def test_a_head_that_looks_at_the_governor_hits_every_time(random_trees: Corpus) -> None:
    model = FakeModel(to_governor, 1)
    sums = tally(model, encode(model, random_trees))
    scores = score_table(sums, seed=0)
    found = scores[scores.role.str.endswith(".to_governor")]
    assert set(found.role) == {f"{name}.to_governor" for name in ("nsubj", "obj", "det", "amod", "obl")}
    assert (found.hit == 1).all()
    np.testing.assert_allclose(found.mass, 1, atol=1e-6)
    assigned = set(classify(sums, scores).role)
    assert set(found.role) <= assigned


def test_uniform_attention_beats_no_baseline_and_has_no_role(random_trees: Corpus) -> None:
    model = FakeModel(uniform, 1)
    sums = tally(model, encode(model, random_trees))
    scores = score_table(sums, seed=0)
    select = scores[scores.split == "select"]
    assert (select.lift <= 1e-6).all(), select[select.lift > 1e-6]
    assert classify(sums, scores).role.tolist() == ["unclassified"]


@pytest.mark.parametrize("attend", [uniform, to_governor])
def test_padding_moves_nothing(random_trees: Corpus, attend: object) -> None:
    model = FakeModel(attend, 1)  # pyright: ignore[reportArgumentType] - the parametrised functions are what it takes
    encoded = encode(model, random_trees)
    alone, together = tally(model, encoded, tokens=1), tally(model, encoded, tokens=20_000)
    assert len(batches(encoded, model, tokens=1)) == len(random_trees)
    assert (alone.n == together.n).all()
    for name in ("hit", "mass", "word_mass", "baseline"):
        np.testing.assert_allclose(getattr(alone, name), getattr(together, name), atol=1e-5)


@settings(max_examples=15, deadline=None)
@given(seed=st.integers(0, 10_000), cut=st.integers(1, 19), causal=st.booleans())
def test_two_parts_merged_are_the_whole(seed: int, cut: int, causal: bool) -> None:
    """Streaming equals one-shot: block sums of any two parts of a corpus add up to those of the whole."""
    documents = tuple(random_documents(20, seed))

    def attend(batch):
        generator = torch.Generator().manual_seed(0)
        by_token = torch.rand(10, 10, 2, generator=generator)
        scores = by_token[batch.tokens[:, :, None], batch.tokens[:, None, :]].permute(0, 3, 1, 2)
        seen = batch.mask[:, None, None, :].expand_as(scores)
        return scores.masked_fill(~(seen.tril() if causal else seen), -1e9).softmax(-1)

    model = FakeModel(attend, 2, causal=causal)
    relations = Corpus("whole", documents, "none").relations
    asked = (*roles.positional(), *[role for r in relations for role in (to(r) for to in both_ways())])

    def sums_of(part: tuple) -> RoleSums:
        encoded = encode(model, Corpus("part", part, "none"))
        counted = RoleTally(asked, model.heads)
        stream(model, (group.batch() for group in batches(encoded, model, tokens=60)), counted)
        return counted.sums()

    whole, merged = sums_of(documents), sums_of(documents[:cut]).merge(sums_of(documents[cut:]))
    assert (whole.n == merged.n).all()
    for name in ("hit", "mass", "word_mass", "baseline"):
        np.testing.assert_allclose(getattr(whole, name), getattr(merged, name), atol=1e-5)


def both_ways():
    from interp.roles.syntax import to_dependent, to_governor

    return to_governor, to_dependent


def test_entropy_and_distance_of_known_heads() -> None:
    """Uniform attention over k tokens has entropy ln k; a head on the token itself has neither entropy nor distance."""
    documents = tuple(random_documents(30, seed=5))

    def attend(batch):
        size = batch.tokens.shape[1]
        itself = torch.eye(size).expand(len(batch.tokens), 1, size, size)
        return torch.cat([uniform(batch), itself], 1)

    model = FakeModel(attend, 2)
    encoded = encode(model, Corpus("c", documents, "none"))
    shape = ShapeTally(model.heads)
    stream(model, (group.batch() for group in batches(encoded, model, tokens=100)), shape)
    entropy, distance = shape.means()
    lengths = np.array([len(encoding.tokens) for encoding in encoded.encodings])
    expected = (np.log(lengths) * (lengths - 2)).sum() / (lengths - 2).sum()
    apart = [np.abs(np.subtract.outer(np.arange(k), np.arange(k)))[1:-1].mean(-1).sum() for k in lengths]
    np.testing.assert_allclose(entropy, [expected, 0], atol=1e-5)
    np.testing.assert_allclose(distance, [np.sum(apart) / (lengths - 2).sum(), 0], atol=1e-4)


def test_shares_of_a_baseline_are_exact() -> None:
    """Three queries that earn a third each from `most_tokens` earn as much as one from an offset: the earlier wins.

    In float32 three thirds are more than one, and the later baseline would win.
    """
    # in each sentence the first word is asked for the last; three words own two tokens each, the asking word one
    words = ["a", "bbbb", "cccc", "dddd"]
    documents = [document(words, [3, 3, 3, -1], ["nsubj", "dep", "dep", "root"], f"s{n}") for n in range(3)]
    # once more, the answer is the next word, which owns as many tokens as the others but one
    documents.append(document(["a", "b", "cccc"], [1, -1, 1], ["nsubj", "root", "dep"], "s3"))
    model = FakeModel(uniform, 1)
    counted = RoleTally(roles.syntax(Corpus("c", tuple(documents), "none")), model.heads)
    stream(model, [collate(encode(model, Corpus("c", tuple(documents), "none")), range(4), model)], counted)
    sums = counted.sums()
    asked = [role.name for role in sums.roles].index("nsubj.to_governor")
    earned = dict(zip(sums.baselines, sums.baseline[asked].sum(-1), strict=True))
    assert earned["offset+1"] == 1
    assert earned["offset+3"] == 3
    assert earned["most_tokens"] == pytest.approx(1, abs=1e-15)
    # a head that does as the baseline does has a lift of exactly nothing
    np.testing.assert_allclose(
        sums.hit[asked, 0], sums.baseline[asked, sums.baselines.index("most_tokens")], atol=1e-15
    )


def test_roles_can_be_asked_for_by_name_one_or_several(random_trees: Corpus) -> None:
    model = FakeModel(to_governor, 1)
    by_name = score(model, random_trees, roles="syntax")
    pd.testing.assert_frame_equal(by_name, score(model, random_trees, roles=roles.syntax()))
    pd.testing.assert_frame_equal(by_name, score(model, random_trees, roles=roles.syntax(random_trees)))
    one = roles.syntax(random_trees)[0]
    assert set(score(model, random_trees, roles=one).role) == {one.name}
    with pytest.raises(InterpError, match="Did you mean 'syntax'"):
        score(model, random_trees, roles="syntx")
