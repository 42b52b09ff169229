"""Lexical roles, other ways to score syntax and tags by tags, against plain loops over one document at a time."""

from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import cache
from typing import Any, NamedTuple

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from experiments import head_roles
from interp import roles
from interp.api import score, tally_roles
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.entity_pairs import entity_pairs
from interp.corpora.expansions import parts
from interp.errors import InterpError
from interp.plots import best_heads, role_maps, tag_matrices
from interp.roles.lexical import delimiter, entities, punctuation, rare, same_tag, tagged
from interp.roles.syntax import (
    aligned_dependent,
    aligned_either,
    aligned_governor,
    from_governor,
    syntax,
    to_governor_first,
)
from interp.statistics.criteria import Criteria
from interp.sums import TagSums
from interp.tables import score_table
from interp.tables.roles import classify
from interp.tables.tags import tag_table
from interp.tallies.tags import TAGS as TAG_CARD
from interp.tallies.tags import tally_tags
from interp.text.punctuation import marks
from interp.types import Batch, Corpus, Document, EncodedCorpus, Encoding, EntityLink, Mention, Role
from tests.support.fakes import FakeModel, document, random_documents, uniform

HEADS = 3
TAGS = ("NOUN", "PROPN", "VERB", "PUNCT", "_")
MARKS = (".", ",", ";", "!", "...", "§")


def rich_documents(count: int = 25) -> list[Document]:
    """Random trees and words with tags, punctuation marks and named entities."""
    rng = np.random.default_rng(5)
    made = []
    for bare in random_documents(count):
        words = [str(rng.choice(MARKS)) if rng.random() < 0.2 else word for word in bare.words]
        tags = tuple("PUNCT" if word in MARKS[:-1] else str(rng.choice(TAGS[:3])) for word in words)
        tags = tuple("_" if rng.random() < 0.1 else tag for tag in tags)
        same = document(words, bare.governors or (), bare.relations or (), bare.source)
        named, place = [], 0
        while place < len(words):
            length = int(rng.integers(1, 4))
            if rng.random() < 0.5:
                kind = str(rng.choice(["person", "place"]))
                named.append(Mention(place, min(place + length, len(words)), int(rng.integers(3)), kind))
            place += length
        made.append(replace(same, tags=tags, entities=tuple(named)))
    return made


def attention_of(number: int, size: int, causal: bool) -> np.ndarray:
    """Any attention [head, query, key], the same whenever a document is asked for."""
    values = np.random.default_rng(number).random((HEADS, size, size)) ** 3
    values = np.tril(values) if causal else values
    return values / values.sum(-1, keepdims=True)


def at_random(causal: bool) -> Callable[[Batch], Tensor]:
    def attend(batch: Batch) -> Tensor:
        size = batch.tokens.shape[1]
        pattern = torch.zeros(len(batch.tokens), HEADS, size, size)
        for row, number in enumerate(batch.document.tolist()):
            length = int(batch.mask[row].sum())
            pattern[row, :, :length, :length] = torch.from_numpy(attention_of(number, length, causal)).float()
        return pattern

    return attend


class Words(NamedTuple):
    """One document in numpy: attention between words in three readings, which words see which, tokens of each."""

    rows: np.ndarray
    first: np.ndarray
    sees: np.ndarray
    tokens: list[list[int]]


def words_of(encoded: EncodedCorpus, number: int, causal: bool) -> Words:
    owner = encoded.words[number]
    size = len(encoded.corpus.documents[number].words)
    tokens = [[t for t in range(len(owner)) if owner[t] == w] for w in range(size)]
    attention = attention_of(number, len(owner), causal).astype(np.float32).astype(float)
    rows, first = np.zeros((2, HEADS, size, size))
    sees = np.zeros((size, size), dtype=bool)
    for u in range(size):
        for v in range(size):
            if u == v or not tokens[u] or not tokens[v]:
                continue
            sees[u, v] = not causal or max(tokens[v]) <= max(tokens[u])
            by_token = np.array([[attention[:, q, k] for k in tokens[v]] for q in tokens[u]]).sum(1)
            rows[:, u, v], first[:, u, v] = by_token.mean(0), by_token[0]
    return Words(rows, first, sees, tokens)


Targets = Callable[[Document, int, int], bool]


