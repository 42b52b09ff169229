"""What the summary says of assigned roles: planted sums in which few documents decide, or many."""

import numpy as np
import pytest

from experiments import head_roles
from interp.statistics.concentration import FEW
from interp.statistics.criteria import Criteria
from interp.sums import RoleLabel, RoleSums

RULES = Criteria(margin=0.1, alpha=0.05, min_queries=50, min_blocks=12, min_word_mass=0.1)
N = 20


def attending(statistic: str, decided: list[list[int]]) -> RoleSums:
    """Heads that have the role in every block a little, give or take, and wholly in the blocks that decide."""
    rate = np.random.default_rng(0).normal(0.35, 0.002, size=(1, len(decided), 64))
    for head, blocks in enumerate(decided):
        rate[0, head, blocks] = 1.0
    if decided[0] == []:
        rate[0, 0] = np.random.default_rng(1).normal(0.35, 0.02, size=64)
    unit = "token" if statistic == "mass" else "word"
    label = RoleLabel("induction", "copying", unit, statistic, "x/y@1", ("uniform",))  # pyright: ignore[reportArgumentType]
    heads = tuple(("self", 0, head) for head in range(len(decided)))
    total, n = N * rate, np.full((1, 64), N)
    return RoleSums((label,), heads, ("uniform",), n, total, total, np.full_like(total, N), 0.05 * n[:, None])


def few_words(sums: RoleSums) -> list[str]:
    tables = head_roles.role_tables(sums, RULES, 0)
    assert (tables["roles"].role == "induction").all(), "every head has the role"
    lines = head_roles.summarise(tables)
    starts = [number for number, line in enumerate(lines) if "so few documents decide" in line]
    return lines[starts[0] : starts[0] + 2] if starts else []


def test_roles_that_few_documents_decide_are_named_with_their_heads() -> None:
    """Head 0 in no block more than in others, head 1 in two of confirm, head 2 in one of select."""
    sums = attending("mass", [[], [1, 31], [40]])
    scores = head_roles.role_tables(sums, RULES, 0)["scores"].set_index(["head", "split"]).effective_blocks
    effective = [min(scores[head, "select"], scores[head, "confirm"]) for head in range(3)]
    assert effective[0] > 15
    # e of k blocks out of 32 that stand out by the same: k of (1 − k/32), and 32 − k of k/32 the other way
    for head, k in ((1, 2), (2, 1)):
        assert effective[head] == pytest.approx(4 * k * (1 - k / 32), rel=0.05)
        assert effective[head] < FEW
    first, second = few_words(sums)
    assert first.startswith(
        "2 of 3 assigned roles: so few documents decide (effective number of clusters under 10 in a half)"
    )
    assert second == f"    induction: 0.1 ({effective[1]:.1f}), 0.2 ({effective[2]:.1f})"


def test_where_many_documents_decide_nothing_is_said() -> None:
    assert few_words(attending("mass", [[]])) == []


def test_of_hits_nothing_is_said() -> None:
    """Their intervals were measured to hold there, too."""
    assert few_words(attending("hit", [[], [1, 31]])) == []


def test_roles_are_counted_that_do_better_than_the_harder_baseline() -> None:
    """Three heads far above the baseline, one above the annotation baseline, one below, one alike, give or take."""
    random = np.random.default_rng(2)
    hits = random.binomial(N, [[0.9], [0.5], [0.7]], size=(3, 64)).astype(float)
    label = RoleLabel("obj.to_governor", "syntax", "word", "hit", "x/y@1", ("offset-1",))
    heads = tuple(("self", 0, head) for head in range(3))
    n, baseline, annotation = np.full((1, 64), N), np.full((1, 1, 64), 0.1 * N), np.full((1, 1, 64), 0.7 * N)
    sums = RoleSums(
        (label,), heads, ("offset-1",), n, hits[None], hits[None], hits[None], baseline,
        annotation_baselines=("next NOUN",), annotation=annotation,
    )  # fmt: skip
    tables = head_roles.role_tables(sums, RULES, 0)
    assert len(tables["roles"]) == 3 and (tables["roles"].role == "obj.to_governor").all()
    verdict, *_ = head_roles.summarise(tables)
    assert verdict.startswith("3 roles on 3 of 3 heads") and "1 of 3 exceed the annotation baseline" in verdict
    without = head_roles.summarise(head_roles.role_tables(attending("hit", [[]]), RULES, 0))
    assert not any("annotation" in line for line in without)
