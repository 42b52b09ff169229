"""The annotation baselines: every credit found again word by word; heads that know no more than tags."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from interp import roles
from interp.api import score, tally_roles
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.mentions import nearest_agreeing, nearest_same_word
from interp.roles.annotation_baselines import annotation_baselines
from interp.tables import score_table
from interp.types import Batch, Corpus, Document, Mention
from tests.support.fakes import FakeModel, document, random_documents, to_governor, uniform

TAGS = ("ADJ", "NOUN", "VERB")
CLASSES = {
    **{f"tag {tag}": (tag,) for tag in TAGS},
    "class noun or adjective": ("ADJ", "NOUN"),
    "class noun, adjective or verb": TAGS,
}
KEYS = ["role", "split", "head"]
HARDER = ["guess_pos", "lift_pos", "lift_pos_low", "lift_pos_high"]


def tagged(count: int, seed: int = 0) -> Corpus:
    rng = np.random.default_rng(seed)
    documents = [
        replace(one, tags=tuple(rng.choice(TAGS, size=len(one.words)).tolist()))
        for one in random_documents(count, seed)
    ]
    return Corpus("tagged", tuple(documents), "none")


def on_word(aim: Callable[[Document, int], int | None], documents: Sequence[Document]) -> Callable[[Batch], Tensor]:
    """One head whose tokens look evenly at the tokens of the word that `aim` names, at the first token without one."""

    def attend(batch: Batch) -> Tensor:
        rows, size = batch.tokens.shape
        pattern = torch.zeros(rows, 1, size, size)
        for row, number in enumerate(batch.document.tolist()):
            words = batch.word[row].tolist()
            for query, word in enumerate(words):
                target = aim(documents[number], word) if word >= 0 else None
                keys = [key for key, other in enumerate(words) if other == target] if target is not None else []
                for key in keys or [0]:
                    pattern[row, 0, query, key] = 1 / len(keys or [0])
        return pattern

    return attend


def nearest(one: Document, word: int, way: str, *tags: str) -> int | None:
    """Step by step away from the word; to the end of a run as long as there is another."""
    step = -1 if way == "previous" else 1
    place = word + step
    assert one.tags is not None
    while 0 <= place < len(one.words):
        if one.tags[place] in tags:
            if way == "end of next":
                while place + 1 < len(one.words) and one.tags[place + 1] in tags:
                    place += 1
            return place
        place += step
    return None


def credits_of(corpus: Corpus, causal: bool) -> pd.DataFrame:
    """What every baseline earns on every query of every role, in loops; every word here owns a token."""
    rows = []
    for one in corpus:
        assert one.governors is not None and one.relations is not None
        asked: dict[tuple[str, int], set[int]] = {}
        for word, (governor, relation) in enumerate(zip(one.governors, one.relations, strict=True)):
            if governor >= 0:
                asked.setdefault((f"{relation}.to_governor", word), set()).add(governor)
                asked.setdefault((f"{relation}.to_dependent", governor), set()).add(word)
        for (role, word), targets in asked.items():
            candidates = {other for other in range(len(one.words)) if other != word and (other < word or not causal)}
            if len(candidates) < 2 or not targets & candidates:
                continue
            for name, tags in CLASSES.items():
                for way in ("previous", "next", "end of next"):
                    named = nearest(one, word, way, *tags)
                    earned = named in targets & candidates
                    rows.append((role, one.block % 2 == 0, f"{way} {name}", float(earned)))
    return pd.DataFrame(rows, columns=["role", "even", "baseline", "credit"])


@pytest.mark.parametrize("causal", [False, True])
def test_baseline_and_lift_are_those_of_loops_over_words(causal: bool) -> None:
    corpus = tagged(150, seed=1)
    scores = score(FakeModel(uniform, 1, causal=causal), corpus, roles="syntax")
    earned = credits_of(corpus, causal)
    order = [f"{way} {name}" for name in CLASSES for way in ("previous", "next")]
    order += [f"end of next {name}" for name in CLASSES]
    assert list(annotation_baselines(corpus)) == order
    for row in scores.itertuples():
        own = earned[earned.role == row.role]
        on_select = own[own.even].groupby("baseline").credit.sum().reindex(order)
        expected = on_select.idxmax()  # the first of the largest
        here = own if row.split == "all" else own[own.even == (row.split == "select")]
        here = here[here.baseline == expected]
        assert row.guess_pos == expected
        assert len(here) == row.n
        lift: Any = row.lift_pos
        assert lift == pytest.approx(row.hit - here.credit.to_numpy(dtype=float).mean(), abs=1e-9)
    assert causal == (not scores.guess_pos.str.contains("next").any())


def test_the_best_of_all_is_the_end_of_a_run_where_that_is_the_answer() -> None:
    """Every verb's governor is the last noun or adjective of the next run of them: a compound with its modifiers."""
    runs = ("ADJ", "NOUN")
    moved = []
    for one in tagged(300, seed=5):
        tags = one.tags or ()
        aims = [nearest(one, word, "end of next", *runs) if tag == "VERB" else None for word, tag in enumerate(tags)]
        governors = tuple(-1 if aim is None else aim for aim in aims)
        moved.append(replace(one, governors=governors, relations=tuple("obj" if g >= 0 else "root" for g in governors)))
    planted = Corpus("planted", tuple(moved), "none")
    found = score(FakeModel(to_governor, 1), planted, roles="syntax").query("role == 'obj.to_governor'")
    assert set(found.guess_pos) == {"end of next class noun or adjective"}
    np.testing.assert_array_equal(found[["lift_pos", "lift_pos_low", "lift_pos_high"]], 0.0)