def relation_of(told: Document, word: int) -> str:
    return (told.relations or ())[word]


def governs(told: Document, governor: int, word: int) -> bool:
    return (told.governors or ())[word] == governor


def tag_of(told: Document, word: int) -> str:
    return (told.tags or ())[word]


def linked(told: Document, query: int, key: int, way: str) -> bool:
    found = False
    for n, mine in enumerate(told.entities or ()):
        for m, other in enumerate(told.entities or ()):
            if mine.start <= query < mine.end and other.start <= key < other.end:
                same = mine.entity == other.entity
                found |= {"within": n == m, "same": n != m and same, "type": not same and mine.kind == other.kind}[way]
    return found


WORD_ROLES: dict[str, tuple[Role, Targets]] = {
    "tag": (tagged("NOUN"), lambda d, q, k: tag_of(d, k) == "NOUN"),
    "same_tag": (same_tag(), lambda d, q, k: tag_of(d, q) == tag_of(d, k) != "_"),
    "punctuation": (
        punctuation(),
        lambda d, q, k: tag_of(d, k) == "PUNCT" or (tag_of(d, k) == "_" and d.words[k] in MARKS),
    ),
    "delimiter": (delimiter(), lambda d, q, k: tag_of(d, k) in ("PUNCT", "_") and d.words[k] in MARKS[:3]),
    "within": (entities()[0], lambda d, q, k: linked(d, q, k, "within")),
    "same": (entities()[1], lambda d, q, k: linked(d, q, k, "same")),
    "type": (entities()[2], lambda d, q, k: linked(d, q, k, "type")),
    "column": (from_governor("det"), lambda d, q, k: relation_of(d, q) == "det" and governs(d, k, q)),
    "first": (to_governor_first("det"), lambda d, q, k: relation_of(d, q) == "det" and governs(d, k, q)),
    "governor": (aligned_governor(), lambda d, q, k: governs(d, k, q)),
    "dependent": (aligned_dependent(), lambda d, q, k: governs(d, q, k)),
    "either": (aligned_either(), lambda d, q, k: governs(d, k, q) or governs(d, q, k)),
}


@cache
def rich_corpus() -> Corpus:
    return Corpus("rich", tuple(rich_documents()), "none")


def observations(encoded: EncodedCorpus, causal: bool, role: Role, is_target: Targets) -> Iterator[tuple]:
    """(hit, mass, word mass) by head, and what the two even baselines earn, of every scored query."""
    for number, told in enumerate(encoded.corpus):
        words = words_of(encoded, number, causal)
        attention = {"rows": words.rows, "first": words.first, "columns": words.rows.transpose(0, 2, 1)}[role.view]
        sees = words.sees.T if role.view == "columns" else words.sees
        for query in range(len(told.words)):
            candidates = [k for k in range(len(told.words)) if sees[query, k]]
            targets = [k for k in candidates if is_target(told, query, k)]
            if len(candidates) < 2 or not targets:
                continue
            row = attention[:, query]
            tied = row[:, candidates] >= row[:, candidates].max(1, keepdims=True) - 1e-6
            hit = (tied & np.isin(candidates, targets)).sum(1) / tied.sum(1)
            size = sum(len(words.tokens[k]) for k in candidates)
            even = len(targets) / len(candidates), sum(len(words.tokens[k]) for k in targets) / size
            yield hit, row[:, targets].sum(1), row[:, candidates].sum(1), *even


@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("name", WORD_ROLES)
def test_roles_over_words_are_those_of_a_plain_loop(name: str, causal: bool) -> None:
    role, is_target = WORD_ROLES[name]
    model = FakeModel(at_random(causal), HEADS, causal=causal)
    encoded = encode(model, rich_corpus())
    # beside others of all kinds
    sums = tally_roles(model, encoded, [rare(2), role, *syntax(["det"]), tagged("VERB")])
    number = [label.definition for label in sums.roles].index(role.definition)
    hit, mass, word_mass, even, even_tokens = zip(*observations(encoded, causal, role, is_target), strict=True)
    assert sums.n[number].sum() == len(hit) > 15
    for mine, theirs in ((sums.hit, hit), (sums.mass, mass), (sums.word_mass, word_mass)):
        np.testing.assert_allclose(mine[number].sum(-1), np.sum(theirs, axis=0), rtol=1e-5)
    earned = dict(zip(sums.baselines, sums.baseline[number].sum(-1), strict=True))
    np.testing.assert_allclose(earned["uniform"] if "uniform" in role.baselines else sum(even), sum(even))
    if "uniform_tokens" in role.baselines:
        np.testing.assert_allclose(earned["uniform_tokens"], sum(even_tokens))


