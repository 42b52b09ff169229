"""Heads silenced together against plain transformers and planted answers; areas and intervals against numpy."""

import json
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.figure import Figure
from torch import Tensor
from torch.nn.functional import cosine_similarity

from experiments import pruning_curve
from experiments.cli import settings
from interp import metrics, plots
from interp.ablation import pruning, replacements
from interp.ablation.effects import silent
from interp.ablation.plan import Plan
from interp.corpora.encoding import encode
from interp.errors import InterpError
from interp.results import Findings
from interp.roles import positional
from interp.roles.syntax import to_governor as governor_role
from interp.statistics import bootstrap_interval
from interp.sums import PruningSums
from interp.tables import area_table, curve_table, joint_effect_table
from interp.types import BLOCKS, Batch, Corpus, Head, Metric, Output, Tap
from tests.ablation.test_sweep import TEXTS, average_z, block_of, embedding, log_probability
from tests.conftest import Case, corpus_of, replaced_z, without_head
from tests.support.fakes import FakeModel, random_documents, to_governor, uniform

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

close = partial(pytest.approx, abs=1e-5, rel=1e-5)

MANY = tuple(f"{start} {end}" for start in ("The cat sat.", "Go!", "A dog.", "It was big.") for end in TEXTS)


# The same, in plain transformers


@contextmanager
def silenced(case: Case, heads: Sequence[Head], means: Sequence[Tensor] | None = None) -> Iterator[None]:
    """Plain transformers with these heads hooked, each in its layer; zero where there are no means."""
    with ExitStack() as hooks:
        for _, layer, head in heads:
            value = 0.0 if means is None else means[layer][head].float()
            hooks.enter_context(replaced_z(case.plain, layer, without_head(head, value)))
        yield


def plain_log_prob(case: Case, texts: Sequence[str], heads: Sequence[Head], means: Sequence[Tensor] | None) -> float:
    with silenced(case, heads, means):
        return float(np.mean([log_probability(case, text) for text in texts]))


def plain_cosine(case: Case, texts: Sequence[str], heads: Sequence[Head], means: Sequence[Tensor] | None) -> float:
    intact = [embedding(case, text) for text in texts]
    with silenced(case, heads, means):
        ablated = [embedding(case, text) for text in texts]
    return float(np.mean([cosine_similarity(*pair, dim=0).item() for pair in zip(ablated, intact, strict=True)]))