def test_its_interval_is_that_of_a_baseline_of_the_same_credit() -> None:
    """Made as that of the lift over a baseline: the same sums, with the annotation baseline in the baseline's place."""
    corpus = tagged(200, seed=6)
    model = FakeModel(to_governor, 1)
    sums = tally_roles(model, encode(model, corpus), roles.syntax(corpus))
    scores = score_table(sums, seed=0)
    assert sums.annotation is not None
    chosen = sums.annotation_baselines.index("previous tag NOUN")
    as_baseline = replace(
        sums,
        roles=tuple(replace(role, baselines=("offset-1",)) for role in sums.roles),
        baselines=("offset-1",),
        baseline=sums.annotation[:, chosen : chosen + 1],
    )
    expected = score_table(as_baseline, seed=0)
    same = (scores.guess_pos == "previous tag NOUN").to_numpy()
    assert same.sum() > 2
    columns = ["lift_pos", "lift_pos_low", "lift_pos_high"]
    np.testing.assert_allclose(scores.loc[same, columns], expected.loc[same, ["lift", "ci_low", "ci_high"]], rtol=1e-9)


def test_a_head_that_only_knows_the_next_verb_has_no_lift_over_it() -> None:
    corpus = tagged(300, seed=2)
    # every adjective's governor becomes the next verb, where there is one
    moved = []
    for one in corpus:
        aims = [nearest(one, word, "next", "VERB") if tag == "ADJ" else None for word, tag in enumerate(one.tags or ())]
        governors = tuple(-1 if aim is None else aim for aim in aims)
        moved.append(replace(one, governors=governors, relations=tuple("obj" if g >= 0 else "root" for g in governors)))
    planted = Corpus("planted", tuple(moved), "none")
    knows = FakeModel(on_word(lambda one, word: nearest(one, word, "next", "VERB"), planted.documents), 1)
    scores = score(knows, planted, roles="syntax")
    found = scores[scores.role == "obj.to_governor"]
    assert set(found.guess_pos) == {"next tag VERB"}
    np.testing.assert_array_equal(found.lift_pos, 0.0)
    assert (found.hit == 1).all() and (found.lift > 0.1).all(), "the contract's baselines are not that good"


def test_a_head_that_knows_the_relation_beats_every_part_of_speech() -> None:
    scores = score(FakeModel(to_governor, 1), tagged(300, seed=3), roles="syntax")
    found = scores[scores.role.str.endswith("to_governor")]
    assert (found.hit == 1).all() and (found.lift_pos > 0.4).all()


def test_without_tags_and_for_roles_over_tokens_the_columns_are_empty() -> None:
    without = Corpus("trees", tuple(random_documents(60)), "none")
    scores = score(FakeModel(uniform, 1), without)
    assert scores[HARDER].isna().all(axis=None)
    scores = score(FakeModel(uniform, 1), tagged(60))
    by_hits = scores.statistic == "hit"
    assert by_hits.any() and not by_hits.all()
    assert scores.loc[~by_hits, HARDER].isna().all(axis=None)
    assert scores.loc[by_hits, ["guess_pos", "lift_pos"]].notna().all(axis=None)


def test_harder_baselines_change_no_other_number() -> None:
    corpus = tagged(60)
    without = Corpus("tagged", tuple(replace(one, tags=None) for one in corpus), "none")
    model = FakeModel(to_governor, 1)
    asked = roles.syntax(corpus)  # without tags there are no roles of tags, either
    tables = [score(model, corpus_, roles=asked) for corpus_ in (corpus, without)]
    one, other = (table.drop(columns=HARDER) for table in tables)
    pd.testing.assert_frame_equal(one, other)


