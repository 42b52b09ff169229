"""The sums of shards as those of one run: every loop finds what all of them together have left of it."""

from collections.abc import Mapping
from contextlib import AbstractContextManager, nullcontext
from dataclasses import asdict
from pathlib import Path
from typing import Any

from experiments.cli.sums.files import SUMS, DamagedError, read_index, read_nodes
from experiments.cli.sums.kept import Loop, following
from interp.errors import InterpError
from interp.progress import Kept, NothingKept
from interp.sum_tree import PARTS, SumTree


class MergedSums:
    """The loops of shards, by their folders; a loop that no shard ran is one of tables, and is run here."""

    def __init__(self, folders: Mapping[str, Path]) -> None:
        self._folders = {shard: folder / SUMS for shard, folder in folders.items()}
        self._count, self._after = 0, ""

    def loop(self, name: str, items: int, *, whole: bool) -> AbstractContextManager[Kept]:
        """The next loop, all of it.

        Raises `InterpError` where a shard lacks its part of it, has measured something else, or was damaged.
        """
        self._count += 1
        loop = Loop(self._count, name, items, whole, self._after)
        try:
            indexes = {shard: read_index(folder, loop.stem) for shard, folder in self._folders.items()}
            if not any(indexes.values()):
                return nullcontext(NothingKept())
            self._check(loop, indexes)
            parts = [read_nodes(folder, loop.stem, indexes[shard] or {}) for shard, folder in self._folders.items()]
        except DamagedError as damage:
            raise InterpError(
                f"{damage} Move it away and start that shard again: what is missing is measured."
            ) from damage
        if whole:
            self._after = following(self._after, parts[0])
            if any([*one.values()] != [*parts[0].values()] for one in parts):
                raise _differently(loop, list(self._folders))
        merged = NothingKept()
        try:
            merged.tree = SumTree(parts[0] if whole else [node for one in parts for node in one])
        except ValueError as error:
            raise InterpError(f"Of {name!r} several shards have the same: {error}.") from error
        if missing := merged.tree.missing(min(PARTS, items)):
            raise InterpError(f"Of {name!r} no shard has the parts {', '.join(map(str, missing))}.")
        return nullcontext(merged)

    def _check(self, loop: Loop, indexes: Mapping[str, Any]) -> None:
        lacking = [shard for shard, index in indexes.items() if index is None or not index["finished"]]
        if lacking:
            raise InterpError(
                f"Of {loop.name!r} the shards {', '.join(lacking)} have nothing, or not all. Start them again in their "
                "folders: they go on where they were."
            )
        other = [shard for shard, index in indexes.items() if index["loop"] != asdict(loop)]
        if other:
            raise _differently(loop, other)


def _differently(loop: Loop, shards: list[str]) -> InterpError:
    return InterpError(
        f"Of {loop.name!r} the shards {', '.join(shards)} have other sums than go together: what was measured on the "
        "whole corpus differs. Run the shards anew, side by side in one folder and on one kind of machine."
    )
