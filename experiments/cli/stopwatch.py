"""Where the time of a run goes: what it spends in passes over the corpus, by name, and what beside them."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from time import perf_counter
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    # --help is not to wait for pandas
    from interp.progress import Show


class Stopwatch:
    """Seconds of each part of a run, from `began` on: every moment belongs to one lap or to one pass."""

    def __init__(self, began: float | None = None) -> None:
        self._began = self._last = perf_counter() if began is None else began
        self.laps: dict[str, float] = {}
        self._passes: dict[str, float] = {}
        self._passed = 0.0
        self._is_passing = False

    def lap(self, name: str) -> None:
        """The time since the last lap belongs to `name`, but for what passes took of it."""
        now = perf_counter()
        self.laps[name] = now - self._last - self._passed
        self._last, self._passed = now, 0.0

    def timed(self, show: "Show") -> "Show":
        """Shows the same; the time of its loops is kept by their names, that of a loop in a loop by the outer's."""

        def timed(items: Sequence[Any], name: str) -> Iterable[Any]:
            shown = show(items, name)
            return shown if self._is_passing else self._pass(shown, name)

        return timed

    @property
    def total(self) -> float:
        """Seconds up to the last lap."""
        return self._last - self._began

    def seconds(self) -> dict[str, Any]:
        """By lap; `passes` by name, and the `total` of all, up to the last lap."""
        passes = {name: round(took, 2) for name, took in self._passes.items()}
        laps = {name: round(took, 2) for name, took in self.laps.items()}
        return {**laps, "passes": passes, "total": round(self._last - self._began, 2)}

    def words(self) -> str:
        """The same in a line: how much of the time passes took, which, and all else."""
        total, passed = self._last - self._began, sum(self._passes.values())
        return f"Seconds: {total:.1f} = {_listed({'passes': passed} | self.laps)}. Passes: {_listed(self._passes)}."

    def _pass(self, shown: Iterable[Any], name: str) -> Iterator[Any]:
        began, self._is_passing = perf_counter(), True
        try:
            yield from shown
        finally:
            took, self._is_passing = perf_counter() - began, False
            self._passes[name] = self._passes.get(name, 0.0) + took
            self._passed += took


def _listed(seconds: Mapping[str, float]) -> str:
    return " + ".join(f"{took:.1f} {name}" for name, took in seconds.items()) or "none"