def test_parts_merge_to_the_whole() -> None:
    corpus = tagged(60)
    asked, model = roles.syntax(corpus), FakeModel(uniform, 1)

    def of(part: slice) -> Corpus:
        return Corpus("part", corpus.documents[part], "none")

    whole, left, right = (
        tally_roles(model, encode(model, of(part)), asked) for part in (slice(None), slice(25), slice(25, None))
    )
    merged = left.merge(right)
    assert (
        whole.annotation_baselines is not None
        and merged.annotation_baselines is not None
        and whole.annotation_baselines == annotation_baselines(corpus)
    )
    np.testing.assert_array_equal(merged.annotation_baselines, whole.annotation_baselines)
    with pytest.raises(ValueError, match="same roles, heads and baselines"):
        left.merge(replace(right, annotation_baselines=()))


def test_the_nearest_mention_that_agrees() -> None:
    words = ["Mary", "told", "John", "that", "the", "girls", "saw", "him", "because", "she", "and", "they", "left"]
    mentions = (
        Mention(0, 1, 0, gender="f", number="sing"),
        Mention(2, 3, 1, gender="m", number="sing"),
        Mention(4, 6, 2, number="plur"),
        Mention(7, 8, 1, gender="m", number="sing"),
        Mention(9, 10, 0, gender="f", number="sing"),
        Mention(11, 12, 2, number="plur"),
    )
    one = Document("d", " ".join(words), tuple(words), np.zeros((len(words), 2), dtype=np.int32), mentions=mentions)
    #                                    Mary told John that the girls saw him because she and they left
    assert nearest_agreeing(one) == [-1, -1, -1, -1, -1, -1, -1, 2, -1, 0, -1, 5, -1]
    unknown = replace(one, mentions=tuple(mention._replace(gender=None, number=None) for mention in mentions))
    assert nearest_agreeing(unknown) == [-1, -1, 0, -1, -1, 2, -1, 5, -1, 7, -1, 9, -1]
    assert nearest_agreeing(replace(one, mentions=None)) == [-1] * len(words)


def agreeing_corpus(count: int, *, annotated: bool) -> Corpus:
    """`she` refers to the one woman before it, who is now the nearest name and now the farther one."""
    documents = []
    for number in range(count):
        names = ["Ann", "Bob", "Tim"] if number % 2 else ["Bob", "Ann", "Tim"]
        words = [*names, "said", "she", "left"]
        genders = ["f" if name == "Ann" else "m" for name in names] + ["f"]
        mentions = tuple(
            Mention(word, word + 1, 0 if gender == "f" else 1 + word, gender=gender if annotated else None)
            for word, gender in zip((0, 1, 2, 4), genders, strict=True)
        )
        one = document(words, [-1] * 6, ["root"] * 6, f"s{number}")
        documents.append(replace(one, mentions=mentions))
    return Corpus("names", tuple(documents), "none")


def test_coreference_is_held_against_the_mention_that_agrees() -> None:
    corpus = agreeing_corpus(150, annotated=True)
    scores = score(FakeModel(uniform, 1), corpus, roles="coreference")
    # `she` is a word for the first time in every text: by spelling it finds what it finds by agreement
    assert set(scores.guess_pos) == {"nearest_agreeing_mention"}
    np.testing.assert_allclose(scores.lift_pos, scores.hit - 1)
    assert (scores.baseline < 0.7).all(), "by place alone the woman is found about every second time"
    without = score(FakeModel(uniform, 1), agreeing_corpus(150, annotated=False), roles="coreference")
    assert set(without.guess_pos) == {"nearest_same_word_mention"}


def test_the_nearest_mention_with_the_same_head_word() -> None:
    words = ["The", "old", "man", "saw", "Ann", "and", "the", "man", "saw", "her", "and", "Man", "she", "Her"]
    mentions = (
        Mention(0, 3, 0, gender="m"),
        Mention(4, 5, 1, gender="f"),
        Mention(6, 8, 0, gender="m"),
        Mention(9, 10, 1, gender="f"),
        Mention(11, 12, 0, gender="m"),
        Mention(12, 13, 1, gender="f"),
        Mention(13, 14, 1, gender="f"),
    )
    one = replace(document(words, [], [], "d"), governors=None, relations=None, mentions=mentions)
    # man (7) and Man (11) find the man before; her and she a woman; Her the other her, past she
    expected = dict.fromkeys(range(len(words)), -1) | {7: 2, 9: 4, 11: 7, 12: 9, 13: 9}
    assert nearest_same_word(one) == list(expected.values())
    corpus = Corpus("c", (one,), "none")
    model = FakeModel(uniform, 1)
    batch = collate(encode(model, corpus), [0], model)
    assert batch.nearest_same_word[0].tolist() == list(expected.values())
