"""`python -m tests.fuzzing --minutes 60`: damaged files to every reader; each finding is kept in a folder."""

import argparse
import resource
import shutil
import sys
import tempfile
import time
from collections import Counter
from hashlib import sha256
from pathlib import Path
from random import Random

from tests.fuzzing.mutation import mutated, zipped
from tests.fuzzing.subjects import SUBJECTS, Subject
from tests.fuzzing.watching import Finding, watch

SECONDS = 5.0
"""For one small file; models are loaded and proved, which takes longer."""

ROOM = 6 * 2**30
"""Bytes of address space above those of the process at its beginning."""


def one(
    name: str, subject: Subject, files: list[bytes], number: int, seed: int, folder: Path
) -> tuple[Path, Finding | str]:
    """The input of this number, which the seed gives anew, and what became of it."""
    chance = Random(f"{seed} {name} {number}")
    content = mutated(chance, files, subject.words, subject.largest)
    suffix = subject.suffix
    if subject.by_lines and chance.random() < 0.05:
        content, suffix = zipped(chance, content), f"{suffix}.gz"
    path = folder / f"input{suffix}"
    path.write_bytes(content)
    seconds = SECONDS * (1 if subject.weight > 1 else 6)
    return path, watch(lambda file: subject.read(file, chance), path, by_lines=subject.by_lines, seconds=seconds)


def main() -> int:
    """1 where something was found."""
    asked = argparse.ArgumentParser(description=__doc__)
    asked.add_argument("--minutes", type=float, default=60, help="how long, in all (default 60)")
    asked.add_argument("--reader", action="append", choices=sorted(SUBJECTS), help="only this one; may be repeated")
    asked.add_argument("--seed", type=int, default=0, help="other inputs (default 0)")
    asked.add_argument("--inputs", type=int, help="stop after so many of each reader")
    asked.add_argument("--keep", type=Path, default=Path("outputs/fuzzing"), help="the folder of findings")
    given = asked.parse_args()
    names = given.reader or list(SUBJECTS)
    files = {name: list(SUBJECTS[name].seeds()) for name in names}
    resource.setrlimit(resource.RLIMIT_AS, (_size() + ROOM, resource.RLIM_INFINITY))
    counts: dict[str, Counter[str]] = {name: Counter() for name in names}
    met: Counter[tuple[str, str]] = Counter()
    given.keep.mkdir(parents=True, exist_ok=True)
    begun, turn = time.monotonic(), 0
    end = begun + 60 * given.minutes
    with tempfile.TemporaryDirectory(prefix="fuzzing-") as temporary:
        while time.monotonic() < end and (given.inputs is None or turn < given.inputs):
            for name in names:
                subject = SUBJECTS[name]
                for part in range(subject.weight if given.inputs is None else 1):
                    # of one that takes ten times as long, a tenth
                    if subject.weight == 1 and given.inputs is None and turn % 5 and len(names) > 1:
                        continue
                    number = turn * subject.weight + part
                    path, became = one(name, subject, files[name], number, given.seed, Path(temporary))
                    counts[name][became if isinstance(became, str) else "finding"] += 1
                    if isinstance(became, Finding):
                        met[name, became.kind] += 1
                        _keep(given.keep, name, number, given.seed, path, became, met[name, became.kind])
            turn += 1
    for name, of_one in counts.items():
        each = ", ".join(f"{of_one[kind]} {kind}s" for kind in ("result", "refusal", "finding"))
        print(f"{name}: {of_one.total()} inputs, {each}")
    for (name, kind), count in met.most_common():
        print(f"{name}: {kind} ({count} times)")
    total = sum(of_one.total() for of_one in counts.values())
    minutes = (time.monotonic() - begun) / 60
    kinds = f"{sum(met.values())} findings of {len(met)} kinds"
    print(f"{total} inputs in {minutes:.1f} minutes, {kinds}, seed {given.seed}")
    return 1 if met else 0


def _keep(folder: Path, name: str, number: int, seed: int, path: Path, found: Finding, times: int) -> None:
    """The first few of each kind, with what was said of them."""
    if times > 3:
        return
    known = f"{name.replace(':', '-')}-{sha256(found.kind.encode()).hexdigest()[:6]}-{seed}-{number}"
    shutil.copyfile(path, folder / f"{known}{''.join(path.suffixes)}")
    (folder / f"{known}.said").write_text(
        f"{found.kind}\n\n{found.said}\n", encoding="utf-8", errors="backslashreplace"
    )
    print(f"found: {name}, input {number}: {found.kind}", flush=True)


def _size() -> int:
    """Bytes of address space that the process has."""
    return int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()


if __name__ == "__main__":
    sys.exit(main())
