"""Coreference in batches and in scores: kinds, agreement, and the choice of a pronoun among names."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

import interp.roles
from interp.api import tally_roles
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.mentions import antecedents, antecedents_by_kind, nearest_agreeing
from interp.corpora.text import text_document
from interp.roles.coreference import DEFINITIONS, choice
from interp.statistics.criteria import Criteria
from interp.sums import RoleSums
from interp.tables import score_table, true_lifts
from interp.tables.roles import classify
from interp.types import Batch, Corpus, Document, HeadModel, Mention
from tests.support import oracle
from tests.support.fakes import FakeModel

TEXTS: tuple[tuple[str, Sequence[Mention]], ...] = (
    (
        "Mary Lou told Annabelle that she was late.",
        [Mention(0, 2, 5, "proper"), Mention(3, 4, 1, "proper"), Mention(5, 6, 5, "pronoun", "feminine", "singular")],
    ),
    (
        "When he left, Robert saw his mother and the neighbours.",
        [
            Mention(1, 2, 0, "pronoun", "masculine", "singular"),
            Mention(4, 5, 0, "proper"),
            Mention(6, 7, 0, "pronoun", "masculine", "singular"),
            Mention(6, 8, 1, "nominal", "feminine", "singular"),
            Mention(9, 11, 2, "nominal", None, "plural"),
        ],
    ),
    ("Nothing is meant here.", ()),
    (
        "The tailors met the cook of the palace because they were hungry, and she fed them.",
        [
            Mention(0, 2, 0, "nominal", None, "plural"),
            Mention(3, 8, 1, "nominal", None, "singular"),
            Mention(6, 8, 2, "nominal", None, "singular"),
            Mention(9, 10, 0, "pronoun", None, "plural"),
            Mention(14, 15, 1, "pronoun", "feminine", "singular"),
            Mention(16, 17, 0, "pronoun", None, "plural"),
        ],
    ),
)


@pytest.fixture(scope="module")
def told() -> Corpus:
    documents = tuple(replace(text_document(text), mentions=tuple(mentions)) for text, mentions in TEXTS)
    return Corpus("told", documents, "none")


def by_hand(document: Document, model: transformers.PreTrainedModel, tokenizer: object) -> dict[str, np.ndarray]:
    """Hits of the choice and of each baseline, [query, layer, head] and [query]; one token at a time."""
    attention, offsets, special, _ = oracle.attention_of(model, tokenizer, document.text)
    owned = oracle.tokens_of_words(document.text, [tuple(span) for span in document.spans.tolist()], offsets, special)
    mentions = document.mentions or ()

    def tokens(mention: Mention) -> list[int]:
        others = [m for m in mentions if m.end - m.start < mention.end - mention.start]
        words = [w for w in range(mention.start, mention.end) if not any(m.start <= w < m.end for m in others)]
        return [token for word in words for token in owned[word]]

    found: dict[str, list[np.ndarray]] = {"hit": [], "nearest_other": [], "left_other": [], "right_other": []}
    for query in (m for m in mentions if m.kind == "pronoun"):
        apart = [m for m in mentions if m.end <= query.start or m.start >= query.end]
        names = [m for m in apart if m.kind != "pronoun"]
        right = np.array([name.entity == query.entity for name in names])
        if not right.any() or len(names) < 2:
            continue
        mass = np.stack([attention[:, :, tokens(query)][..., tokens(name)].sum(-1).mean(-1) for name in names], -1)
        best = mass >= mass.max(-1, keepdims=True) - 1e-6
        found["hit"].append((best & right).sum(-1) / best.sum(-1))
        before = [query.start - name.end if name.end <= query.start else 99 for name in names]
        behind = [name.start - query.end if name.start >= query.end else 99 for name in names]
        either = [min(pair) for pair in zip(before, behind, strict=True)]
        for baseline, far in (("nearest_other", either), ("left_other", before), ("right_other", behind)):
            nearest = (np.array(far) == min(far)) & (np.array(far) < 99)
            found[baseline].append((nearest & right).sum() / max(nearest.sum(), 1))
    return {name: np.array(values) for name, values in found.items()}


def summed(sums: RoleSums, role: str) -> tuple[int, np.ndarray]:
    """Queries, and hits of every head."""
    number = [label.name for label in sums.roles].index(role)
    return int(sums.n[number].sum()), sums.hit[number].sum(-1)


def test_the_choice_of_a_pronoun(minilm: HeadModel, told: Corpus) -> None:
    path = minilm.provenance["path"]
    plain = transformers.AutoModel.from_pretrained(path, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(path)
    theirs = [by_hand(document, plain, tokenizer) for document in told if document.mentions]
    sums = tally_roles(minilm, encode(minilm, told), interp.roles.coreference(told))
    n, hit = summed(sums, "coref.choice")
    # Ann's `she`; `he` and `his`, of whom Robert is the only one named; `they`, `she` and `them`
    assert n == sum(len(one["hit"]) for one in theirs) == 6
    expected = np.concatenate([one["hit"] for one in theirs]).sum(0)
    np.testing.assert_allclose(hit, expected.reshape(-1), atol=1e-6)
    number = [label.name for label in sums.roles].index("coref.choice")
    for baseline in ("nearest_other", "left_other", "right_other"):
        credit = sums.baseline[number, sums.baselines.index(baseline)].sum()
        assert credit == pytest.approx(sum(one[baseline].sum() for one in theirs)), baseline


def test_padding_and_company_move_no_choice(minilm: HeadModel, told: Corpus) -> None:
    """A document has the same hits in a batch as alone."""
    together = summed(tally_roles(minilm, encode(minilm, told), interp.roles.coreference(told)), "coref.choice")
    alone = [
        summed(tally_roles(minilm, encode(minilm, one), interp.roles.coreference(one)), "coref.choice")
        for one in (replace(told, documents=(document,)) for document in told if document.mentions)
    ]
    assert together[0] == sum(n for n, _ in alone)
    np.testing.assert_allclose(together[1], sum(hit for _, hit in alone), atol=1e-6)


def to_entity(batch: Batch) -> Tensor:
    """All attention of each token of a pronoun on the first token of a word of its entity's first mention."""
    pattern = torch.eye(batch.tokens.shape[1]).repeat(len(batch.tokens), 1, 1, 1)
    for row, mentions in enumerate(batch.mention.tolist()):
        for start, _, entity, kind in mentions:
            first = next((m for m in mentions if m[2] == entity and m[3] != batch.kinds.index("pronoun")), None)
            if kind >= 0 and batch.kinds[kind] == "pronoun" and first is not None:
                key = int((batch.word[row] == first[0]).nonzero()[0])
                for query in (batch.word[row] == start).nonzero()[:, 0]:
                    pattern[row, 0, query] = 0
                    pattern[row, 0, query, key] = 1
    return pattern


