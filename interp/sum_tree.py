"""The order in which the states of parts are added: the same however the parts were shared out, or interrupted.

Sums of floating-point numbers depend on their order. Parts are added in pairs, pairs in fours and so on, by their
numbers, so that whoever has a run of parts has the same few sums as the one who did them all.
"""

from collections.abc import Iterable
from dataclasses import dataclass

from interp.folds import State, added

PARTS = 64
"""Into how many parts the items of a pass are dealt, where there are as many."""


@dataclass(frozen=True, eq=False)
class Node:
    """The sum of the states of `size` parts, from `start` on."""

    start: int
    size: int
    state: State

    @property
    def stop(self) -> int:
        """The part after the last of them."""
        return self.start + self.size


class SumTree:
    """Sums of neighbouring parts, as few as there can be; parts are added in the order of their numbers."""

    def __init__(self, nodes: Iterable[Node] = ()) -> None:
        self.nodes: list[Node] = []
        for node in sorted(nodes, key=lambda one: one.start):
            self.add(node)

    def add(self, node: Node) -> None:
        """Add the next part, or the next few that are already summed. Raises `ValueError` for one that overlaps."""
        if self.nodes and node.start < self.nodes[-1].stop:
            raise ValueError(f"part {node.start} is there already: {self.nodes[-1].start} to {self.nodes[-1].stop - 1}")
        self.nodes.append(node)
        while len(self.nodes) > 1 and _are_a_pair(*self.nodes[-2:]):
            self._join()

    def collapse(self) -> State:
        """Everything together, as one state, which is what is left in the tree; none without any parts."""
        while len(self.nodes) > 1:
            self._join()
        return self.nodes[0].state if self.nodes else {}

    def missing(self, count: int) -> list[int]:
        """Which of `count` parts are not there."""
        there = {part for node in self.nodes for part in range(node.start, node.stop)}
        return [part for part in range(count) if part not in there]

    def _join(self) -> None:
        right, left = self.nodes.pop(), self.nodes.pop()
        self.nodes.append(Node(left.start, right.stop - left.start, added(left.state, right.state)))


def _are_a_pair(left: Node, right: Node) -> bool:
    return left.size == right.size and left.stop == right.start and left.start % (2 * left.size) == 0
