"""Roles that ask every query for the same words, as products and as lists, against a loop over queries."""

from collections import Counter
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch import Tensor

from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.roles.lexical import same_tag, tagged
from interp.tallies import key_sets
from interp.tallies.key_sets import find_key_sets
from interp.tallies.roles import RoleTally
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, EncodedCorpus
from tests.support import oracle
from tests.support.fakes import FakeModel, mostly_last, random_documents, uniform

TAGS = ("A", "B", "C")
ROLES = (tagged("A"), tagged("C"), same_tag())


def wild(batch: Batch) -> Tensor:
    """At random, the same however much a document is padded."""
    size = batch.tokens.shape[1]
    drawn = [torch.rand(60, 60, generator=torch.Generator().manual_seed(int(one))) for one in batch.document]
    pattern = torch.stack(drawn)[:, None, :size, :size] ** 3 * batch.mask[:, None, None, :]
    return pattern / pattern.sum(-1, keepdim=True)


def tagged_corpus(model: FakeModel) -> EncodedCorpus:
    """Documents whose words have a tag each; some have no C at all."""
    rng = np.random.default_rng(1)
    some = [
        replace(one, tags=tuple(rng.choice(TAGS[: 2 + number % 2], size=len(one.words)).tolist()))
        for number, one in enumerate(random_documents(12, seed=4, sizes=(1, 14)))
    ]
    return encode(model, Corpus("tagged", tuple(some), "none"))


def by_loops(model: FakeModel, encoded: EncodedCorpus, causal: bool) -> dict[str, Counter[str]]:
    """Sums of the head, one document and one query at a time."""
    found = {role.name: Counter[str]() for role in ROLES}
    for number, document in enumerate(encoded.corpus.documents):
        batch = collate(encoded, [number], model)
        word, tags = batch.word[0].tolist(), document.tags or ()
        owned = [[at for at, owner in enumerate(word) if owner == one] for one in range(len(document.words))]
        attention = oracle.word_attention(model.attend(batch).numpy(), owned)[0, 0]
        for query in range(len(owned)):
            candidates = oracle.word_candidates(owned, query, causal) if owned[query] else []
            largest = max((attention[query, key] for key in candidates), default=0)
            best = [key for key in candidates if attention[query, key] >= largest - 1e-6]
            for name, wanted in (("tag.A", "A"), ("tag.C", "C"), ("same_tag", tags[query])):
                targets = [key for key in candidates if tags[key] == wanted]
                if len(candidates) < 2 or not targets:
                    continue
                tokens = sum(len(owned[key]) for key in candidates)
                found[name] += Counter(
                    n=1,
                    hit=len(set(targets) & set(best)) / len(best),  # pyright: ignore[reportArgumentType]
                    mass=attention[query, targets].sum(),
                    word_mass=attention[query, candidates].sum(),
                    uniform=len(targets) / len(candidates),  # pyright: ignore[reportArgumentType]
                    uniform_tokens=sum(len(owned[key]) for key in targets) / tokens,  # pyright: ignore[reportArgumentType]
                )
    return found


@pytest.mark.parametrize("many", [0, 10**9])
@pytest.mark.parametrize("causal", [False, True])
@pytest.mark.parametrize("attend", [uniform, wild, mostly_last])
def test_sums_are_those_of_a_loop(
    monkeypatch: pytest.MonkeyPatch, attend: Callable[[Batch], Tensor], causal: bool, many: int
) -> None:
    """Evenly spread, so that all candidates tie; at random; and hardly on words, so that keys without any tie, too."""
    monkeypatch.setattr(key_sets, "MANY", many)
    model = FakeModel(attend, 1, causal=causal)
    encoded = tagged_corpus(model)
    counted = RoleTally(ROLES, model.heads)
    rows = range(len(encoded))
    stream(model, [collate(encoded, rows[:7], model), collate(encoded, rows[7:], model)], counted)
    sums, expected = counted.sums(), by_loops(model, encoded, causal)
    for number, role in enumerate(sums.roles):
        of_role = expected[role.name]
        assert sums.n[number].sum() == of_role["n"] > 20
        for name in ("hit", "mass", "word_mass"):
            found = getattr(sums, name)[number, 0].sum()
            np.testing.assert_allclose(found, of_role[name], atol=1e-5, err_msg=f"{name} of {role.name}")
        for name in ("uniform", "uniform_tokens"):
            found = sums.baseline[number, sums.baselines.index(name)].sum()
            np.testing.assert_allclose(found, of_role[name], rtol=1e-12, err_msg=f"{name} of {role.name}")


def test_only_roles_that_mark_the_same_keys_for_all_are_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(key_sets, "MANY", 0)
    model = FakeModel(uniform, 1)
    batch = collate(tagged_corpus(model), range(4), model)
    size = batch.governor.shape[1]
    everything = torch.ones(4, size, size, dtype=torch.bool)
    by_hit = replace(tagged("B"), statistic="hit")
    held_to_more = replace(tagged("B"), baselines=("uniform", "first"))
    found = find_key_sets(
        batch,
        everything,
        everything[:, 0],
        dict(enumerate([same_tag(), tagged("A"), by_hit, held_to_more, tagged("B")])),
    )
    assert found is not None and found.numbers == (1, 4)
    monkeypatch.setattr(key_sets, "MANY", size + 1)
    assert find_key_sets(batch, everything, everything[:, 0], {0: tagged("A")}) is None
