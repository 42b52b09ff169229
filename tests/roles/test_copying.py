"""Roles of heads that copy, documents that repeat, and every published score of the same head."""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from transformer_lens import head_detector

import interp
from experiments import copying as experiment
from interp import roles
from interp.corpora.batching import batches, collate
from interp.corpora.encoding import encode
from interp.corpora.repeats import repeats
from interp.corpora.text import text_document
from interp.errors import InterpError, ModelError
from interp.models.inputs.vocabulary import Vocabulary
from interp.roles.copying import duplicate_targets, induction_targets
from interp.roles.copying_scores import DEFINITIONS
from interp.tables import agreement_table, number_table, spread_table
from interp.tallies.copying_scores import VariantTally, detection_patterns, periods
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Encoding
from tests.conftest import Case, byte_level_tokenizer, corpus_of, metaspace_tokenizer, word_piece_tokenizer
from tests.support.fakes import FakeModel

START = 0


class Repeater(FakeModel):
    """A causal fake whose tokens are numbers, with one start token and nothing after the text."""

    def __init__(self, attend: Callable[[Batch], torch.Tensor], heads: int = 1) -> None:
        super().__init__(attend, heads, causal=True)

    def draw(self, symbols: Sequence[np.ndarray], seeds: Sequence[int]) -> list[Encoding]:
        return [self._numbers(own) for own in symbols]

    @staticmethod
    def _numbers(own: np.ndarray) -> Encoding:
        tokens = np.array([START, *(own + 2)], dtype=np.int32)
        return Encoding(tokens, np.zeros((len(tokens), 2), dtype=np.int32), tokens == START)


def planted(length: int, share: float = 1.0) -> Callable[[Batch], torch.Tensor]:
    """A head that puts so much on the token after the latest earlier occurrence, and all else on the first token."""

    def attend(batch: Batch) -> torch.Tensor:
        count, size = batch.tokens.shape
        pattern = torch.zeros(count, 1, size, size)
        pattern[..., 0] = 1
        for query in range(length + 1, size):
            pattern[:, :, query, 0] -= share
            pattern[:, :, query, query - length + 1] += share
        return pattern

    return attend


def scores_of(attend: Callable[[Batch], torch.Tensor], corpus: Corpus) -> dict[str, float]:
    model = Repeater(attend)
    encoded = encode(model, corpus)
    tally = VariantTally(model, periods(encoded))
    stream(model, (group.batch() for group in batches(encoded, model)), tally)
    table = number_table(tally.sums(), seed=0)
    return dict(zip(table.definition, table.value, strict=True))


# The same perfect head, every score


@pytest.mark.parametrize(
    ("length", "times", "share", "expected"),
    [
        (50, 2, 1.0, (0.495, 1.000, 0.495, 0.981, 1, 1, 1)),
        (25, 4, 1.0, (0.743, 1.000, 0.000, 0.987, 1, 1, 0.500)),
        (50, 2, 0.5, (0.248, 1.000, 0.000, 0.500, 0.5, 0.5, 0.5)),
    ],
)
def test_one_perfect_head_has_the_published_numbers(
    length: int, times: int, share: float, expected: tuple[float, ...]
) -> None:
    """As computed from the definitions by somebody else; TransformerLens's by its own function, too."""
    corpus = repeats(length, times, documents=3)
    scores = scores_of(planted(length, share), corpus)
    names = ("tl-mul", "tl-mul-no-first", "tl-abs", "diagonal", "valid-rows", "row-mass", "entry-mean")
    found = [scores[f"copying/induction-{name}@1"] for name in names]
    np.testing.assert_allclose(found, expected, atol=5.1e-4)

    model = Repeater(planted(length, share))
    batch = collate(encode(model, corpus), [0], model)
    theirs = detected(planted(length, share)(batch)[0, 0], batch.tokens, "induction")
    np.testing.assert_allclose(found[:3], theirs, atol=5.1e-4)
    np.testing.assert_allclose(theirs, expected[:3], atol=5.1e-4)


def detected(pattern: torch.Tensor, tokens: torch.Tensor, kind: str) -> list[float]:
    """mul, mul without the first token, and abs, by TransformerLens itself."""
    expected = {
        "previous": head_detector.get_previous_token_head_detection_pattern,
        "duplicate": head_detector.get_duplicate_token_head_detection_pattern,
        "induction": head_detector.get_induction_head_detection_pattern,
    }[kind](tokens)
    score = head_detector.compute_head_attention_similarity_score
    asked = [("mul", False), ("mul", True), ("abs", False)]
    return [
        score(pattern, expected, exclude_bos=no_first, exclude_current_token=False, error_measure=measure)  # pyright: ignore[reportArgumentType] - a Literal
        for measure, no_first in asked
    ]


