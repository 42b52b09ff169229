"""What the loops of a run leave behind is kept on disk every so often, and taken up again by the next start."""

import json
import sys
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import asdict, dataclass
from pathlib import Path
from time import monotonic
from typing import Any

from experiments.cli import locks
from experiments.cli.manifest import differences
from experiments.cli.printing import say
from experiments.cli.sums.files import (
    SUMS,
    DamagedError,
    digest_of,
    read_index,
    read_nodes,
    read_state,
    remove_sums,
    write_index,
    write_state,
)
from interp.progress import Begun, Kept, Shard
from interp.results import write_atomically
from interp.sum_tree import Node, SumTree

WHOLE = ".interp-whole"
"""The folder beside those of shards: what is about the whole corpus is measured by one of them."""

MADE_BY = "made_by.json"
"""What a run is made of and runs on: sums of another are not gone on with."""


@dataclass(frozen=True)
class Loop:
    """Which loop of a run it is; `after` stands for all that was measured on the whole corpus before it."""

    number: int
    name: str
    items: int
    whole: bool
    after: str

    @property
    def stem(self) -> str:
        """How the names of its files begin."""
        return f"{self.number:03d}"


def following(after: str, nodes: Mapping[Node, str]) -> str:
    """What stands for this loop as well, once it is measured on the whole corpus."""
    return digest_of("".join([after, *nodes.values()]).encode())


def parent_of_shards(folder: Path, shard: Shard | None) -> Path:
    """The folder of the shards' folders: of DIR/3/8, as `hydra.sweep.subdir=${shard}` has it, DIR, and not DIR/3."""
    is_nested = shard is not None and folder.parts[-2:] == (str(shard.number), str(shard.count))
    return folder.parents[1] if is_nested else folder.parent


class SumsOnDisk:
    """Keeps the loops of one run in its folder, `every` so many seconds; of a shard, what is about the whole beside it.

    Without seconds (0) they are kept at every item.

    `made_by` is what the sums depend on: those of anything else are not gone on with.
    """

    def __init__(
        self, folder: Path, made_by: Mapping[str, Any], shard: Shard | None = None, *, every: float = 30
    ) -> None:
        self.every = every
        self.folder, self.beside, self.shard = folder / SUMS, parent_of_shards(folder, shard) / WHOLE, shard
        self.after = ""
        self._count, self._made_by = 0, json.loads(json.dumps(made_by, default=str))

    def take_up(self) -> None:
        """Remove sums that something else has made, another version or machine, and say so on stderr; keep others."""
        file = self.folder / MADE_BY
        try:
            changed = differences(json.loads(file.read_text(encoding="utf-8")), self._made_by)
        except FileNotFoundError:
            changed = [f"{MADE_BY} is gone"] if self.folder.is_dir() else []
        except (OSError, ValueError, AttributeError):
            changed = [f"{MADE_BY} cannot be read"]
        if changed:
            differs = "; ".join(changed)
            say(f"What an earlier start has measured is measured again. There → here: {differs}.", to=sys.stderr)
            remove_sums(self.folder.parent)
        self.folder.mkdir(exist_ok=True)
        text = json.dumps(self._made_by, indent=1)
        write_atomically(file, lambda path: path.write_text(text, encoding="utf-8"))

    def loop(self, name: str, items: int, *, whole: bool) -> AbstractContextManager[Kept]:
        """The next loop, as far as it is known here; in a shard one about the whole corpus as far as any knows it."""
        self._count += 1
        loop = Loop(self._count, name, items, whole, self.after)
        own = LoopOnDisk(self, self.folder, loop.stem, loop)
        if self.shard is None or not whole or own.is_finished:
            return nullcontext(own)
        return self._of_one_shard(loop, own)

    @contextmanager
    def _of_one_shard(self, loop: Loop, own: "LoopOnDisk") -> Iterator[Kept]:
        """The first shard that comes measures it; who waits finds it done, or goes on where that one was killed."""
        stem = digest_of(json.dumps([self._made_by, asdict(loop)]).encode())[:24]
        self.beside.mkdir(exist_ok=True)
        words = f"Another shard measures {loop.name!r}: waiting for it."
        with locks.waited_for(self.beside / f"{stem}.lock", lambda: say(words, to=sys.stderr)):
            shared = LoopOnDisk(self, self.beside, stem, loop)
            yield shared
            own.finish(shared.tree)


class LoopOnDisk:
    """One loop: what an earlier start has left of it, and what this one keeps."""

    def __init__(self, run: SumsOnDisk, folder: Path, stem: str, loop: Loop) -> None:
        self._run, self._folder, self._stem, self._loop = run, folder, stem, loop
        self._last, self._took = monotonic(), 0.0
        self._digests: dict[Node, str] = {}
        self.tree, self.begun, self.is_finished = SumTree(), None, False
        try:
            self._read()
        except DamagedError as damage:
            say(f"{damage} {loop.name!r} is measured again.", to=sys.stderr)

    def is_due(self) -> bool:
        """Whether it was kept long enough ago: so that keeping takes a twentieth of the time at most."""
        every = self._run.every
        return not every or monotonic() - self._last > max(every, 20 * self._took)

    def save(self, tree: SumTree, begun: Begun | None) -> None:
        """Keep the parts that are done, and as much of the next as is."""
        began = monotonic()
        self._write(tree, begun, finished=False)
        self._last = monotonic()
        self._took = self._last - began

    def finish(self, tree: SumTree) -> None:
        """Keep what the loop leaves behind: of a shard its parts, otherwise all of it together."""
        if self._loop.whole or self._run.shard is None:
            tree.collapse()
        if not self.is_finished:
            self._write(tree, None, finished=True)
        if self._loop.whole:
            self._run.after = following(self._loop.after, self._digests)

    def _read(self) -> None:
        index = read_index(self._folder, self._stem)
        if index is None or index["loop"] != asdict(self._loop):
            return
        digests = read_nodes(self._folder, self._stem, index)
        if index["begun"] is not None:
            part, done, digest = index["begun"]
            self.begun = Begun(part, done, read_state(self._folder, self._stem, digest))
        self._digests, self.tree.nodes, self.is_finished = digests, [*digests], index["finished"]

    def _write(self, tree: SumTree, begun: Begun | None, *, finished: bool) -> None:
        # states that were written are not written again
        self._digests = {node: self._digests.get(node) or self._write_state(node.state) for node in tree.nodes}
        nodes = [[node.start, node.size, digest] for node, digest in self._digests.items()]
        part = None if begun is None else [begun.part, begun.done, self._write_state(begun.state)]
        index = {"loop": asdict(self._loop), "nodes": nodes, "begun": part, "finished": finished}
        listed = [*self._digests.values(), *([] if part is None else [str(part[2])])]
        write_index(self._folder, self._stem, index, listed)

    def _write_state(self, state: Any) -> str:
        return write_state(self._folder, self._stem, state)
