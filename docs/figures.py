"""Draws every picture of the documentation from runs: python docs/figures.py RUN …

Each RUN is the folder of one of these commands; its pictures are those named beside it:

    it.png, she.png          python -m experiments experiment=sentence query=it candidates=[quiz,student] \\
                                 text="The student didn't attempt the quiz because it was too difficult."
                             … query=she candidates=[student,quiz] text="… because she was too tired."
    copying.png              python -m experiments study=smollm2_copying
    best_heads.png roles.png python -m experiments experiment=head_roles roles=syntax corpus=conllu \\
                                 corpus.path=en_ewt-ud-test.conllu
    role_against_effect.png  python -m experiments
    report.png               the same: the page of the run, photographed (docs/screenshot.py)
    memory.png               python -m benchmarks.long_corpus --folder RUN TEXT…
"""

import argparse
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import pandas as pd
from matplotlib.figure import Figure
from PIL import Image, ImageChops
from screenshot import take

from benchmarks.long_corpus import MEMORY, draw
from interp import plots
from interp.plots.theme import read_style
from interp.results import read_manifest

HERE = Path(__file__).parent
COLUMN = read_style("column")
MARGIN = 12
"""Pixels that are left white around a picture."""


def main() -> None:
    """Draw the pictures of every run that is given; one of another kind is an error that names those that are drawn."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="the folder of a run")
    parser.add_argument("--folder", type=Path, default=HERE, help="where the pictures go (docs)")
    given = parser.parse_args()
    for run in given.runs:
        for name in drawn_from(run)(run, given.folder):
            print(given.folder / name)


def drawn_from(run: Path) -> Callable[[Path, Path], list[str]]:
    """The function that draws from this kind of run."""
    if (run / MEMORY).is_file():
        return of_memory
    manifest = read_manifest(run)
    if manifest is None:
        raise SystemExit(f"{run} holds no run: neither a manifest.json nor a {MEMORY}.")
    kind = (manifest["config"]["experiment"]["_target_"].split(".")[1], manifest["model"]["name"])
    kinds = {
        ("sentence", "minilm"): of_sentence,
        ("head_roles", "smollm2"): of_copying,
        ("head_roles", "minilm"): of_treebank,
        ("atlas", "minilm"): of_atlas,
    }
    if kind not in kinds:
        allowed = ", ".join(" of ".join(one) for one in kinds)
        raise SystemExit(f"{run} is a run of {' of '.join(kind)}. Pictures are drawn of: {allowed}.")
    return kinds[kind]


def of_sentence(run: Path, folder: Path) -> list[str]:
    """Where head 3.1 attends to from the pronoun that was asked about; the picture has its name."""
    [attention] = tables(run, "attention")
    named = attention.drop_duplicates("query").sort_values("query")
    words = list(named["query_word"])
    pronoun = str((read_manifest(run) or {})["config"]["query"])
    return [
        saved(plots.attention_arcs(attention, words, [("self", 3, 1)], query=words.index(pronoun)), folder, pronoun)
    ]


def of_copying(run: Path, folder: Path) -> list[str]:
    """All heads by their lift on random tokens, twice."""
    scores, roles = tables(run, "scores", "roles")
    return [saved(plots.role_maps(scores, roles, style=COLUMN), folder, "copying")]


def of_treebank(run: Path, folder: Path) -> list[str]:
    """The best head of every relation, and all heads."""
    scores, roles = tables(run, "scores", "roles")
    figures = {"best_heads": plots.best_heads(scores, roles), "roles": plots.role_maps(scores, roles)}
    return [saved(figure, folder, name) for name, figure in figures.items()]


def of_atlas(run: Path, folder: Path) -> list[str]:
    """What is lost without each head, by the lift of its best role; and the page of the run, as a browser shows it."""
    [atlas] = tables(run, "atlas")
    take(run / "report.html", folder / "report.png", head="2.0")
    return [saved(plots.role_against_effect(atlas), folder, "role_against_effect"), "report.png"]


def of_memory(run: Path, folder: Path) -> list[str]:
    """Memory over the time of a long run."""
    return [saved(draw(pd.read_csv(run / MEMORY)), folder, "memory")]


def tables(run: Path, *names: str) -> list[pd.DataFrame]:
    """These tables of a run."""
    return [pd.read_parquet(run / f"{name}.parquet") for name in names]


def saved(figure: Figure, folder: Path, name: str) -> str:
    """The figure as a picture, without the white at its sides; its name."""
    drawn = BytesIO()
    figure.savefig(drawn, format="png", dpi=180)
    picture = Image.open(drawn).convert("RGB")
    left, top, right, bottom = ImageChops.invert(picture).getbbox() or (0, 0, *picture.size)
    box = (left - MARGIN, top - MARGIN, right + MARGIN, bottom + MARGIN)
    within = (max(box[0], 0), max(box[1], 0), min(box[2], picture.width), min(box[3], picture.height))
    picture.crop(within).save(folder / f"{name}.png", optimize=True)
    return f"{name}.png"


if __name__ == "__main__":
    main()
