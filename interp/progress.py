"""How the loops over a corpus are run: shown, kept on disk, taken up again, and shared out.

A loop has a fold for what it leaves behind, and nothing else may change in its body. So whoever runs it can keep the
fold's state at any item, and go on from there; and of several runs each can do some parts of it (`interp.sum_tree`).
"""

from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass
from typing import Any, Protocol, TypeVar, runtime_checkable

from interp.errors import InterpError
from interp.folds import Fold, State
from interp.sum_tree import PARTS, Node, SumTree

Item = TypeVar("Item")

Show = Callable[[Sequence[Any], str], Iterable[Any]]
"""Shows how far a loop over the items has come, under a name."""


@runtime_checkable
class Progress(Protocol):
    """Runs the loops of an experiment."""

    def __call__(
        self, items: Sequence[Item], name: str, fold: Fold | None = None, *, whole: bool = False
    ) -> Iterable[Item]:
        """The items that are left to do, one after another; at the end the fold has what all of them give.

        Items come in an order of their own. In a shard the fold has at the end what the shard's items give, unless the
        loop is about the `whole` corpus, because something else depends on what it finds. A loop without a fold is
        shown and no more.
        """
        ...

    def measured(self) -> None:
        """All loops are over, and what follows is made of their folds: here a shard ends."""
        ...


class ShardEnds(Exception):  # noqa: N818 - no error
    """A shard has done its part."""


@dataclass(frozen=True)
class Shard:
    """The `number`-th of `count` runs that share out the parts of every loop; from 1 on."""

    number: int
    count: int

    def __str__(self) -> str:
        return f"{self.number}/{self.count}"

    def parts(self, count: int) -> range:
        """Its parts, of so many."""
        return range((self.number - 1) * count // self.count, self.number * count // self.count)


def read_shard(text: str) -> Shard:
    """From `3/8`. Raises `InterpError` for anything else."""
    number, _, count = text.partition("/")
    # eight digits: none that could not be counted
    if not (number.isdecimal() and count.isdecimal() and len(text) < 10 and 1 <= int(number) <= int(count)):
        raise InterpError(f"shard={text}. Allowed: null, or i/n with i from 1 to n, such as shard=1/8 to shard=8/8.")
    return Shard(int(number), int(count))


@dataclass(frozen=True, eq=False)
class Begun:
    """The part of a loop that is being worked on: how many of its items are done, and their state."""

    part: int
    done: int
    state: State


@runtime_checkable
class Kept(Protocol):
    """What is kept of one loop."""

    tree: SumTree
    """The parts that are done."""

    begun: Begun | None

    def is_due(self) -> bool:
        """Whether it is time to save."""
        ...

    def save(self, tree: SumTree, begun: Begun | None) -> None:
        """Keep what there is so far."""
        ...

    def finish(self, tree: SumTree) -> None:
        """Keep what the loop leaves behind."""
        ...


@runtime_checkable
class Keeper(Protocol):
    """Keeps what loops leave behind, by their order."""

    def loop(self, name: str, items: int, *, whole: bool) -> AbstractContextManager[Kept]:
        """The next loop, for as long as it runs."""
        ...


class NothingKept:
    """Neither a loop nor what is left of it."""

    def __init__(self) -> None:
        self.tree = SumTree()
        self.begun: Begun | None = None

    def loop(self, name: str, items: int, *, whole: bool) -> AbstractContextManager[Kept]:  # noqa: ARG002
        """One that begins with nothing."""
        return nullcontext(NothingKept())

    def is_due(self) -> bool:
        """Never."""
        return False

    def save(self, tree: SumTree, begun: Begun | None) -> None:
        """Nothing."""

    def finish(self, tree: SumTree) -> None:
        """Nothing."""


def unseen(items: Sequence[Item], name: str) -> Iterable[Item]:  # noqa: ARG001 - what is shown has a name
    """The items themselves."""
    return items


class Passes:
    """Loops in parts, which are shown, kept and shared out as it is told."""

    def __init__(self, show: Show = unseen, keeper: Keeper | None = None, shard: Shard | None = None) -> None:
        self._show, self._keeper, self._shard = show, keeper or NothingKept(), shard

    def __call__(
        self, items: Sequence[Item], name: str, fold: Fold | None = None, *, whole: bool = False
    ) -> Iterable[Item]:
        """See `Progress`."""
        return self._show(items, name) if fold is None else self._folded(items, name, fold, whole)

    def measured(self) -> None:
        """Raises `ShardEnds` in a shard."""
        if self._shard is not None:
            raise ShardEnds

    def _folded(self, items: Sequence[Item], name: str, fold: Fold, whole: bool) -> Iterator[Item]:
        count = min(PARTS, len(items))
        mine = range(count) if whole or self._shard is None else self._shard.parts(count)
        with self._keeper.loop(name, len(items), whole=whole) as kept:
            tree, begun = kept.tree, kept.begun
            missing = set(tree.missing(count))
            # dealt out like cards: items are sorted by length, and all parts get some of each
            left = [(part, number) for part in mine if part in missing for number in range(part, len(items), count)]
            left = left[0 if begun is None else begun.done :]
            fold.restore({} if begun is None else begun.state)
            for part, number in self._show(left, name):
                yield items[number]
                if number + count >= len(items):
                    tree.add(Node(part, 1, fold.state()))
                    fold.restore({})
                if kept.is_due():
                    done = (number - part) // count + 1
                    is_over = number + count >= len(items)
                    kept.save(tree, None if is_over else Begun(part, done, fold.state()))
            kept.finish(tree)
            fold.restore(tree.collapse())


silent: Progress = Passes()
"""Loops that nobody sees and nothing is kept of."""


@dataclass(frozen=True)
class AboutTheWhole:
    """The same loops, all of them about the whole corpus: what they measure decides what is measured next."""

    progress: Progress

    def __call__(
        self, items: Sequence[Item], name: str, fold: Fold | None = None, *, whole: bool = True
    ) -> Iterable[Item]:
        """See `Progress`."""
        del whole
        return self.progress(items, name, fold, whole=True)

    def measured(self) -> None:
        """See `Progress`."""
        self.progress.measured()
