"""How much a killed run loses: experiments killed at random moments, again and again, until they are through.

    python -m benchmarks.killed --kills 20 --folder DIR

Every experiment runs once undisturbed, and then in another folder, where each start but the last is killed (SIGKILL) at
a moment drawn evenly from as long as the undisturbed run took. Tables have to be the same to the last bit. What a kill
costs is what all starts took together, less what the undisturbed run took, by the number of kills; so the seconds of
starting again are in it.
"""

import argparse
import os
import random
import signal
import subprocess
import sys
import time
from hashlib import sha256
from pathlib import Path

EXPERIMENTS = {
    "head_roles": ("experiment=head_roles", "model=minilm", "corpus=grammar", "corpus.documents=2500"),
    "head_ablation": ("experiment=head_ablation", "model=minilm", "corpus=grammar", "ablation.limit=40"),
    "nulls": ("experiment=nulls", "model=minilm", "corpus=grammar", "corpus.documents=150", "null_seeds=1"),
    "shapes": ("experiment=shapes", "model=minilm", "corpus=grammar", "corpus.documents=1200"),
    "pruning_curve": ("experiment=pruning_curve", "model=minilm", "corpus=grammar", "ablation.limit=24"),
}


def main() -> None:
    """Print, per experiment, the kills, whether its tables are those of the undisturbed run, and what a kill costs."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--kills", type=int, default=20, help="of each experiment")
    parser.add_argument("--keep-every", type=float, default=30, help="seconds between two times that sums are kept")
    parser.add_argument("--experiments", default=",".join(EXPERIMENTS))
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--seed", type=int, default=0)
    given = parser.parse_args()
    draw = random.Random(given.seed)
    for name in given.experiments.split(","):
        command = [*EXPERIMENTS[name], f"keep_every={given.keep_every}", "quiet=true"]
        whole, _ = start(command, given.folder / name / "undisturbed")
        folder, spent, kills, ends = given.folder / name / "killed", 0.0, 0, 0
        while kills < given.kills or not ends:
            seconds, was_killed = start(command, folder, draw.uniform(0, whole) if kills < given.kills else None)
            spent += seconds
            kills += was_killed
            if not was_killed:
                ends += 1
                check(given.folder / name, kills)
                # where it was through before it could be killed: once more, from nothing
                folder.rename(folder.with_name(f"ended_{ends}"))
        cost = (spent - ends * whole) / kills
        print(
            f"{name}: {kills} kills, the same tables; undisturbed {whole:.0f} s, a kill costs {cost:.1f} s", flush=True
        )


def start(command: list[str], folder: Path, kill_after: float | None = None) -> tuple[float, bool]:
    """Run to the end, or until it is killed; the seconds that took, and whether it was. Raises where it fails."""
    began = time.monotonic()
    words = [sys.executable, "-m", "experiments", *command, f"hydra.run.dir={folder}"]
    was_killed = False
    with subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as run:  # noqa: S603 - our own words
        try:
            _, said = run.communicate(timeout=kill_after)
            if run.returncode:
                raise RuntimeError(f"{' '.join(words)}: {said.decode()}")
        except subprocess.TimeoutExpired:
            os.kill(run.pid, signal.SIGKILL)
            run.wait()
            was_killed = True
    return time.monotonic() - began, was_killed


def check(place: Path, kills: int) -> None:
    """Raises where a table of the killed run is not that of the undisturbed one."""
    tables = sorted((place / "undisturbed").glob("*.parquet"))
    other = [
        path.name
        for path in tables
        if sha256(path.read_bytes()).digest() != sha256((place / "killed" / path.name).read_bytes()).digest()
    ]
    if other or not tables:
        raise RuntimeError(f"{place}: after {kills} kills {', '.join(other) or 'no table'} is another")


if __name__ == "__main__":
    main()