@pytest.mark.parametrize("causal", [False, True])
def test_the_rarest_token_is_that_of_a_plain_loop(causal: bool) -> None:
    model = FakeModel(at_random(causal), HEADS, causal=causal)
    encoded = encode(model, rich_corpus())
    text = [one.tokens[~one.special].tolist() for one in encoded.encodings]
    count: dict[int, int] = {}
    for token in (token for tokens in text for token in tokens):
        count[token] = count.get(token, 0) + 1
    order = sorted(count, key=lambda token: (-count[token], token))
    assert len(order) == 3, "pieces of one, two or three letters"
    total, n, earned = np.zeros(HEADS), 0, 0.0
    for number, encoding in enumerate(encoded.encodings):
        places = np.flatnonzero(~encoding.special)
        rarest = max(encoding.tokens[places].tolist(), key=order.index)
        attention = attention_of(number, len(encoding.tokens), causal)
        for query in places if order.index(rarest) >= 1 else []:
            seen = query + 1 if causal else len(encoding.tokens)
            keys = [k for k in places if encoding.tokens[k] == rarest and k != query and k < seen]
            if keys:
                n, total, earned = n + 1, total + attention[:, query, keys].sum(1), earned + len(keys) / seen
    sums = tally_roles(model, encoded, rare(most_frequent=1))
    assert sums.n.sum() == n > 50
    np.testing.assert_allclose(sums.mass[0].sum(-1), total, rtol=1e-5)
    np.testing.assert_allclose(np.nansum(sums.baseline), earned)
    assert tally_roles(model, encoded, rare()).n.sum() == 0, "all tokens are among the 500 most frequent"


def test_what_has_no_query_is_blamed_on_causality_in_causal_models_alone() -> None:
    told = [document(["f", "aa", "b", "cc"], [3, 2, 3, -1], ["cc", "det", "nsubj", "root"], f"s{n}") for n in range(30)]
    corpus = Corpus("later", tuple(told), "none")
    needs = Criteria(min_queries=5, min_blocks=3)

    def said(causal: bool) -> str:
        asked = lambda _: (rare(), *syntax(["det"]))  # noqa: E731
        model = FakeModel(uniform, 1, causal=causal)
        return head_roles.run(model, corpus, roles=asked, criteria=needs).notes[0]

    assert said(causal=False) == "No query has a target here: rare."
    # every governor stands to the right
    expected = (
        "No query has a target here that it can see (in a causal model none that comes later): rare, det.to_governor"
    )
    assert said(causal=True) == f"{expected}."


def test_ranks_count_text_alone_and_the_larger_id_is_the_rarer() -> None:
    encodings = tuple(
        Encoding(np.array(tokens), np.zeros((len(tokens), 2), dtype=np.int32), np.array(special))
        for tokens, special in (([9, 4, 4, 2], [True, False, False, False]), ([9, 2, 7, 3], [True, *[False] * 3]))
    )
    encoded = EncodedCorpus(rich_corpus(), encodings, (), {})
    assert encoded.ranks.tolist() == [-1, -1, 0, 2, 1, -1, -1, 3]


def test_a_head_of_one_offset_follows_no_dependency() -> None:
    """Where each word's dependent is the one before it, a previous-word head is as good as the baseline."""

    def to_previous_word(batch: Batch) -> Tensor:
        on_it = (batch.word[:, None, :] == batch.word[:, :, None] - 1) & (batch.word >= 0)[:, None, :]
        at_first = (torch.arange(batch.tokens.shape[1]) == 0).expand_as(on_it)
        looks = torch.where(on_it.any(-1, keepdim=True), on_it, at_first).float()
        return (looks / looks.sum(-1, keepdim=True))[:, None]

    told = [document(["aa", "b", "cccc", "d"], [1, 2, 3, -1], ["det"] * 4, f"s{number}") for number in range(60)]
    corpus = Corpus("chains", tuple(told), "none")
    row = score(FakeModel(to_previous_word, 1), corpus, roles=aligned_dependent()).iloc[0]
    assert (row.baseline_name, row.baseline, row["mass"], row.lift) == ("offset-1", 1, 1, 0)


