"""Differences between runs, against the same computed with numpy; and where there is none, or none with an interval."""

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm, t

from interp.statistics.criteria import Criteria
from interp.sums import EffectSums, RoleLabel, RoleSums
from interp.tables import effect_table, score_table
from interp.tables.blocks import effect_block_table, role_block_table
from interp.tables.compared import ComparedRun, compared_effects, compared_heads, compared_roles
from interp.tables.roles import classify

if TYPE_CHECKING:
    from tests.support.command_line import Finished, Outcome

pytest_plugins = ("tests.support.command_line",)

RULES = Criteria(min_queries=50, min_blocks=12)
HEADS = (("self", 0, 0), ("self", 0, 1), ("self", 1, 0))
SIZES = np.random.default_rng(5).integers(4, 30, size=64)


def sums_of(rates: list[float], seed: int) -> RoleSums:
    """One role by hits, of which each head has its rate, more or less of it in the same blocks in every run."""
    common = np.random.default_rng(9).normal(0, 0.15, size=64)
    own = np.random.default_rng(seed).normal(0, 0.01, size=(len(rates), 64))
    hit = np.clip(np.array(rates)[:, None] + common + own, 0, 1) * SIZES
    label = RoleLabel("obj.to_governor", "syntax", "word", "hit", "x/y@1", ("offset-1",))
    baseline = np.full((1, 1, 64), 0.1) * SIZES
    return RoleSums((label,), HEADS, ("offset-1",), SIZES[None], hit[None], hit[None], SIZES * np.ones(hit.shape)[None],
                    baseline)  # fmt: skip


def run_of(name: str, sums: RoleSums, documents: str = "a") -> ComparedRun:
    scores = score_table(sums, RULES, seed=0)
    tables = {"scores": scores, "roles": classify(sums, scores, RULES, splits=2), "role_blocks": role_block_table(sums)}
    return ComparedRun(name, documents, {key: one.assign(model="m", corpus="c", seed=0) for key, one in tables.items()})


def by_numpy(mine: np.ndarray, first: np.ndarray, n: np.ndarray) -> tuple[float, float, float]:
    """The difference of two means over the same blocks, and the 95 % interval of method.md, in a loop."""
    G = n.sum() ** 2 / (n**2).sum()
    tail = norm.cdf(-np.sqrt(G / (G - 1)) * t.ppf(0.975, G - 1))
    differences = []
    for drawn in np.random.default_rng(0).integers(len(n), size=(9_999, len(n))):
        differences.append((mine[drawn].sum() - first[drawn].sum()) / n[drawn].sum())
    low, high = np.quantile(differences, [tail, 1 - tail])
    return (mine.sum() - first.sum()) / n.sum(), float(low), float(high)


first, second = sums_of([0.6, 0.3, 0.3], 1), sums_of([0.3, 0.55, 0.3], 2)


def test_the_difference_of_best_heads_is_that_of_numpy() -> None:
    table = compared_roles([run_of("one", first), run_of("two", second)], seed=0)
    assert table[["run", "layer", "head"]].to_numpy().tolist() == [["one", 0, 0], ["two", 0, 1]]
    wanted = by_numpy(second.hit[0, 1, 1::2], first.hit[0, 0, 1::2], SIZES[1::2])
    np.testing.assert_allclose(
        table.loc[1, ["difference", "difference_low", "difference_high"]].astype(float), wanted, atol=1e-12
    )
    assert table[["difference", "difference_low", "difference_high"]].isna().all(axis=1).tolist() == [True, False]
    assert table["has_role"].tolist() == [True, True]


def test_the_same_head_is_compared_where_any_run_found_it_on_select() -> None:
    table = compared_heads([run_of("one", first), run_of("two", second)], seed=0)
    assert set(table[["layer", "head"]].itertuples(index=False, name=None)) == {(0, 0), (0, 1), (1, 0)}
    found = table[(table.run == "two") & (table["head"] == 0) & (table.layer == 0)].iloc[0]
    wanted = by_numpy(second.hit[0, 0, 1::2], first.hit[0, 0, 1::2], SIZES[1::2])
    np.testing.assert_allclose(
        found[["difference", "difference_low", "difference_high"]].astype(float), wanted, atol=1e-12
    )
    # what is hard is hard in both: of two intervals side by side the difference would be far wider
    widths = (table.ci_high - table.ci_low)[(table["head"] == 0) & (table.layer == 0)]
    assert wanted[2] - wanted[1] < 0.3 * np.sqrt((widths**2).sum())


