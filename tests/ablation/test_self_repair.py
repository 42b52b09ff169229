"""Self-repair: exact on a network with a planted backup head; on a real architecture as far as it is known."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pandas as pd
import pytest
import torch
from torch import Tensor

from interp.ablation.replacements import uniform, zero
from interp.ablation.self_repair import Repair, measure_repair
from interp.ablation.sweep import sweep
from interp.answers import answer_metrics, answers
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.corpora.prompts import END, Prompts, read_prompts
from interp.errors import ModelError
from interp.tables.interactions import interaction_table, self_repair_tables
from interp.types import Batch, Head, HeadModel, Output, Tap
from interp.types.written import FinalNorm, HasStream, Written
from tests.conftest import Case, corpus_of
from tests.support.fakes import FakeModel
from tests.support.prompts import tiny_prompts

ANSWER, FLAG = torch.tensor([1.0, 0.0]), torch.tensor([0.0, 1.0])
WRITER, BACKUP, IDLE = Head("self", 0, 0), Head("self", 1, 0), Head("self", 1, 1)
BACKED = 0.6


class WithBackup(FakeModel):
    """Head 0.0 writes 1 along the answer and raises a flag; head 1.0 writes 0.6 along it where there is no flag.

    Head 1.1 writes 0.25 whatever happens. The logit of token 1 is what stands along the answer, that of token 0 is 0.
    """

    def __init__(self) -> None:
        super().__init__(lambda batch: torch.zeros(1), 1, causal=True)
        self.heads: Sequence[Head] = [WRITER, BACKUP, IDLE]
        self.has_language_head = True

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        stream, _ = self._stream(batch, z)
        return Output(stream, stream @ self.unembedding()[0].T)

    def _stream(self, batch: Batch, z: Tap | None) -> tuple[Tensor, dict[int, Tensor]]:
        stream, found = torch.zeros(*batch.tokens.shape, 2), {}
        for layer in range(2):
            no_flag = BACKED * (1 - stream[..., 1])
            given = torch.ones(*batch.tokens.shape, 1, 1) if layer == 0 else _heads(no_flag, 0.25)
            new = z("self", layer, given) if z else None
            found[layer] = given if new is None else new
            stream = stream + self.contribution(layer, found[layer]).sum(2)
        return stream, found

    def contribution(self, layer: int, z: Tensor, site: str = "self") -> Tensor:
        return z * (ANSWER + FLAG if layer == 0 else ANSWER)

    def unembedding(self) -> tuple[Tensor, None]:
        return torch.stack([0 * ANSWER, ANSWER]), None

    def written(self, batch: Batch, at: Tensor) -> Written:
        rows = torch.arange(len(at))
        stream, z = self._stream(batch, None)
        final, nothing = stream[rows, at], torch.zeros(len(at), 2)
        norm = FinalNorm(torch.ones(2), torch.zeros(2), torch.ones(len(at)), centred=False)
        parts = {layer: one[rows, at] for layer, one in z.items()}
        return Written(nothing, None, parts, {0: None, 1: None}, {0: nothing, 1: nothing}, final, norm, {}, {})


def _heads(first: Tensor, second: float) -> Tensor:
    return torch.stack([first, torch.full_like(first, second)], dim=-1)[..., None]


def prompts_of(model: HeadModel) -> Prompts:
    encoded = encode(model, corpus_of([f"a{letter} b c" for letter in "klmnop"]))
    count, end = len(encoded), [len(one.tokens) - 1 for one in encoded.encodings]
    right, wrong = np.ones(count, dtype=np.int64), np.zeros(count, dtype=np.int64)
    return Prompts(encoded, encoded, right, wrong, {END: np.array(end, dtype=np.int64)}, {})


@pytest.fixture(scope="module")
def repair() -> Repair:
    model: Any = WithBackup()
    assert isinstance(model, HasStream)
    prompts = prompts_of(model)
    return measure_repair(model, prompts, range(len(prompts)), zero(model, prompts.clean), model.heads)


def tables_of(repair: Repair) -> tuple[Any, Any]:
    block = np.arange(len(repair.documents), dtype=np.int64)
    return self_repair_tables(
        repair.replaced, repair.heads, repair.before, repair.after, repair.total, block, seed=0, min_blocks=2
    )


def test_a_planted_backup_makes_up_for_its_head(repair: Repair) -> None:
    table, changed = tables_of(repair)
    writer, backup, idle = (row for _, row in table.iterrows())
    assert (writer["direct"], writer["total"], writer["repaired"]) == pytest.approx((1, 1 - BACKED, BACKED), abs=1e-6)
    assert writer["by_heads"] == pytest.approx(BACKED, abs=1e-6) and writer["by_rest"] == pytest.approx(0, abs=1e-6)
    assert writer["repaired_low"] == pytest.approx(BACKED) and writer["repaired_high"] == pytest.approx(BACKED)
    # while its head is there the backup writes nothing, and nobody stands in for the idle one
    assert (backup["direct"], backup["total"]) == pytest.approx((0, 0), abs=1e-6)
    assert (idle["direct"], idle["total"], idle["repaired"]) == pytest.approx((0.25, 0.25, 0), abs=1e-6)

    of_writer = changed[changed["layer"] == 0].set_index("other_head")
    assert len(changed) == 2, "heads of the last layer have none after them"
    assert (of_writer.loc[0, "before"], of_writer.loc[0, "change"]) == pytest.approx((0, BACKED), abs=1e-6)
    assert of_writer.loc[1, "change"] == 0 and of_writer.loc[1, "before"] == pytest.approx(0.25)


def test_a_head_and_its_backup_cost_more_together_than_alone() -> None:
    model: Any = WithBackup()
    prompts = prompts_of(model)
    sets = [(WRITER,), (BACKUP,), (IDLE,), (WRITER, BACKUP), (WRITER, IDLE), tuple(model.heads)]
    (sums,) = sweep(
        model, batches(prompts.clean, model), zero(model, prompts.clean), answer_metrics(prompts)[:1], ablation="zero",
        sets={("set", number, 0): heads for number, heads in enumerate(sets)},
    )  # fmt: skip
    table: Any = interaction_table(sums, sets, seed=0, min_blocks=2).set_index("heads")
    assert table.loc["0.0 1.0", "joint"] == pytest.approx(1) and table.loc["0.0 1.0", "size"] == 2
    assert table.loc["0.0 1.0", "interaction"] == pytest.approx(BACKED)
    assert table.loc["0.0 1.1", "interaction"] == pytest.approx(0, abs=1e-6)
    assert table.loc["0.0 1.0 1.1", "sum_of_effects"] == pytest.approx(1 - BACKED + 0.25)
    assert table.loc["0.0 1.0 1.1", "interaction"] == pytest.approx(BACKED)


@pytest.mark.parametrize("replacement", [zero, uniform])
def test_on_a_network_only_later_heads_change_and_the_total_is_that_of_ablation(
    tiny_gpt2: Case, replacement: Any
) -> None:
    model = tiny_gpt2.model
    prompts = read_prompts(model, tiny_prompts(12))
    substitute = replacement(model, prompts.clean)
    chosen = [Head("self", 0, 1), Head("self", 1, 2)]
    found = measure_repair(model, prompts, [3, 1, 7], substitute, chosen)
    number, order = {head: place for place, head in enumerate(found.heads)}, list(found.documents)
    assert sorted(order) == [1, 3, 7]
    for row, head in enumerate(chosen):
        more = found.after[row] - found.before
        others = [place for one, place in number.items() if one.layer <= head.layer and one != head]
        assert abs(more[others]).max() < 1e-5, "what comes before it, or beside it, is as it was"
        assert abs(more[number[head]]).max() > 1e-6
    later = [place for one, place in number.items() if one.layer > 0]
    assert abs((found.after[0] - found.before)[later]).max() > 1e-7
    sets = {("set", row, 0): (head,) for row, head in enumerate(chosen)}
    for document in order:
        (sums,) = sweep(
            model, batches(prompts.clean, model, documents=[document]), substitute, answer_metrics(prompts)[:1],
            ablation="x", sets=sets, engine="plain",
        )  # fmt: skip
        np.testing.assert_allclose(found.total[:, order.index(document)], sums.effect.sum(axis=1), atol=1e-4)
    if replacement is zero:
        assert abs(found.after[0, number[chosen[0]]]).max() == 0
    clean = answers(model, prompts, prompts.clean, "clean")["logit_difference"]
    assert np.isfinite(clean).all()


def test_a_model_that_cannot_be_taken_apart_is_refused() -> None:
    model = FakeModel(lambda batch: torch.zeros(1), 1, causal=True)
    with pytest.raises(ModelError, match="What heads of 'fake' write directly is not known"):
        measure_repair(model, prompts_of(model), [0], zero(model, prompts_of(model).clean), model.heads)


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_what_is_no_number_is_no_evidence(repair: Repair, bad: float) -> None:
    spoilt = repair.total.copy()
    spoilt[0, 2] = bad
    expected, found = tables_of(repair)[0], tables_of(Repair(**{**vars(repair), "total": spoilt}))[0]
    pd.testing.assert_frame_equal(found.iloc[1:], expected.iloc[1:])
    assert found.iloc[0][["total", "total_low", "repaired", "by_rest"]].isna().all()
    assert found.iloc[0]["direct"] == expected.iloc[0]["direct"]