def test_marks() -> None:
    told = document(["Hi", ",", "U.S.", "...", "§", "、", "$"], [-1, 0, 0, 0, 0, 0, 0], ["root"] * 7, "s")
    assert marks(told) == [-1, 1, -1, 0, 0, 1, -1]
    assert marks(replace(told, tags=("X", "PUNCT", "PUNCT", "SYM", "_", "_", "PUNCT"))) == [-1, 1, 0, -1, 0, 1, 0]


PENN = {
    "Yes": "UH", ",": ",", "5": "CD", "%": "NN", "(": "-LRB-", "A": "NNP", "&": "CC", "B": "NNP", ")": "-RRB-",
    "``": "``", "====": "NFP", "''": "''", "dogs": "NNS", "'": "POS", "$": "$", "--": ":", "-": "HYPH", "!": ".",
}  # fmt: skip


def test_marks_by_the_tags_of_the_penn_treebank() -> None:
    """Commas and the like are punctuation; a noun, a conjunction and a possessive are none."""
    told = replace(document(list(PENN), [-1] * len(PENN), ["root"] * len(PENN), "s"), tags=tuple(PENN.values()))
    found = dict(zip(PENN, marks(told), strict=True))
    assert {word for word, mark in found.items() if mark == 1} == {","}
    assert {word for word, mark in found.items() if mark == 0} == {"(", ")", "``", "====", "''", "--", "-", "!"}
    # of another set of tags nothing is known: letters decide
    other = document(["so", "!"], [-1, 0], ["root", "punct"], "s")
    assert marks(replace(other, tags=("adverb", "Satzzeichen"))) == [-1, 0]
    # in a sentence of a treebank without any mark, a symbol stays one
    assert marks(replace(other, words=("5", "%"), tags=("NUM", "SYM"))) == [-1, -1]


def test_no_mark_is_a_part_of_speech() -> None:
    marked = (",", ".", ":", "``", "''", "-LRB-", "-RRB-", "-LSB-", "HYPH", "NFP", "PUNCT", "--", "(")
    asked = [role.name for role in roles.lexical(Corpus("all", (_tagged(*marked, "$", "#", "NN", "PRP$", "_"),), ""))]
    assert [name for name in asked if name.startswith("tag.")] == ["tag.#", "tag.$", "tag.NN", "tag.PRP$"]
    none = roles.lexical(Corpus("marks", (_tagged(*marked),), ""))
    assert [role.name for role in none] == [role.name for role in roles.lexical()]


def _tagged(*tags: str) -> Document:
    return replace(document(["a"] * len(tags), [-1] * len(tags), ["root"] * len(tags), "s"), tags=tags)


def test_attention_on_commas_is_found_with_penn_tags() -> None:
    """The same sentences score alike by either set of tags."""

    def with_tags(told: Document, mark: str | None, noun: str) -> Document:
        return replace(told, tags=tuple((mark or word) if word in MARKS[:-1] else noun for word in told.words))

    bare = [with_tags(told, "PUNCT", "NOUN") for told in rich_documents(60)]
    penn = [with_tags(told, None, "NN") for told in bare]
    model = FakeModel(at_random(False), HEADS)
    first, second = (
        tally_roles(model, encode(model, Corpus("marks", tuple(told), "")), [delimiter(), punctuation()])
        for told in (bare, penn)
    )
    assert first.n.sum() > 100
    np.testing.assert_array_equal(first.n, second.n)
    np.testing.assert_array_equal(first.mass, second.mass)


def test_words_of_entities_are_linked() -> None:
    told = document(["a"] * 6, [-1] * 6, ["root"] * 6, "s")
    named = (Mention(0, 2, 0, "person"), Mention(3, 4, 0, "person"), Mention(4, 6, 1, "person"), Mention(4, 5, 2))
    found = entity_pairs(replace(told, entities=named))
    ways = {way: {pair[:2] for pair in found if pair[2] == way} for way in EntityLink}
    assert ways[EntityLink.WITHIN] == {(0, 1), (1, 0), (4, 5), (5, 4)}
    assert ways[EntityLink.SAME] == {(0, 3), (1, 3), (3, 0), (3, 1)}
    assert ways[EntityLink.TYPE] == {(a, b) for x, y in ((0, 4), (3, 4)) for a, b in _both(x, y)}
    assert entity_pairs(told) == []
    assert all(max(pair[:2]) < 4 for pair in entity_pairs(replace(told, entities=named), 4))


