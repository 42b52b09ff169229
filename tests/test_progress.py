"""Loops that are shown, kept and shared out: every item once, and sums that do not depend on who did what when."""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from interp.errors import InterpError
from interp.folds import Collected, Folds, State, added, restore_to, state_of
from interp.progress import (
    AboutTheWhole,
    Begun,
    Keeper,
    Kept,
    NothingKept,
    Passes,
    Shard,
    ShardEnds,
    read_shard,
    silent,
)
from interp.sum_tree import PARTS, Node, SumTree


class Sum:
    """Floating-point numbers, added one after another."""

    def __init__(self) -> None:
        self.total, self.count = np.zeros(2), 0

    def add(self, value: float) -> None:
        self.total += [value, -value / 3]
        self.count += 1

    def state(self) -> State:
        return state_of(self, ("total", "count"))

    def restore(self, state: State) -> None:
        restore_to(self, ("total", "count"), state)


class InMemory:
    """Keeps a copy of one loop at every item, and gives it to the next."""

    def __init__(self) -> None:
        self.tree = SumTree()
        self.begun: Begun | None = None
        self.finished: list[Node] = []

    def loop(self, name: str, items: int, *, whole: bool) -> AbstractContextManager[Kept]:
        return nullcontext(self)

    def is_due(self) -> bool:
        return True

    def save(self, tree: SumTree, begun: Begun | None) -> None:
        self.kept = copied(tree), None if begun is None else Begun(begun.part, begun.done, copy_of(begun.state))

    def finish(self, tree: SumTree) -> None:
        self.finished = copied(tree).nodes

    def again(self) -> "InMemory":
        next_start = InMemory()
        next_start.tree, next_start.begun = self.kept
        return next_start


def copy_of(state: State) -> State:
    return {name: array.copy() for name, array in state.items()}


def copied(tree: SumTree) -> SumTree:
    other = SumTree()
    other.nodes = [Node(node.start, node.size, copy_of(node.state)) for node in tree.nodes]
    return other


def summed(values: list[float], keeper: Keeper | None = None, shard: Shard | None = None) -> Sum:
    fold = Sum()
    for value in Passes(keeper=keeper, shard=shard)(values, "sums", fold):
        fold.add(value)
    return fold


# numbers of many sizes: their sum depends on the order
NUMBERS = st.lists(st.floats(-1e6, 1e6).map(lambda x: x * 1e-3 ** (abs(hash(x)) % 5)), max_size=200)


@given(NUMBERS, st.integers(0, 200))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_stopped_anywhere_the_sum_is_the_same(values: list[float], stop: int) -> None:
    keeper, fold = InMemory(), Sum()
    loop: Iterator[float] = iter(Passes(keeper=keeper)(values, "sums", fold))
    done = []
    for value in loop:
        if len(done) == stop:
            # this one is begun, and lost
            break
        fold.add(value)
        done.append(value)
    else:
        assert sorted(done) == sorted(values)
        return
    keeper = keeper.again() if done else InMemory()
    fold = Sum()
    for value in Passes(keeper=keeper)(values, "sums", fold):
        fold.add(value)
        done.append(value)
    assert sorted(done) == sorted(values)
    expected = summed(values)
    assert fold.total.tobytes() == expected.total.tobytes() and fold.count == len(values)


@given(NUMBERS, st.integers(1, 80))
@settings(max_examples=60, derandomize=True, deadline=None)
def test_shards_have_the_sum_of_the_whole(values: list[float], count: int) -> None:
    nodes: list[Node] = []
    for number in range(1, count + 1):
        keeper = InMemory()
        summed(values, keeper, Shard(number, count))
        nodes += keeper.finished
    merged = SumTree(nodes)
    assert merged.missing(min(PARTS, len(values))) == []
    state, expected = merged.collapse(), summed(values)
    if values:
        assert state["total"].tobytes() == expected.total.tobytes()
        assert int(state["count"]) == len(values)
    np.testing.assert_allclose(expected.total[0], np.sum(values), rtol=1e-9, atol=1e-6)