def noise(batch: Batch) -> torch.Tensor:
    """Three heads of random causal attention, the same for the same document."""
    size = batch.tokens.shape[1]
    rows = [torch.rand(3, size, size, generator=torch.Generator().manual_seed(int(one))) for one in batch.document]
    pattern = torch.stack(rows).tril()
    return pattern / pattern.sum(-1, keepdim=True)


def unevenly_long() -> Corpus:
    """Sequences of different lengths, so that a batch is padded, one of them cut within its last repetition."""
    documents = [*repeats(7, 3, documents=2), *repeats(11, 2, documents=3), *repeats(5, 4, documents=1, seed=1)]
    return Corpus("uneven", tuple(documents), "none")


def test_all_scores_in_plain_loops_and_by_transformer_lens() -> None:
    model, corpus = Repeater(noise, 3), unevenly_long()
    encoded = encode(model, corpus)
    tally = VariantTally(model, periods(encoded))
    stream(model, (group.batch() for group in batches(encoded, model, tokens=60)), tally)
    table = number_table(tally.sums(), seed=0).set_index(["definition", "head"]).value
    mine: dict[tuple[str, int], list[float]] = {}
    for number in range(len(corpus)):
        batch = collate(encoded, [number], model)
        tokens, period = batch.tokens[0].tolist(), int(periods(encoded)[number])
        # the noise that the padded batch began with
        longest = max(len(one.tokens) for one in encoded.encodings)
        for head in range(3):
            pattern = seen_in(model, encoded, number)[head, : len(tokens), : len(tokens)]
            assert longest >= len(tokens)
            for kind, back in (("previous", 1), ("duplicate", period), ("induction", period - 1)):
                found: dict[str, Any] = dict(
                    zip(("tl-mul", "tl-mul-no-first", "tl-abs"), detected(pattern, batch.tokens, kind), strict=True)
                )
                found["diagonal"] = np.mean([pattern[q, q - back].item() for q in range(back, len(tokens))])
                least = 1 if kind == "previous" else period + 1
                found["valid-rows"] = np.mean([pattern[q, q - back].item() for q in range(least, len(tokens))])
                if kind != "previous":
                    rows, entries = by_targets(pattern, tokens, kind)
                    found |= {"row-mass": np.mean(rows), "entry-mean": np.mean(entries)}
                for variant, value in found.items():
                    mine.setdefault((f"copying/{kind}-{variant}@1", head), []).append(float(value))
    assert set(mine) == set(table.index)
    for name, values in mine.items():
        assert table[name] == pytest.approx(np.mean(values), abs=6e-4 if "abs" in name[0] else 1e-5), name


def seen_in(model: Repeater, encoded: object, number: int) -> torch.Tensor:
    """The attention of one document in the batch that it is read in."""
    for group in batches(encoded, model, tokens=60):  # pyright: ignore[reportArgumentType]
        if number in group.documents:
            return noise(group.batch())[group.documents.index(number)]
    raise AssertionError


def by_targets(pattern: torch.Tensor, tokens: list[int], kind: str) -> tuple[list[float], list[float]]:
    rows, entries = [], []
    for query in range(1, len(tokens)):
        earlier = [key for key in range(1, query) if tokens[key] == tokens[query]]
        keys = earlier if kind == "duplicate" else [key + 1 for key in earlier if key + 1 < query]
        if keys:
            entries += [pattern[query, key].item() for key in keys]
            rows.append(sum(pattern[query, key].item() for key in keys))
    return rows, entries


def test_detection_patterns_are_transformer_lenss() -> None:
    model = Repeater(noise)
    tokens = torch.tensor([[0, 5, 5, 7, 5, 7, 7, 0, 5]])
    whole = torch.ones_like(tokens, dtype=torch.bool)
    template = collate(encode(model, repeats(4, 2, documents=1)), [0], model)
    batch = Batch(**{**vars(template), "tokens": tokens, "mask": whole, "special": tokens == 0})
    for kind, mine in detection_patterns(batch).items():
        theirs = getattr(head_detector, f"get_{kind}_{'token_' if kind != 'induction' else ''}head_detection_pattern")
        torch.testing.assert_close(mine[0].float(), theirs(tokens).float())


# Whether scores agree