def test_two_of_the_same_differ_by_nothing() -> None:
    table = compared_roles([run_of("one", first), run_of("again", first)], seed=3)
    assert table[["difference", "difference_low", "difference_high"]].to_numpy()[1].tolist() == [0, 0, 0]


def test_of_other_documents_there_is_no_interval() -> None:
    runs = [run_of("one", first), run_of("two", second, "b"), run_of("three", second)]
    table = compared_roles(runs, seed=0).set_index("run")
    assert table.same_documents.tolist() == [True, False, True]
    assert table.difference.notna().tolist() == [False, True, True]
    assert table.difference_low.notna().tolist() == [False, False, True]
    assert table.difference.iloc[1] == table.difference.iloc[2]


def test_a_run_without_its_blocks_or_with_few_has_no_interval() -> None:
    older = run_of("two", second)
    older = older._replace(tables={name: table for name, table in older.tables.items() if name != "role_blocks"})
    assert compared_roles([run_of("one", first), older], seed=0).difference_low.isna().all()
    both = [run_of("one", first), run_of("two", second)]
    assert compared_roles(both, seed=0, min_blocks=32).difference_low.notna().sum() == 1
    assert compared_roles(both, seed=0, min_blocks=33).difference_low.isna().all()


def test_heads_of_another_model_are_not_the_same_heads() -> None:
    other = replace(second, heads=(("self", 0, 0), ("self", 0, 1), ("self", 0, 2)))
    runs = [run_of("one", first), run_of("other", other)]
    assert compared_heads(runs, seed=0).empty
    assert compared_roles(runs, seed=0).difference.notna().sum() == 1


def effects_of(name: str, effect: np.ndarray, n: np.ndarray, documents: str = "a") -> ComparedRun:
    sums = EffectSums("mean", "log_prob", True, HEADS, n, n, n * 1.0, n - effect, effect, effect)
    tables = {"effects": effect_table([sums], seed=0), "effect_blocks": effect_block_table([sums])}
    return ComparedRun(name, documents, {key: one.assign(model="m", corpus="c", seed=0) for key, one in tables.items()})


def test_effects_of_the_same_documents_alone_have_an_interval() -> None:
    random = np.random.default_rng(4)
    one, two = (random.normal(0.1, 0.1, size=(3, 64)) * SIZES for _ in range(2))
    table = compared_effects([effects_of("one", one, SIZES), effects_of("two", two, SIZES)], seed=0)
    found = table[(table.run == "two") & (table.layer == 1)].iloc[0]
    np.testing.assert_allclose(
        found[["difference", "difference_low", "difference_high"]].astype(float), by_numpy(two[2], one[2], SIZES),
        atol=1e-12,
    )  # fmt: skip
    # a sweep of fewer documents of the same corpus
    fewer = effects_of("fewer", two, np.where(np.arange(64) == 7, SIZES - 1, SIZES))
    table = compared_effects([effects_of("one", one, SIZES), fewer], seed=0)
    assert table.same_documents.all() and table.difference.notna().any() and table.difference_low.isna().all()


def test_the_blocks_of_a_run_add_up_to_its_tables(atlas_run: "Finished") -> None:
    read = {name: pd.read_parquet(atlas_run.folder / f"{name}.parquet")
            for name in ("scores", "effects", "role_blocks", "effect_blocks")}  # fmt: skip
    for blocks, name, table, number, keys in (
        ("role_blocks", "excess", read["scores"][read["scores"].split == "confirm"], "lift", ["definition", "role"]),
        ("effect_blocks", "effect", read["effects"], "effect", ["ablation", "metric"]),
    ):
        kept = read[blocks]
        kept = kept.assign(total=kept.filter(regex=f"^{name}_").sum(axis=1), of=kept.filter(regex=r"^n_").sum(axis=1))[
            [*keys, "site", "layer", "head", "total", "of"]
        ]
        both = table.merge(kept, on=[*keys, "site", "layer", "head"])
        assert len(both) == len(kept) > 0
        np.testing.assert_allclose(both.total / both.of, both[number], atol=1e-12)
        assert (both.of == both.n).all()