def test_the_order_of_sums_is_that_of_pairs() -> None:
    values = [1.0, 1e-16, 1e-16, 1e-16, -1.0]
    # ((1 + a) + (a + a)) + −1, and not the sum from left to right
    assert summed(values).total[0] == ((values[0] + values[1]) + (values[2] + values[3])) + values[4]
    assert summed(values).total[0] != sum(values)


def test_a_part_that_is_there_twice_is_an_error() -> None:
    tree = SumTree([Node(0, 2, {}), Node(2, 1, {})])
    with pytest.raises(ValueError, match="part 1 is there already"):
        SumTree([*tree.nodes, Node(1, 1, {})])
    assert SumTree([Node(0, 1, {}), Node(3, 1, {})]).missing(5) == [1, 2, 4]


def test_the_whole_is_the_whole_in_every_shard() -> None:
    values, shard = [float(n) for n in range(100)], Shard(2, 3)
    progress, fold = Passes(shard=shard), Sum()
    for value in progress(values, "means", fold, whole=True):
        fold.add(value)
    assert fold.count == 100
    for value in AboutTheWhole(progress)(values, "means", fold):
        fold.add(value)
    assert fold.count == 100
    assert 0 < summed(values, shard=shard).count < 50
    with pytest.raises(ShardEnds):
        progress.measured()
    silent.measured()


def test_a_loop_without_a_fold_is_shown_and_no_more() -> None:
    shown = []

    def show(items: Sequence[int], name: str) -> Sequence[int]:
        shown.append((name, len(items)))
        return items

    progress = Passes(show, NothingKept(), Shard(1, 2))
    assert list(progress([3, 1, 2], "bare")) == [3, 1, 2]
    fold = Sum()
    assert len(list(progress([3, 1, 2, 4], "shared", fold))) == 2
    assert shown == [("bare", 3), ("shared", 2)]


@pytest.mark.parametrize(
    "given", ["0/8", "9/8", "1", "1/", "/8", "a/b", "1/0", "-1/8", "1/8/2", "١/٨", "1" * 20 + "/2"]
)
def test_what_is_no_shard_is_refused(given: str) -> None:
    with pytest.raises(InterpError, match="Allowed: null, or i/n"):
        read_shard(given)


def test_shards_share_out_all_parts_evenly() -> None:
    for count in (1, 2, 3, 8, 64, 70):
        parts = [list(Shard(number, count).parts(64)) for number in range(1, count + 1)]
        assert [part for some in parts for part in some] == list(range(64))
        assert max(map(len, parts)) - min(map(len, parts)) <= 1
    assert str(read_shard("3/8")) == "3/8"


def test_collected_rows_come_back_in_the_order_of_their_items() -> None:
    table = pd.DataFrame({"head": [1, 2], "name": ["a", None], "lift": [0.1, float("nan")], "is": [True, False]})
    one, other = Collected(), Collected()
    other.add(10, rows=table.assign(head=[5, 6]), word="é\n")
    one.add(9, rows=table, word="x", n=3)
    joined = Collected()
    joined.restore(added(other.state(), one.state()))
    pd.testing.assert_frame_equal(
        joined.table("rows"), pd.concat([table, table.assign(head=[5, 6])], ignore_index=True)
    )
    assert joined.texts("word") == ["x", "é\n"] and [int(n) for n in joined.arrays("n")] == [3]
    assert joined.table("nothing").empty
    joined.restore({})
    assert joined.state() == {}


def test_several_folds_are_one() -> None:
    many = [Sum() for _ in range(12)]
    for number, fold in enumerate(many):
        fold.add(number)
    state = copy_of(Folds(*many).state())
    others = [Sum() for _ in range(12)]
    Folds(*others).restore(state)
    assert [fold.total[0] for fold in others] == list(range(12))
    Folds(*others).restore({})
    assert [fold.total[0] for fold in others] == [0] * 12 and others[0].count == 0