def test_a_head_that_looks_at_its_entity_chooses_right(told: Corpus) -> None:
    model = FakeModel(to_entity, 1)
    n, hit = summed(tally_roles(model, encode(model, told), interp.roles.coreference(told)), "coref.choice")
    assert (n, hit.tolist()) == (6, [6.0])
    causal = FakeModel(to_entity, 1, causal=True)
    # `he` sees no name before it, and `his` one only
    assert summed(tally_roles(causal, encode(causal, told), interp.roles.coreference(told)), "coref.choice")[0] == 4


def chosen_with(share: float, least: float = 0.10) -> tuple[RoleSums, list[str]]:
    """Sums and roles of a head that spends this share on a pronoun's entity, and the rest on the first token."""

    def attend(batch: Batch) -> Tensor:
        at_first = (torch.arange(batch.tokens.shape[1]) == 0).float()
        return share * to_entity(batch) + (1 - share) * at_first

    entities = np.random.default_rng(0).integers(2, size=240)
    documents = [
        replace(
            text_document("Ann told Eve that she won.", f"source {number}"),
            mentions=(Mention(0, 1, 0, "proper"), Mention(2, 3, 1, "proper"), Mention(4, 5, int(entity), "pronoun")),
        )
        for number, entity in enumerate(entities)
    ]
    corpus, model = Corpus("choices", tuple(documents), "none"), FakeModel(attend, 1)
    sums = tally_roles(model, encode(model, corpus), (choice(),))
    return sums, list(
        classify(sums, score_table(sums, seed=0), criteria=Criteria(min_word_mass=least), splits=0)["role"]
    )


