"""Memory over a long corpus, and what `plan=true` has said of it beforehand: real text, repeated, through `head_roles`.

    python -m benchmarks.long_corpus --tokens 1000000 --folder DIR TEXT…

TEXT are files of plain text, and CoNLL files of coreference (`.conll.gz`), whose sentences are lines here. All of it is
repeated until a count of words has it that there are so many tokens. Then the run is planned, and run; of the running
process the memory is noted every second, in DIR/memory.csv, of which `python docs/figures.py DIR` draws a figure.
"""

import argparse
import gzip
import json
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import cycle
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from interp.results import read_manifest

TOKENS_A_WORD = 1.15
"""Of MiniLM's pieces, on this text."""

MIB = 2**20

MEMORY = "memory.csv"
"""A row a second: second, mib, and the tokens of the whole run."""


def main() -> None:
    """Print tokens, memory by tenths of the time, and the plan beside what it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--tokens", type=int, default=1_000_000)
    parser.add_argument("--folder", type=Path, required=True)
    parser.add_argument("--model", default="minilm")
    parser.add_argument("texts", type=Path, nargs="+")
    given = parser.parse_args()
    given.folder.mkdir(parents=True, exist_ok=True)
    text = given.folder / "text.txt"
    text.write_text("\n".join(lines(given.texts, given.tokens)), encoding="utf-8")
    command = ["experiment=head_roles", f"model={given.model}", "corpus=text", f"corpus.path={text}", "quiet=true"]
    planned = json.loads(run([*command, "plan=true", "json=true"])[0])
    run_folder = given.folder / "run"
    _, memory = run([*command, f"hydra.run.dir={run_folder}"])
    manifest = read_manifest(run_folder) or {}
    took = manifest["seconds"]["total"] - manifest["seconds"]["tables"] - manifest["seconds"]["figures"]
    print(f"{planned['passes'][0]['tokens']:,} tokens in {manifest['corpus']['documents']:,} documents")
    print(
        f"planned {planned['seconds']:.0f} s until all is measured, took {took:.0f} s: {planned['seconds'] / took:.2f}"
    )
    tenths = [f"{part.max() / MIB:,.0f}" for part in np.array_split(np.array(memory), 10)]
    print(f"largest memory in each tenth of the time, MiB: {', '.join(tenths)}")
    print(f"planned {planned['memory'] / MIB:,.0f} MiB, took {max(memory) / MIB:,.0f} MiB")
    noted = {"second": range(len(memory)), "mib": [round(held / MIB, 1) for held in memory]}
    pd.DataFrame(noted).assign(tokens=planned["passes"][0]["tokens"]).to_csv(given.folder / MEMORY, index=False)


def lines(paths: Sequence[Path], tokens: int) -> Iterator[str]:
    """Paragraphs and sentences, again and again, until there are about so many tokens."""
    every = [line for path in paths for line in (sentences(path) if path.suffix == ".gz" else paragraphs(path))]
    count = 0.0
    for line in cycle(every):
        yield line
        count += TOKENS_A_WORD * len(line.split()) + 2
        if count >= tokens:
            return


def paragraphs(path: Path) -> list[str]:
    """The lines of a text that are no headings."""
    every = (line.strip() for line in path.read_text(encoding="utf-8").splitlines())
    return [line for line in every if line and not line.startswith("=")]


def sentences(path: Path) -> list[str]:
    """The words of a CoNLL file's sentences."""
    with gzip.open(path, "rt", encoding="utf-8") as file:
        parts = file.read().split("\n\n")
    rows = ([line.split("\t") for line in part.splitlines() if not line.startswith("#")] for part in parts)
    return [" ".join(row[3] for row in some) for some in rows if some]


def run(command: Sequence[str]) -> tuple[str, list[int]]:
    """What the command line prints, and the bytes that its process held, second by second. Raises where it fails."""
    words = [sys.executable, "-m", "experiments", *command]
    held = []
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as started:  # noqa: S603 - our own words
        while started.poll() is None:
            held.append(resident(started.pid))
            time.sleep(1)
        printed = started.stdout.read() if started.stdout else ""
    if started.returncode:
        raise RuntimeError(f"{' '.join(words)} has failed")
    return printed, held


def resident(process: int) -> int:
    """Bytes that a process holds in memory, as Linux says; none when it has ended."""
    try:
        status = Path(f"/proc/{process}/status").read_text(encoding="utf-8")
    except OSError:
        return 0
    found = [line.split()[1] for line in status.splitlines() if line.startswith("VmRSS")]
    return 1024 * int(found[0]) if found else 0


def draw(memory: pd.DataFrame) -> Figure:
    """Memory over time. `memory` needs: second mib tokens."""
    title = f"head_roles on {memory['tokens'].iloc[0]:,} tokens"
    figure = Figure(figsize=(6, 2.6), layout="constrained")
    axes = figure.add_subplot(xlabel="seconds", ylabel="memory (MiB)", title=title)
    axes.plot(memory["second"], memory["mib"])
    axes.set_ylim(0)
    return figure


if __name__ == "__main__":
    main()