@pytest.mark.parametrize("ablation", ["zero", "mean"])
@pytest.mark.parametrize(("name", "engine"), [("tiny_gpt2", "auto"), ("tiny_gpt2", "plain"), ("tiny_bert", "auto")])
def test_every_step_is_plain_transformers_with_the_same_heads_hooked(
    name: str, engine: Any, ablation: str, request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    metric, plain_value = (
        (metrics.LOG_PROB, plain_log_prob) if name == "tiny_gpt2" else (metrics.EMBEDDING_COSINE, plain_cosine)
    )
    means = average_z(case, TEXTS) if ablation == "mean" else None
    orders = pruning.at_random(case.model.heads, 2, seed=4)
    encoded = encode(case.model, corpus_of(TEXTS))
    (sums,) = pruning.prune(
        case.model, encoded, orders, Plan(replacement=ablation, engine=engine), metrics=[metric], steps=4
    )
    assert (sums.ablation, sums.metric, sums.heads) == (ablation, metric.name, 8)
    assert sums.orders == (("random", 0), ("random", 1))
    assert sums.removed.tolist() == [0, 3, 5, 8]
    assert sums.n.sum() == len(TEXTS)
    intact = plain_value(case, TEXTS, [], means)
    alone = {head: intact - plain_value(case, TEXTS, [head], means) for head in case.model.heads}
    for row, order in enumerate(orders):
        for step, count in enumerate([0, 3, 5, 8]):
            expected = plain_value(case, TEXTS, order.heads[:count], means)
            assert sums.value[row, step].sum() / len(TEXTS) == close(expected)
            summed = sum(alone[head] for head in order.heads[:count])
            assert sums.alone[row, step].sum() / len(TEXTS) == close(summed)
    assert len(set(sums.value.sum(-1).ravel().round(4).tolist())) == 6, "two ends shared, four steps of their own"


def test_the_order_is_chosen_on_one_half_and_the_curve_drawn_on_the_other(tiny_gpt2: Case) -> None:
    """The whole experiment on MANY documents, zero ablation, in plain transformers."""
    tables = run_on(tiny_gpt2, MANY).tables
    even = [text for text in MANY if block_of(text) % 2 == 0]
    odd = [text for text in MANY if block_of(text) % 2 == 1]
    assert min(len(even), len(odd)) >= 5

    def effect(head: Head, texts: Sequence[str]) -> float:
        return plain_log_prob(tiny_gpt2, texts, [], None) - plain_log_prob(tiny_gpt2, texts, [head], None)

    on_even, on_odd = (sorted(tiny_gpt2.model.heads, key=lambda h, t=t: effect(h, t)) for t in (even, odd))
    assert on_even != on_odd, "or the test could not tell the halves apart"
    curve = tables["pruning_curve"].query("order == 'effect' and metric == 'log_prob'")
    assert curve.heads_left.tolist() == list(range(8, -1, -1))
    assert curve.share_left.tolist() == [left / 8 for left in range(8, -1, -1)]
    assert (curve.n == len(odd)).all()
    expected = [plain_log_prob(tiny_gpt2, odd, on_even[:count], None) for count in range(9)]
    assert curve.value.tolist() == close(expected)
    joint = tables["joint_effects"].query("order == 'effect' and metric == 'log_prob'")
    assert joint.joint_effect.tolist() == close([expected[0] - value for value in expected])
    summed = np.cumsum([0, *(effect(head, odd) for head in on_even)])
    assert joint.sum_of_effects.tolist() == close(summed.tolist())
    assert joint.ratio.iloc[1] == close(1), "one head together is one head alone"


def run_on(case: Case, texts: Sequence[str], **changes: Any) -> Findings:
    given: dict = {
        "roles": positional, "role": None, "steps": 9, "seeds": 2, "metrics": metrics.automatic, "min_blocks": 3,
        "plan": Plan(replacements.zero),
    }  # fmt: skip
    return pruning_curve.run(case.model, corpus_of(texts), **(given | changes))


def test_both_ends_are_shared_by_all_orders(tiny_gpt2: Case) -> None:
    curve = run_on(tiny_gpt2, MANY, role="offset-1").tables["pruning_curve"]
    assert set(curve.order) == {"effect", "offset-1", "random"}
    for _, table in curve.groupby("metric"):
        for left in (0, 8):
            ends = table[table.heads_left == left].value
            assert len(ends) == 5
            assert ends.to_numpy() == close(ends.iloc[0])
    intact = curve[curve.share_left == 1]
    assert (intact[intact.metric == "kl"].value == 0).all()


def test_the_limit_is_for_both_halves_together(tiny_gpt2: Case) -> None:
    limited = Plan(replacements.mean, limit=6)
    found = run_on(tiny_gpt2, MANY, plan=limited, min_blocks=12)
    assert (found.tables["pruning_curve"].n == 3).all()
    assert found.tables["pruning_curve"].ci_low.isna().all()
    assert any(line.startswith("No intervals: the half that the curve") and "needs 12" in line for line in found.notes)
    assert not any("No intervals" in line for line in run_on(tiny_gpt2, MANY).notes)


def test_what_is_too_short_is_counted_in_both_halves(tiny_gpt2: Case) -> None:
    short = ["A", "B", "C", "D", "E", "F"]
    assert len({block_of(text) % 2 for text in short}) == 2
    found = run_on(tiny_gpt2, [*MANY, *short])
    assert found.skipped["documents_without_log_prob"] == len(short)
    odd = [text for text in MANY if block_of(text) % 2 == 1]
    assert (found.tables["pruning_curve"].n == len(odd)).all()


# Halves, orders, steps


def test_no_source_is_in_both_halves() -> None:
    model = FakeModel(uniform, 1)
    documents = random_documents(60)
    first, second = pruning.halves(encode(model, Corpus("random", tuple(documents), "")))
    sources = [{document.source for document in half.corpus} for half in (first, second)]
    assert not sources[0] & sources[1]
    assert len(first) + len(second) == 60
    assert {document.block % 2 for document in first.corpus} == {0}
    for half in (first, second):
        for document, encoding in zip(half.corpus, half.encodings, strict=True):
            assert encoding.tokens.tolist() == model.encode([document.text])[0].tokens.tolist()


def test_a_corpus_of_one_source_cannot_be_halved() -> None:
    encoded = encode(FakeModel(uniform, 1), Corpus("one", tuple(random_documents(3)), ""))
    with pytest.raises(InterpError, match=r"'one' cannot be halved.*\((3 and 0|0 and 3)\).*more source documents"):
        pruning.halves(encoded)


def test_the_lowest_goes_first_and_ties_stay_as_they_are() -> None:
    table = pd.DataFrame({"site": "self", "layer": [0, 0, 1, 1], "head": [0, 1, 0, 1], "lift": [0.5, -1.0, 0.5, 0.0]})
    order = pruning.lowest_first("role", table, "lift")
    assert order.heads == (("self", 0, 1), ("self", 1, 1), ("self", 0, 0), ("self", 1, 0))
    assert (order.name, order.seed) == ("role", None)
    with pytest.raises(InterpError, match=r"cannot be ordered by 'role'.*gives no lift"):
        pruning.lowest_first("role", table.assign(lift=np.nan), "lift")


def test_the_head_that_a_role_fits_best_goes_last() -> None:
    """Head 0 looks at governors, head 1 evenly at everything."""
    model = FakeModel(lambda batch: torch.cat([to_governor(batch), uniform(batch)], dim=1), 2)
    encoded = encode(model, Corpus("random", tuple(random_documents(90)), ""))
    order = pruning_curve.order_by_role(model, encoded, governor_role("nsubj"), silent)
    assert (order.name, order.heads) == ("nsubj.to_governor", (("self", 0, 1), ("self", 0, 0)))


def test_random_orders_are_permutations_that_the_seed_decides() -> None:
    heads = [Head("self", layer, head) for layer in range(3) for head in range(4)]
    orders = pruning.at_random(heads, 4, seed=1)
    assert [order.seed for order in orders] == [0, 1, 2, 3]
    assert all(sorted(order.heads) == heads for order in orders)
    assert len({order.heads for order in [*orders, *pruning.at_random(heads, 4, seed=2)]}) == 8
    assert pruning.at_random(heads, 2, seed=1) == orders[:2]


def test_steps_are_tenths_of_the_heads_and_no_step_is_twice() -> None:
    assert pruning.step_sizes(144, 11).tolist() == [0, 14, 29, 43, 58, 72, 86, 101, 115, 130, 144]
    assert pruning.step_sizes(2, 11).tolist() == [0, 1, 2]
    assert pruning.step_sizes(5, 2).tolist() == [0, 5]
    with pytest.raises(InterpError, match=r"pruning\.steps=1\. Allowed: 2"):
        pruning.step_sizes(5, 1)


def test_an_order_has_to_rank_every_head(tiny_gpt2: Case) -> None:
    encoded, heads = encode(tiny_gpt2.model, corpus_of(TEXTS)), tuple(tiny_gpt2.model.heads)
    for wrong in (heads[:-1], (*heads, heads[0])):
        with pytest.raises(InterpError, match=rf"'mine' ranks {len(wrong)} heads.* 8 heads"):
            pruning.prune(tiny_gpt2.model, encoded, [pruning.Order("mine", wrong)])


# Planted


class Summing(FakeModel):
    """Every document's value is `combine` of one number per head; no network in between."""

    def __init__(self, numbers: Sequence[float], combine: Callable[[Tensor], Tensor]) -> None:
        super().__init__(uniform, len(numbers))
        self.numbers, self.combine = torch.tensor(numbers), combine

    def run(self, batch: Batch, *, pattern: Tap | None = None, z: Tap | None = None, logits: bool = True) -> Output:
        written = self.numbers[None, None, :, None].expand(*batch.tokens.shape, -1, 1).clone()
        changed = None if z is None else z("self", 0, written)
        return Output(self.combine(written if changed is None else changed), None)


VALUE = Metric("value", True, False, lambda out, _batch, _intact: out.hidden[:, 0, 0], lambda batch: batch.mask.sum(-1))
NUMBERS = [0.5, -0.25, 2.0, 1.0]


def planted(combine: Callable[[Tensor], Tensor]) -> dict[str, pd.DataFrame]:
    return pruning_curve.run(
        Summing(NUMBERS, combine), Corpus("random", tuple(random_documents(90)), ""), roles=positional, role=None,
        steps=5, seeds=3, plan=Plan("zero"), metrics=lambda _model: [VALUE], min_blocks=5,
    ).tables  # fmt: skip


def test_where_effects_add_up_joint_is_sum() -> None:
    tables = planted(lambda z: z.sum(2))
    joint = tables["joint_effects"]
    assert joint.joint_effect.to_numpy() == close(joint.sum_of_effects.to_numpy())
    assert joint.excess.to_numpy() == close(0)
    some = joint[joint.sum_of_effects.abs() > 1e-6]
    assert some.ratio.to_numpy() == close(1)
    assert joint[joint.heads_left == 4].ratio.isna().all()
    curve = tables["pruning_curve"].query("order == 'effect'")
    assert curve.value.tolist() == close([3.25, 3.5, 3.0, 2.0, 0.0])
    area = tables["pruning_area"].query("order == 'effect'").iloc[0]
    by_hand = ((3.25 + 3.5) / 2 + (3.5 + 3.0) / 2 + (3.0 + 2.0) / 2 + (2.0 + 0.0) / 2) / 4
    assert (area.area, area.ci_low, area.ci_high) == close((by_hand, by_hand, by_hand))
    assert area.area > tables["pruning_area"].query("order == 'random'").area.max()


def test_heads_that_stand_in_for_each_other_cost_more_together() -> None:
    """The value is 2 as long as any head is there: each alone costs nothing, all together everything."""
    joint = planted(lambda z: 2.0 * (z != 0).any(2))["joint_effects"]
    assert (joint.sum_of_effects == 0).all()
    assert joint.joint_effect.tolist() == [2.0 * (left == 0) for left in joint.heads_left]
    last = joint[joint.heads_left == 0]
    assert (last.excess == 2).all()
    assert (last.excess_ci_low == 2).all()
    assert joint.ratio.isna().all()


# Tables, from sums made by hand


def random_sums(orders: Sequence[tuple[str, int | None]]) -> PruningSums:
    chance = np.random.default_rng(0)
    shape = (len(orders), 4, BLOCKS)
    n = chance.integers(0, 4, BLOCKS)
    n[::2] = 0
    value, alone = chance.normal(1, 0.3, shape) * n, chance.normal(0, 0.1, shape) * n
    value[:, 0] = value[0, 0]
    return PruningSums("mean", "log_prob", tuple(orders), 10, np.array([0, 3, 7, 10]), n, value, alone)


ORDERS = [("effect", None), ("random", 0), ("random", 1)]


def test_areas_by_hand() -> None:
    sums = random_sums(ORDERS)
    table = area_table([sums], seed=0).set_index(["order", table_seed(area_table([sums], seed=0))])
    means = sums.value.sum(-1) / sums.n.sum()
    by_hand = 0.3 * (means[:, 0] + means[:, 1]) / 2 + 0.4 * (means[:, 1] + means[:, 2]) / 2
    by_hand += 0.3 * (means[:, 2] + means[:, 3]) / 2
    assert len(table) == 4
    assert table.loc[("effect", -1), "area"] == pytest.approx(by_hand[0])
    assert table.loc[("random", 0), "area"] == pytest.approx(by_hand[1])
    assert table.loc[("random", 1), "area"] == pytest.approx(by_hand[2])
    assert table.loc[("random", -1), "area"] == pytest.approx((by_hand[1] + by_hand[2]) / 2)
    assert table.loc[("effect", -1), "difference"] == pytest.approx(by_hand[0] - (by_hand[1] + by_hand[2]) / 2)
    assert table.loc["random", ["difference", "difference_ci_low"]].isna().all().all()
    weights = np.array([0.15, 0.35, 0.35, 0.15])
    low, high = bootstrap_interval((weights @ sums.value[0])[None], sums.n, seed=0)
    assert (table.loc[("effect", -1), "ci_low"], table.loc[("effect", -1), "ci_high"]) == close((low[0], high[0]))


def table_seed(table: pd.DataFrame) -> pd.Series:
    return table.order_seed.fillna(-1).astype(int).rename("number")


def test_a_difference_to_random_is_between_the_same_documents() -> None:
    """Documents differ widely, and the order is 0.25 better on every one of them: no doubt about the difference."""
    sums = random_sums([("random", 0), ("mine", None)])
    sums.value[1] = sums.value[0] + 0.25 * sums.n
    row = area_table([sums], seed=0).query("order == 'mine'").iloc[0]
    assert (row.difference, row.difference_ci_low, row.difference_ci_high) == close((0.25, 0.25, 0.25))
    assert row.ci_high - row.ci_low > 0.02


def test_curves_and_joint_effects_by_hand() -> None:
    sums = random_sums(ORDERS)
    curve, joint = curve_table([sums], seed=0), joint_effect_table([sums], seed=0)
    documents = sums.n.sum()
    assert len(curve) == len(joint) == 16
    for row in range(3):
        for step, left in enumerate([10, 7, 3, 0]):
            at = 4 * row + step
            value, alone = sums.value[row, step].sum() / documents, sums.alone[row, step].sum() / documents
            together = sums.value[0, 0].sum() / documents - value
            assert (curve.heads_left[at], curve.share_left[at], curve.value[at]) == pytest.approx(
                (left, left / 10, value)
            )
            assert (joint.joint_effect[at], joint.sum_of_effects[at]) == pytest.approx((together, alone))
            assert (joint.ratio[at], joint.excess[at]) == pytest.approx((together / alone, together - alone))
            low, high = bootstrap_interval(sums.value[row, step][None], sums.n, seed=0)
            assert (curve.ci_low[at], curve.ci_high[at]) == pytest.approx((low[0], high[0]))
    assert curve.value[12:].to_numpy() == pytest.approx(
        (curve.value[4:8].to_numpy() + curve.value[8:12].to_numpy()) / 2
    )
    assert curve.order_seed[12:].isna().all()


def test_without_random_orders_nothing_is_compared_with_them() -> None:
    table = area_table([random_sums([("effect", None)])], seed=0)
    assert table.order.tolist() == ["effect"]
    assert table.difference.isna().all()
    assert table.area.notna().all()


# Figures


def figures_of(sums: Sequence[PruningSums]) -> tuple[Figure, Figure]:
    curve, joint = curve_table(sums, seed=0), joint_effect_table(sums, seed=0)
    return plots.pruning_curve(curve, area_table(sums, seed=0)), plots.joint_effects(joint)


def test_the_figures_draw_every_row() -> None:
    sums = random_sums(ORDERS)
    curve, joint = curve_table([sums], seed=0), joint_effect_table([sums], seed=0)
    first, second = figures_of([sums])
    for figure, table, x, y in (
        (first, curve, "share_left", "value"),
        (second, joint, "share_left", "joint_effect"),
    ):
        # joint effects have a panel an order
        drawn = [np.asarray(line.get_xydata()).tolist() for axes in figure.axes for line in axes.lines]
        for start in range(0, 16, 4):
            assert table[[x, y]][start : start + 4].to_numpy().tolist() in drawn
    # of an order that is no single random one, the sum as well
    lines = [np.asarray(line.get_xydata()).tolist() for axes in second.axes for line in axes.lines]
    assert joint[["share_left", "sum_of_effects"]][:4].to_numpy().tolist() in lines
    area = area_table([sums], seed=0).iloc[0]
    legend = first.axes[0].get_legend()
    assert legend is not None
    said = [text.get_text() for text in legend.get_texts()]
    assert f"effect: {area.area:.3f} [{area.ci_low:.3f}, {area.ci_high:.3f}]".replace("-", "−") in said
    assert len(said) == 2


def test_without_a_value_there_is_nothing_to_show() -> None:
    sums = random_sums(ORDERS)
    empty = PruningSums("mean", "log_prob", sums.orders, 10, sums.removed, 0 * sums.n, 0 * sums.value, 0 * sums.alone)
    for figure in figures_of([empty]):
        assert "nothing to show" in "".join(text.get_text() for text in figure.texts)


# As it is used


def test_the_command_line_writes_tables_and_figures(
    interp: Callable[..., "Outcome"], tiny: tuple[str, str], corpus: tuple[str, str], tmp_path: Path
) -> None:
    outcome = interp(
        "experiment=pruning_curve", *tiny, *corpus, "pruning.role=obj.to_governor", "pruning.seeds=3",
        "classify.min_blocks=3", "hydra.run.dir=run",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    assert "area under embedding_cosine" in outcome.out and "(mean ablation, " in outcome.out
    assert "obj.to_governor" in outcome.out
    assert "All heads ablated together cost" in outcome.out
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    # two heads: three steps; effect, role, three random orders and their mean
    assert manifest["tables"] == {"pruning_curve": 18, "pruning_area": 6, "joint_effects": 18}
    for name in ("pruning_curve", "joint_effects"):
        assert (tmp_path / "run" / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (tmp_path / "run" / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
    areas = pd.read_parquet(tmp_path / "run" / "pruning_area.parquet")
    assert areas[areas.order != "random"][["area", "ci_low", "difference", "difference_ci_low"]].notna().all().all()
    curve = pd.read_csv(tmp_path / "run" / "pruning_curve.csv")
    assert curve[["model", "corpus", "seed"]].drop_duplicates().to_numpy().tolist() == [["tiny", "small", 0]]
    assert curve[curve.heads_left == 2].value.to_numpy() == close(1)
    assert curve[curve.heads_left < 2].value.max() < 1 - 1e-6


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("pruning.role=obj.to_govenor", r"Did you mean 'obj.to_governor'? Allowed: "),
        ("pruning.role=7", "the name of a role"),
        ("pruning.steps=1", "pruning.steps=1 is not allowed. Allowed: a whole number of 2 or more"),
        ("pruning.seeds=0", "pruning.seeds=0 is not allowed. Allowed: a whole number of 1 or more"),
    ],
)
def test_a_setting_that_cannot_be_is_refused(
    override: str, said: str, interp: Callable[..., "Outcome"], tiny: tuple[str, str], corpus: tuple[str, str]
) -> None:
    outcome = interp("experiment=pruning_curve", *tiny, *corpus, override)
    assert outcome.code != 0
    assert said in outcome.err


def test_a_role_that_is_never_asked_gives_no_order(tiny_gpt2: Case) -> None:
    with pytest.raises(InterpError, match=r"pruning\.role=offset-3 is never asked on the \d+ documents"):
        run_on(tiny_gpt2, [f"{letter}{other}" for letter in "abcd" for other in "efgh"], role="offset-3")


def test_settings_that_can_be_pass() -> None:
    settings.check({"pruning": {"steps": 2, "seeds": 1, "role": None}})
    settings.check({"pruning": {"steps": 11, "seeds": 5, "role": "obj.to_governor"}})