def test_a_head_that_hardly_looks_at_mentions_has_no_role_however_well_it_chooses() -> None:
    sums, found = chosen_with(2e-4)
    np.testing.assert_allclose([sums.hit.sum(), sums.word_mass.sum()], [240, 240 * 2e-4], rtol=1e-4)
    assert found == ["unclassified"]
    assert chosen_with(2e-4, least=1e-4)[1] == ["coref.choice"] == chosen_with(0.5)[1]
    lifts = [true_lifts(chosen_with(share)[0])["true_lift"].item() for share in (2e-4, 0.5)]
    assert lifts[0] == 0 and 0.4 < lifts[1] < 0.5


def test_queries_of_a_kind_are_those_of_all_kinds_apart(minilm: HeadModel, told: Corpus) -> None:
    sums = tally_roles(minilm, encode(minilm, told), interp.roles.coreference(told))
    whole = summed(sums, "coref.antecedent")
    apart = [summed(sums, f"coref.{kind}") for kind in ("pronoun", "proper")]
    # she → Lou; Robert → he; his → he, Robert; they, them → tailors (they); she → cook
    assert [n for n, _ in apart] == [5, 1]
    assert whole[0] == 6
    np.testing.assert_allclose(whole[1], sum(hit for _, hit in apart), atol=1e-9)


def test_kinds_of_antecedents(told: Corpus) -> None:
    document = told.documents[1]
    assert antecedents_by_kind(document) == [(4, 1, "proper"), (6, 1, "pronoun"), (6, 4, "pronoun")]
    assert antecedents(document) == [(4, 1), (6, 1), (6, 4)]


def test_nearest_agreeing(told: Corpus) -> None:
    """-1 but for heads; what is not known contradicts nothing."""
    first, second, _, fourth = (nearest_agreeing(document) for document in told)
    assert {w: n for w, n in enumerate(first) if n >= 0} == {3: 1, 5: 3}
    # his → Robert, mother → Robert (nothing known of either), past `his`; neighbours → Robert
    assert {w: n for w, n in enumerate(second) if n >= 0} == {4: 1, 6: 4, 7: 4, 10: 4}
    # the palace and the cook of the palace end on one word; she → palace; them → they
    assert {w: n for w, n in enumerate(fourth) if n >= 0} == {9: 1, 14: 7, 16: 9}


def test_batches_carry_it(told: Corpus) -> None:
    model = FakeModel(to_entity, 1)
    batch = collate(encode(model, told), [3, 2, 1], model)
    assert batch.kinds == ("nominal", "pronoun", "proper")
    assert batch.nearest_agreeing[0].tolist()[:10] == nearest_agreeing(told.documents[3])[:10]
    pairs = zip(batch.antecedent.tolist(), batch.antecedent_kind.tolist(), strict=True)
    assert {(query, key, batch.kinds[kind]) for (row, query, key), kind in pairs if row == 2} == set(
        antecedents_by_kind(told.documents[1])
    )
    assert batch.mention[1].eq(-1).all()
    assert batch.mention[2, 3].tolist() == [6, 8, 1, 0]
    chosen = batch.rows([2]).shortened(model.pad_token)
    assert chosen.mention.tolist() == batch.mention[2:].tolist()
    assert chosen.nearest_agreeing.tolist() == batch.nearest_agreeing[2:].tolist()


def test_every_role_has_its_card(told: Corpus) -> None:
    cards = {card.id: card for card in DEFINITIONS}
    assert len(cards) == len(DEFINITIONS)
    for role in interp.roles.coreference(told):
        card = cards[role.definition]
        assert (card.role, card.family, card.unit, card.statistic) == (
            role.name,
            role.family,
            role.unit,
            role.statistic,
        )