def _both(first: int, other: int) -> set[tuple[int, int]]:
    mine, theirs = {0: (0, 1), 3: (3,)}[first], {4: (4, 5)}[other]
    return {pair for a in mine for b in theirs for pair in ((a, b), (b, a))}


def test_rows_keep_what_lexical_roles_ask_for() -> None:
    model = FakeModel(uniform, 1)
    encoded = encode(model, rich_corpus())
    whole, some = collate(encoded, range(6), model), collate(encoded, [4, 1], model)
    rows = whole.rows([4, 1]).shortened(model.pad_token)
    assert rows.rank is not None and rows.mark is not None and rows.entity_pair is not None
    assert some.rank is not None and some.mark is not None
    assert torch.equal(rows.rank, some.rank)
    assert torch.equal(rows.mark[:, : some.mark.shape[1]], some.mark)
    first, *_ = parts(whole, whole.tokens.shape[1])
    assert first.rank is not None and len(first.rank) == 1


def test_even_attention_has_no_lexical_role() -> None:
    """Long words get more of it, which the tokens of the candidates account for."""
    documents = tuple(replace(told, source=f"s{number}") for number, told in enumerate(rich_documents(300)))
    # nouns are long
    model, corpus = FakeModel(uniform, 1), Corpus("even", tuple(_with_long_nouns(told) for told in documents), "none")
    scores = score(model, corpus, roles="lexical")
    nouns = scores[(scores.role == "tag.NOUN") & (scores.split == "confirm")].iloc[0]
    assert nouns.baseline_name == "uniform_tokens" and nouns.p > 0.05
    assert nouns.mass > 0 and (scores.lift < 0.02).all()


def _with_long_nouns(told: Document) -> Document:
    tags = told.tags or ()
    words = ["abcdefghijklmno" if tag == "NOUN" else word[:3] for word, tag in zip(told.words, tags, strict=True)]
    return replace(document(words, told.governors or (), told.relations or (), told.source), tags=tags)


def to_nouns(batch: Batch) -> Tensor:
    """One head whose tokens look at all tokens of nouns alike, else at the first token."""
    tags = torch.where(batch.word >= 0, batch.tag.gather(1, batch.word.clamp(min=0)), -1)
    on_nouns = (tags == batch.tags.index("NOUN"))[:, None, :].expand(-1, batch.tokens.shape[1], -1)
    at_first = (torch.arange(batch.tokens.shape[1]) == 0).expand_as(on_nouns)
    looks = torch.where(on_nouns.any(-1, keepdim=True), on_nouns, at_first).float()
    return (looks / looks.sum(-1, keepdim=True))[:, None]


def test_a_head_that_looks_at_nouns_has_that_role_alone() -> None:
    documents = tuple(replace(told, source=f"s{number}") for number, told in enumerate(rich_documents(300)))
    corpus = Corpus("nouns", documents, "none")
    model = FakeModel(to_nouns, 1)
    sums = tally_roles(model, encode(model, corpus), roles.lexical)
    scores = score_table(sums, seed=0)
    assert classify(sums, scores).role.tolist() == ["tag.NOUN"]
    assert "NOUN" in [text.get_text() for text in role_maps(scores, classify(sums, scores)).axes[0].texts]
    assert best_heads(scores).axes, "roles judged by mass are left out of the figure of hits"


def tags_of(model: FakeModel, corpus: Corpus) -> pd.DataFrame:
    return tag_table(tally_tags(model, encode(model, corpus)), TAG_CARD.id, seed=0)


def sums_of(share: np.ndarray, n: np.ndarray) -> TagSums:
    """One head, one tag, which gets that share of the half of its attention that is on words."""
    return TagSums(
        tags=("A",),
        heads=(("self", 0, 0),),
        group=np.array([0]),
        n=np.stack([n, n])[None],
        expected=np.broadcast_to(0.25 * n, (1, 2, 1, len(n))),
        mass=np.broadcast_to(0.5 * share * n, (1, 2, 1, len(n))),
        word_mass=np.broadcast_to(0.5 * n, (1, 2, len(n))),
    )