# --- the command


Interp = Callable[..., "Outcome"]

TESTABLE = ("classify.min_queries=5", "classify.min_blocks=3")


def test_runs_are_compared_by_the_command_and_what_is_none_is_refused(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path
) -> None:
    asked = (
        *tiny,
        *corpus,
        "experiment=head_roles",
        "roles=positional",
        "classify.min_queries=5",
        "classify.min_blocks=3",
    )
    assert interp(*asked, "hydra.run.dir=one").code == 0
    assert interp(*asked, "seed=1", "model.init=random", "hydra.run.dir=two").code == 0
    both = ("experiment=compare", "runs=[one,two]", "classify.min_blocks=3")
    done = interp(*both, "hydra.run.dir=both")
    assert done.code == 0, done.err
    table = pd.read_parquet(tmp_path / "both" / "compared_roles.parquet")
    assert table.difference_low.notna().sum() == table.role.nunique() > 2
    assert (tmp_path / "both" / "figures" / "compared_roles.pdf").exists()
    assert r"\toprule" in (tmp_path / "both" / "tables" / "compared_roles.tex").read_text(encoding="utf-8")
    assert "It is left as it is" in interp(*both, "hydra.run.dir=both").out

    def refused(*arguments: str) -> str:
        found = interp("experiment=compare", *arguments, "hydra.run.dir=refused")
        assert found.code == 1 and "Traceback" not in found.err and not (tmp_path / "refused").exists(), found.err
        return found.err

    assert "one alone" in refused("runs=[one]") and "one alone" in refused("runs=[one,one]")
    assert "Allowed: folders of runs in brackets" in refused()
    assert "has no run in it" in refused("runs=[one,nowhere]")
    assert interp(*tiny, *corpus, "experiment=head_ablation", "hydra.run.dir=other").code == 0
    assert "experiments.head_roles.run, other of experiments.head_ablation.run" in refused("runs=[one,other]")
    assert interp("experiment=definitions", "hydra.run.dir=cards").code == 0
    assert "neither of the tables" in refused("runs=[one,cards]")
    # the first run has changed since: another comparison, not the one that is there
    with (tmp_path / "two" / "scores.csv").open("a", encoding="utf-8") as file:
        file.write("x")
    assert "is not as its run wrote it: scores.csv" in refused("runs=[one,two]")
    manifest = tmp_path / "one" / "manifest.json"
    manifest.write_text(manifest.read_text(encoding="utf-8").replace('"complete"', '"running"'), encoding="utf-8")
    assert "not complete (status running)" in refused("runs=[one,two]")


def test_an_interval_needs_the_documents_to_be_the_same_in_the_command_too(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path
) -> None:
    asked = (
        *tiny,
        *corpus,
        "experiment=head_roles",
        "roles=positional",
        "classify.min_queries=5",
        "classify.min_blocks=3",
    )
    assert interp(*asked, "hydra.run.dir=one").code == 0
    assert interp(*asked, "corpus.limit=60", "hydra.run.dir=two").code == 0
    done = interp("experiment=compare", "runs=[one,two]", "classify.min_blocks=3", "hydra.run.dir=both")
    assert done.code == 0 and "Other documents than in the first run" in done.out, done.err
    table = pd.read_parquet(tmp_path / "both" / "compared_roles.parquet")
    assert table.difference.notna().any() and table.difference_low.isna().all()


@pytest.mark.parametrize("runs", ["null", "[]", "7", "[one,7]"])
def test_runs_of_another_kind_are_refused(interp: Interp, runs: str) -> None:
    done = interp("experiment=compare", f"runs={runs}", "hydra.run.dir=refused")
    assert done.code == 1 and "Traceback" not in done.err and "Allowed: " in done.err
