"""Texts whose queries are looked at in parts, and sums as accelerators make them, against one unchunked computation."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

from interp import roles
from interp.attention import query_parts
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.grammar import grammar
from interp.roles.lexical import punctuation
from interp.sums import RoleSums
from interp.tables import score_table
from interp.tallies import segment_sums
from interp.tallies.roles import RoleTally
from interp.tallies.segment_sums import SegmentSums
from interp.tallies.spread import ShapeTally
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Document, EncodedCorpus, HeadModel, Site
from tests.conftest import Case, corpus_of
from tests.support import oracle
from tests.support.fakes import FakeModel, document, uniform
from tests.tallies.test_contract import compare


def long_documents(count: int, sentences: int) -> list[Document]:
    """Sentences of the grammar one after another as one document, with their trees."""
    found = []
    for number in range(count):
        some = grammar(documents=40).documents[number * sentences : (number + 1) * sentences]
        spans, governors, relations, words, tags, text = [], [], [], [], [], ""
        for one in some:
            text = f"{text} " if text else ""
            spans.extend([(a + len(text), b + len(text)) for a, b in one.spans.tolist()])
            governors.extend([g if g < 0 else g + len(words) for g in one.governors or ()])
            relations.extend(one.relations or ())
            tags.extend(one.tags or ())
            words.extend(one.words)
            text += one.text
        spans = np.array(spans, dtype=np.int32)
        gold = tuple(tags), tuple(governors), tuple(relations)
        found.append(Document(f"source {number}", text, tuple(words), spans, *gold))
    return found


class Noting:
    """Notes how many queries are shown together, and hands everything on."""

    def __init__(self, inner: RoleTally) -> None:
        self.inner, self.shown = inner, set[tuple[int, int]]()

    @property
    def starts(self) -> dict[Site, tuple[int, ...]]:
        return dict(self.inner.starts)

    def begin(self, batch: Batch, visible: object) -> None:
        self.inner.begin(batch, visible)  # pyright: ignore[reportArgumentType] - as it came

    def update(self, site: Site, layer: int, pattern: torch.Tensor, first: int = 0, query: int = 0) -> None:
        self.shown.add((query, pattern.shape[2]))
        self.inner.update(site, layer, pattern, first, query)


def tally(model: HeadModel, encoded: EncodedCorpus) -> tuple[RoleSums, set[tuple[int, int]]]:
    noting = Noting(RoleTally(roles.everything(encoded.corpus), model.heads))
    stream(model, (group.batch() for group in batches(encoded, model)), noting)
    return noting.inner.sums(), noting.shown


def by_loops(minilm: HeadModel, documents: list[Document]) -> pd.DataFrame:
    path = minilm.provenance["path"]
    plain = transformers.AutoModel.from_pretrained(path, attn_implementation="eager").eval()
    sentences = [
        {
            "words": list(one.words),
            "spans": [tuple(span) for span in one.spans.tolist()],
            "text": one.text,
            "governors": list(one.governors or ()),
            "relations": [relation.split(":")[0] for relation in one.relations or ()],
            "block": one.block,
        }
        for one in documents
    ]
    return oracle.oracle_scores(sentences, plain, transformers.AutoTokenizer.from_pretrained(path), False)


@pytest.mark.parametrize("accelerated", [False, True])
def test_a_long_text_in_parts_is_what_loops_over_the_whole_find(
    minilm: HeadModel, monkeypatch: pytest.MonkeyPatch, accelerated: bool
) -> None:
    monkeypatch.setattr(query_parts, "FEWEST_QUERIES", 40)
    monkeypatch.setattr(query_parts, "WEIGHTS_A_PART", 1)
    if accelerated:
        monkeypatch.setattr(segment_sums, "on_processor", lambda _: False)
    documents = long_documents(2, 12)
    encoded = encode(minilm, Corpus("long", tuple(documents), "none"))
    longest = max(len(one.tokens) for one in encoded.encodings)
    assert longest > 120
    sums, shown = tally(minilm, encoded)
    assert len({query for query, _ in shown}) > 3 and max(size for _, size in shown) <= 40
    compare(score_table(sums, seed=0), by_loops(minilm, documents))


def test_lexical_roles_in_parts(minilm: HeadModel, monkeypatch: pytest.MonkeyPatch) -> None:
    """Attention from every word on the punctuation, and on all words, one document at a time."""
    monkeypatch.setattr(query_parts, "FEWEST_QUERIES", 30)
    monkeypatch.setattr(query_parts, "WEIGHTS_A_PART", 1)
    (text,) = long_documents(1, 8)
    sums, shown = tally(minilm, encode(minilm, Corpus("long", (text,), "none")))
    assert len(shown) > 2
    path = minilm.provenance["path"]
    plain = transformers.AutoModel.from_pretrained(path, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    attention, offsets, special, _ = oracle.attention_of(plain, tokenizer, text.text)
    owned = oracle.tokens_of_words(text.text, text.spans.tolist(), offsets, special)
    by_word = oracle.word_attention(attention, owned)
    marks = [number for number, tag in enumerate(text.tags or ()) if tag == "PUNCT"]
    n, mass, word_mass = 0, np.zeros(by_word.shape[:2]), np.zeros(by_word.shape[:2])
    for query in range(len(owned)):
        if [mark for mark in marks if mark != query]:
            n += 1
            mass += by_word[:, :, query, marks].sum(-1)
            word_mass += by_word[:, :, query].sum(-1)
    at = [role.name for role in sums.roles].index("punctuation")
    assert sums.n[at].sum() == n > 100
    np.testing.assert_allclose(sums.mass[at].sum(-1), mass.ravel(), rtol=1e-5)
    np.testing.assert_allclose(sums.word_mass[at].sum(-1), word_mass.ravel(), rtol=1e-5)


def test_a_tally_that_needs_whole_patterns_is_shown_them(tiny_gpt2: Case, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(query_parts, "FEWEST_QUERIES", 3)
    monkeypatch.setattr(query_parts, "WEIGHTS_A_PART", 1)
    model = tiny_gpt2.model
    encoded = encode(model, corpus_of())
    sizes = {len(one.tokens) for one in encoded.encodings}
    parts, shown = tally(model, encoded)
    # no part is much longer than the longest word
    assert max(size for _, size in shown) < max(sizes) / 2
    beside, shape = Noting(RoleTally(roles.everything(encoded.corpus), model.heads)), ShapeTally(model.heads)
    stream(model, (group.batch() for group in batches(encoded, model)), beside, shape)
    assert all(query == 0 for query, _ in beside.shown) and {size for _, size in beside.shown} <= sizes
    entire = beside.inner.sums()
    for name in ("n", "hit", "mass", "word_mass", "baseline"):
        # products of fewer queries may round otherwise
        np.testing.assert_allclose(getattr(parts, name), getattr(entire, name), rtol=1e-6, err_msg=name)
    # down the columns there is no telling from some of the rows
    variant = replace(punctuation(), view="columns")
    down = Noting(RoleTally([variant], model.heads))
    stream(model, (group.batch() for group in batches(encoded, model)), down)
    assert all(query == 0 for query, _ in down.shown)


@pytest.mark.parametrize("keys", [(), (2,), (1, 2)])
def test_the_only_query_of_a_batch_is_counted_once(keys: tuple[int, ...]) -> None:
    """Of one role that marks none, one, or two keys of one query, and no other."""
    model = FakeModel(uniform, 1)
    encoded = encode(model, Corpus("one", (document(["a", "b"], [-1, 0], ["root", "x"], "s"),), "none"))

    def targets(batch: Batch) -> torch.Tensor:
        marked = torch.zeros(1, 4, 4, dtype=torch.bool)
        marked[0, 1, list(keys)] = True
        return marked

    role = replace(roles.positional()[0], targets=targets, reflexive=True)
    counted = RoleTally([role], model.heads)
    stream(model, (group.batch() for group in batches(encoded, model)), counted)
    assert counted.sums().n.sum() == bool(keys)
    assert counted.sums().mass.sum() == len(keys) / 4


@pytest.mark.parametrize("accelerated", [False, True])
def test_sums_by_slot_are_exact_wherever_they_are_made(monkeypatch: pytest.MonkeyPatch, accelerated: bool) -> None:
    if accelerated:
        monkeypatch.setattr(segment_sums, "on_processor", lambda _: False)
    rng = np.random.default_rng(0)
    slot, values = np.sort(rng.integers(0, 9, 400)), rng.random((400, 3), dtype=np.float32)
    slot[slot == 4] = 5  # nothing goes to slot 4
    item, some = rng.integers(0, 400, 400), np.flatnonzero(rng.random(400) < 0.2)
    marks = (values > 0.5).astype(np.float32)
    expected = np.full((9, 5), 0.25)
    for place in range(400):
        expected[slot[place], 1:4] += values[place].astype(np.float64)
        expected[slot[place], 1:4] += values[item[place]].astype(np.float64)
        expected[slot[place], 1:4] += marks[place]
    for place in some:
        expected[slot[place], 1:4] += values[place].astype(np.float64) / 3
    table = torch.full((9, 5), 0.25, dtype=torch.float64)
    columns, given = table[:, 1:4], torch.from_numpy(values)
    sums = SegmentSums(torch.from_numpy(slot))
    sums.add(columns, given)
    SegmentSums(torch.from_numpy(slot), torch.from_numpy(item), 400).add(columns, given)
    sums.add_counts(columns, torch.from_numpy(marks))
    sums.add_some(columns, torch.from_numpy(some), given[some].double() / 3)
    np.testing.assert_allclose(table.numpy(), expected, rtol=1e-14)
    SegmentSums(torch.zeros(0, dtype=torch.long)).add(columns, given[:0])
    np.testing.assert_allclose(table.numpy(), expected, rtol=1e-14)