def test_spread_and_agreement_of_scores_that_are_known() -> None:
    values = {"a": (0.9, 0.5, 0.1), "b": (0.45, 0.3, 0.2), "c": (0.0, 0.0, 0.0)}
    rows = [("r", name, "self", 0, head, v) for name, one in values.items() for head, v in enumerate(one)]
    scores = pd.DataFrame(rows, columns=["role", "definition", "site", "layer", "head", "value"])
    spread = spread_table(scores, 0.4).set_index("head")
    assert spread.spread.round(6).tolist() == [0.9, 0.5, 0.2]
    assert spread.above.tolist() == [2, 1, 0] and spread.flips.tolist() == [True, True, False]
    assert spread.highest_definition.tolist() == ["a", "a", "b"]
    pairs = agreement_table(scores, 0.4).set_index(["first", "second"])
    assert pairs.loc[("a", "b"), "rank_correlation"] == pytest.approx(1)
    assert pairs.rank_correlation.isna().to_dict() == {("a", "b"): False, ("a", "c"): True, ("b", "c"): True}
    assert pairs.flips.to_dict() == {("a", "b"): 1, ("a", "c"): 2, ("b", "c"): 1}
    assert pairs.loc[("a", "b"), "largest_difference"] == pytest.approx(0.45)
    assert pairs.loc[("a", "b"), "mean_difference"] == pytest.approx((0.45 + 0.2 - 0.1) / 3)


# Documents that repeat


@pytest.mark.parametrize("make", [byte_level_tokenizer, word_piece_tokenizer, metaspace_tokenizer])
def test_drawn_tokens_are_those_a_text_could_hold(make: Callable[[], Any]) -> None:
    tokenizer = make()
    vocabulary = Vocabulary(tokenizer, "tiny")
    alone = set(vocabulary.alone.tolist())
    assert len(alone) > 10 and not alone & set(tokenizer.all_special_ids)
    (encoding,) = vocabulary.draw([np.tile(np.arange(8), 3)], [5], 48)
    own = encoding.tokens[~encoding.special]
    assert len(set(own[:8].tolist())) == 8 and set(own.tolist()) <= alone
    assert own.tolist() == own[:8].tolist() * 3
    around = tokenizer("")["input_ids"]
    assert encoding.tokens[encoding.special].tolist() == around
    for token in alone:
        text = tokenizer.decode([token])
        assert tokenizer(text, add_special_tokens=False)["input_ids"] == [token]


def test_documents_repeat_differ_and_come_from_the_seed(tiny_gpt2: Case) -> None:
    model = tiny_gpt2.model
    first, again = (encode(model, repeats(8, 3, documents=30, seed=1)) for _ in range(2))
    read = [one.tokens.tolist() for one in first.encodings]
    assert read == [one.tokens.tolist() for one in again.encodings]
    assert len({tuple(one) for one in read}) == 30
    assert read != [one.tokens.tolist() for one in encode(model, repeats(8, 3, documents=30, seed=2)).encodings]
    assert (periods(first) == 8).all()
    assert len({document.block for document in repeats(documents=300)}) > 60
    cut = encode(model, repeats(20, 4, documents=2))
    assert cut.skipped["truncated_documents"] == 2
    assert {len(one.tokens) for one in cut.encodings} == {48} and (periods(cut) == 20).all()


def test_what_cannot_be_drawn_or_does_not_repeat_is_refused(tiny_gpt2: Case) -> None:
    model = tiny_gpt2.model
    with pytest.raises(ModelError, match=r"tokens that can stand alone, and 5000"):
        encode(model, repeats(5000, 2, documents=1))
    with pytest.raises(ModelError, match=r"no vocabulary.*draw"):
        encode(FakeModel(noise, 1), repeats(documents=1))
    with pytest.raises(InterpError, match=r"Document 0 of 'texts' .* does not repeat.*corpus=repeats"):
        periods(encode(model, corpus_of()))
    with pytest.raises(InterpError, match="does not repeat"):
        periods(encode(model, repeats(60, 2, documents=1)))
    for given in ({"length": 1}, {"times": 1}, {"documents": 0}, {"limit": 0}):
        with pytest.raises(InterpError, match="Allowed"):
            repeats(**given)


def test_the_gate_proves_a_model_on_drawn_tokens_and_says_that_there_is_no_text(tiny_gpt2: Case) -> None:
    checks = {one.name: one for one in interp.prove(tiny_gpt2.model, repeats(8, 2, documents=5))}
    assert checks["tokens_are_the_text"].deviation is None
    assert sum(one.deviation is not None for one in checks.values()) > 8


# The roles