def test_the_interval_of_a_tag_holds_the_truth() -> None:
    """Shares with noise that a block has in common: in 200 corpora of 40 blocks the truth is in 95 % of intervals."""
    rng, held = np.random.default_rng(0), []
    for _ in range(200):
        n = rng.integers(5, 40, size=40)
        share = rng.normal(0.4, 0.1, size=40)
        table = tag_table(sums_of(share, n), "d", seed=0)
        assert table.share[0] == pytest.approx((share * n).sum() / n.sum())
        held.append(table.ci_low[0] <= 0.4 - 0.25 <= table.ci_high[0])
    assert 0.91 < np.mean(held) < 0.99
    few = sums_of(np.full(40, 0.4), np.where(np.arange(40) < 11, 20, 0))
    assert tag_table(few, "d", seed=0)[["ci_low", "ci_high"]].isna().all(axis=None)


@pytest.mark.parametrize("causal", [False, True])
def test_tags_by_tags_are_those_of_a_plain_loop(causal: bool) -> None:
    model = FakeModel(at_random(causal), HEADS, causal=causal)
    encoded = encode(model, rich_corpus())
    table = tags_of(model, encoded.corpus).set_index(["head", "from_tag", "to_tag"])
    for of, to in (("NOUN", "VERB"), ("PUNCT", "PUNCT"), ("any", "PROPN")):
        mass, word_mass, even, n = np.zeros(HEADS), np.zeros(HEADS), 0.0, 0
        for number, told in enumerate(encoded.corpus):
            words = words_of(encoded, number, causal)
            for query in range(len(told.words)):
                candidates = np.flatnonzero(words.sees[query])
                if len(candidates) < 2 or of not in ("any", tag_of(told, query)):
                    continue
                n += 1
                targets = [k for k in candidates.tolist() if tag_of(told, k) == to]
                mass += words.rows[:, query, targets].sum(1)
                word_mass += words.rows[:, query, candidates].sum(1)
                size = [len(words.tokens[k]) for k in candidates]
                even += sum(len(words.tokens[k]) for k in targets) / sum(size)
        for head in range(HEADS):
            row: Any = table.loc[(head, of, to)]  # pyright: ignore[reportCallIssue, reportArgumentType] - a key of three levels
            assert row.n == n > 10
            found = row[["mass", "word_mass", "share", "expected"]].to_numpy(dtype=float)
            wanted = [mass[head] / n, word_mass[head] / n, mass[head] / word_mass[head], even / n]
            np.testing.assert_allclose(found, wanted, rtol=1e-5)
    sums = table.reset_index().groupby(["head", "from_tag"])[["share", "expected"]].sum()
    assert (sums.loc[(slice(None), "any"), :] < 1).all(axis=None), "words without a tag are attended to, too"
    assert "_" not in set(table.reset_index().from_tag) | set(table.reset_index().to_tag)


def test_a_corpus_without_tags_has_no_matrix() -> None:
    model = FakeModel(uniform, 1)
    with pytest.raises(InterpError, match="needs part-of-speech tags"):
        tags_of(model, Corpus("bare", tuple(random_documents(3)), "none"))


def test_words_that_have_no_choice_have_no_matrix() -> None:
    pairs = [replace(document(["a", "b"], [-1, 0], ["root", "x"], f"s{n}"), tags=("X", "Y")) for n in range(3)]
    with pytest.raises(InterpError, match="No word of 'pairs' has two others"):
        tags_of(FakeModel(uniform, 1), Corpus("pairs", tuple(pairs), "none"))


def test_the_figure_of_tags_shows_the_head_that_looks_at_nouns() -> None:
    model = FakeModel(to_nouns, 1)
    figure = tag_matrices(tags_of(model, rich_corpus()), least=5)
    assert figure.axes[0].get_title(loc="left") == "head 0.0, most to NOUN"
    shown = [tick.get_text() for tick in figure.axes[0].get_xticklabels()]
    assert shown == sorted(set(TAGS) - {"_"})
    nothing = tag_matrices(pd.DataFrame(columns=["site", "layer", "head", "from_tag", "to_tag", "n", "excess"]))
    assert nothing.texts[0].get_text().startswith("nothing to show")
