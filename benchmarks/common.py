"""Methods side by side in one process: interleaved rounds, medians, peak memory, a table and JSON."""

import argparse
import ctypes
import gc
import json
import os
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

import torch

MODELS = ("minilm", "gpt2-small", "bert-base", "smollm2")
TOLERANCE = 1e-4
"""How far two methods may lie apart and still count as doing the same."""


@dataclass(frozen=True)
class Row:
    """One method at one piece of work: median seconds, and median growth of the resident memory at its peak.

    On a cuda device the memory is the device's.

    `ratio` is the median over rounds of its time divided by interp's in the same round, which noise that comes and
    goes leaves alone.
    """

    work: str
    model: str
    method: str
    seconds: float
    ratio: float
    peak_mib: float | None


def options(description: str, documents: str, works: Sequence[str]) -> argparse.Namespace:
    """The command line that all benchmarks share; sets the number of threads."""
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--models", default="minilm,gpt2-small", help=f"comma-separated, of: {', '.join(MODELS)}")
    parser.add_argument("--works", default=",".join(works), help="comma-separated; all unless told")
    parser.add_argument("--rounds", type=int, default=3, help="every method runs once a round")
    parser.add_argument("--threads", type=int, default=2, help="of torch")
    parser.add_argument("--documents", type=int, help=documents)
    parser.add_argument("--device", default="cpu", help="cpu, cuda or mps")
    parser.add_argument("--json", type=Path, help="write the rows there, too")
    asked = parser.parse_args()
    for option, allowed in (("models", MODELS), ("works", works)):
        chosen = getattr(asked, option).split(",")
        setattr(asked, option, chosen)
        if unknown := set(chosen) - set(allowed):
            parser.error(f"--{option}: {', '.join(sorted(unknown))} is not known. Allowed: {', '.join(allowed)}.")
    if asked.rounds < 1 or asked.threads < 1 or (asked.documents is not None and asked.documents < 1):
        parser.error("--rounds, --threads and --documents: allowed are whole numbers of 1 or more.")
    torch.set_num_threads(asked.threads)
    return asked


def compare(work: str, model: str, methods: Mapping[str, Callable[[], object]], rounds: int) -> list[Row]:
    """Times every method once a round; which one is first moves on with each round. Warm them up before."""
    names = list(methods)
    seconds: dict[str, list[float]] = {name: [] for name in names}
    peaks: dict[str, list[float | None]] = {name: [] for name in names}
    for number in range(rounds):
        first = number % len(names)
        for name in names[first:] + names[:first]:
            took, peak = _measure(methods[name])
            seconds[name].append(took)
            peaks[name].append(peak)
    ratios = {name: median(a / b for a, b in zip(seconds[name], seconds["interp"], strict=True)) for name in names}
    return [
        Row(work, model, name, round(median(seconds[name]), 4), round(ratios[name], 3), _median(peaks[name]))
        for name in names
    ]


def agree(what: str, values: Mapping[str, torch.Tensor], first: str = "interp") -> None:
    """Print how far every method lies from `first`. Raises `AssertionError` where one lies too far."""
    for name, value in values.items():
        if name == first:
            continue
        difference = float((value - values[first]).abs().max())
        print(f"  {what}: {name} − {first}, max |difference| = {difference:.1e}")
        # a NaN is no agreement either
        assert difference < TOLERANCE, f"{name} and {first} do not do the same: {difference:.1e} (< {TOLERANCE:.0e})"


def finish() -> None:
    """A cuda device works on after it was asked."""
    if torch.cuda.is_initialized():
        torch.cuda.synchronize()


def report(rows: Iterable[Row], file: Path | None) -> None:
    """Each row on the screen as it comes and, if a file is named, all rows so far as JSON."""
    known: list[Row] = []
    for row in rows:
        if not known:
            print(f"\n{'work':15}{'model':12}{'method':17}{'seconds':>10}{'÷ interp':>10}{'peak MiB':>10}")
        known.append(row)
        peak = "–" if row.peak_mib is None else f"{row.peak_mib:.0f}"
        print(f"{row.work:15}{row.model:12}{row.method:17}{row.seconds:10.3f}{row.ratio:10.2f}{peak:>10}", flush=True)
        if file is not None:
            whole = file.with_name(f"{file.name}.part")
            whole.write_text(json.dumps([asdict(one) for one in known], indent=1) + "\n")
            os.replace(whole, file)


def _measure(method: Callable[[], object]) -> tuple[float, float | None]:
    """Seconds and MiB of one run."""
    gc.collect()
    _hand_back()
    before = _reset_peak()
    start = time.perf_counter()
    method()
    finish()
    took = time.perf_counter() - start
    return took, None if before is None else _peak() - before


def _median(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return round(median(known), 1) if known else None


def _hand_back() -> None:
    """What was freed goes back to the system, so that no method grows into memory that another left."""
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def _reset_peak() -> float | None:
    """The memory in MiB, from which on its peak is tracked anew; None where the kernel does not track it."""
    if torch.cuda.is_initialized():
        torch.cuda.empty_cache()
        torch.cuda.reset_peak_memory_stats()
        return _peak()
    try:
        Path("/proc/self/clear_refs").write_text("5")
    except OSError:
        return None
    return _peak()


def _peak() -> float:
    if torch.cuda.is_initialized():
        return torch.cuda.max_memory_allocated() / 2**20
    lines = Path("/proc/self/status").read_text().splitlines()
    return next(int(line.split()[1]) / 1024 for line in lines if line.startswith("VmHWM:"))