def test_the_targets_in_plain_loops() -> None:
    model = FakeModel(noise, 1)
    texts = ["a b a a b c", "the the cat the", "x"]
    encoded = encode(model, Corpus("c", tuple(text_document(text) for text in texts), "none"))
    batch = collate(encoded, range(3), model)
    duplicate, induction = duplicate_targets(batch), induction_targets(batch)
    for row, encoding in enumerate(encoded.encodings):
        tokens, special = encoding.tokens.tolist(), encoding.special.tolist()
        own = [place for place, flag in enumerate(special) if not flag]
        for q in range(batch.tokens.shape[1]):
            same = [k for k in own if q in own and k < q and tokens[k] == tokens[q]]
            assert duplicate[row, q].nonzero().ravel().tolist() == same
            assert induction[row, q].nonzero().ravel().tolist() == [k + 1 for k in same if k + 1 in own]


def test_a_planted_induction_head_gets_the_role_and_no_other_does() -> None:
    def attend(batch: Batch) -> torch.Tensor:
        first = torch.zeros_like(planted(20)(batch))
        first[..., 0] = 1
        return torch.cat([planted(20)(batch), first], dim=1)

    model = Repeater(attend, 2)
    scores = interp.score(model, repeats(20, 2, documents=150), roles="copying").query("split == 'confirm'")
    mass = scores.set_index(["role", "head"]).mass
    assert mass["induction", 0] == pytest.approx(1)
    assert mass["duplicate", 0] == mass["induction", 1] == mass["duplicate", 1] == 0
    assert set(scores.definition) == {"copying/duplicate@1", "copying/induction@1"}
    uniform = scores[scores.role == "induction"].baseline.iloc[0]
    assert uniform == pytest.approx(np.mean([1 / (q + 1) for q in range(21, 41)]))


def test_every_score_has_a_card() -> None:
    cards = [*DEFINITIONS, *roles._copying.DEFINITIONS]
    assert len({card.id for card in cards}) == len(cards) == 19 + 2
    assert all(card.formula and card.exclusions and card.source for card in cards)
    assert {role.definition for role in roles.copying()} <= {card.id for card in cards}


# The experiment, on models whose answer is known


def test_the_small_model_has_the_heads_of_its_card() -> None:
    model, corpus = interp.load_model("small", device="cpu"), repeats(50, 2, documents=24)
    findings = experiment.run(model, corpus, min_blocks=12)
    table = findings.tables["copying"].set_index(["definition", "layer", "head"])
    # interp/models/small/README.md, measured by other code on other sequences
    assert table.value["copying/induction-valid-rows@1", 1, 2] == pytest.approx(0.96, abs=0.02)
    assert table.value["copying/induction-valid-rows@1", 1, 5] == pytest.approx(0.95, abs=0.02)
    assert table.value["copying/previous-valid-rows@1", 0, 6] == pytest.approx(0.70, abs=0.04)
    best = table.loc["copying/induction-valid-rows@1"].value.idxmax()
    assert best in [(1, head) for head in range(8)]
    # so does the role: every document has as many queries
    role = interp.score(model, corpus, roles="copying").query("split == 'all' and role == 'induction'")
    rows = table.loc["copying/induction-row-mass@1"].value
    np.testing.assert_allclose(role.set_index(["layer", "head"]).mass, rows, atol=1e-5)
    inside = (table.ci_low <= table.value + 1e-12) & (table.value <= table.ci_high + 1e-12)
    assert inside.all()
    assert list(experiment.draw(findings.tables)) == ["copying"]
    assert any("induction: head 1." in line for line in experiment.summarise(findings.tables))


@pytest.mark.real
def test_stories_has_previous_token_heads_and_none_for_induction(stories_case: Case) -> None:
    corpus = repeats(30, 2, documents=40)
    findings = experiment.run(stories_case.model, corpus)
    value = findings.tables["copying"].set_index(["definition", "layer", "head"]).value
    tokens = torch.from_numpy(np.stack([one.tokens for one in encode(stories_case.model, corpus).encodings])).long()
    with torch.inference_mode():
        seen = torch.stack(stories_case.plain(tokens, output_attentions=True, use_cache=False).attentions)
    for name, back in (("previous", 1), ("induction", 29)):
        theirs = seen.mean(1).diagonal(-back, -2, -1).mean(-1).numpy()
        np.testing.assert_allclose(value[f"copying/{name}-diagonal@1"], theirs.ravel(), atol=1e-5)
    previous = value["copying/previous-valid-rows@1"]
    assert previous.idxmax() == (3, 6) and previous[1, 3] > 0.5
    assert value["copying/induction-row-mass@1"].max() < 0.1


def test_a_model_that_sees_later_tokens_has_no_abs(tiny_bert: Case) -> None:
    model = tiny_bert.model
    findings = experiment.run(model, repeats(8, 2, documents=5))
    assert not findings.tables["copying"].definition.str.contains("tl-abs").any()
    assert any("abs is left out" in line for line in findings.notes)
    assert findings.tables["copying"].ci_low.isna().all()
