"""The main job, small: a run of the atlas by the command line, its tables joined right."""

import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from tests.support.paths import ROOT

HEAD = ["layer", "head"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run on 400 generated sentences, its ablation on 6."""
    place = tmp_path_factory.mktemp("atlas") / "run"
    arguments = ["corpus.documents=400", "ablation.limit=6", f"hydra.run.dir={place}"]
    done = subprocess.run(
        [sys.executable, "-m", "experiments", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    (place / "stdout.txt").write_text(done.stdout)
    return place


@pytest.fixture(scope="module")
def tables(folder: Path) -> dict[str, pd.DataFrame]:
    return {path.stem: pd.read_parquet(path) for path in folder.glob("*.parquet")}


def test_the_run_says_what_it_is(folder: Path) -> None:
    manifest = json.loads((folder / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["corpus"]["documents"] == 400
    assert manifest["corpus"]["generated"] is True
    assert manifest["model"]["weights_sha256"].startswith("53aa5117")
    said = (folder / "stdout.txt").read_text()
    assert "Best head of each role" in said
    assert "matters most" in said
    assert "its generator, not a language" in said
    assert str(folder) in said


def test_one_row_a_head(tables: dict[str, pd.DataFrame]) -> None:
    atlas = tables["atlas"]
    assert len(atlas) == 72
    assert not atlas.duplicated(["site", *HEAD]).any()
    assert atlas[["entropy", "mean_distance", "effect"]].notna().all().all()


def test_the_atlas_is_the_join_of_its_tables(tables: dict[str, pd.DataFrame]) -> None:
    """Head by head, from the other tables, in plain loops."""
    scores, roles, effects, atlas = (tables[name] for name in ("scores", "roles", "effects", "atlas"))
    median = np.median(effects.effect)
    for row in atlas.to_dict("records"):
        by_head = {name: table for name, table in tables.items() if "layer" in table}
        of_head = {name: t[(t.layer == row["layer"]) & (t["head"] == row["head"])] for name, t in by_head.items()}
        mine = of_head["roles"][of_head["roles"].role != "unclassified"]
        assert row["n_roles"] == len(mine)
        assert set(filter(None, row["roles"].split("; "))) == set(mine.role)
        tested = of_head["scores"][(of_head["scores"].split == "confirm") & of_head["scores"].p.notna()]
        awake = mine[~mine.role.isin(["first", "self", "separator"])]
        mine = awake if len(awake) else mine
        best = mine.lift.max() if len(mine) else tested.lift.max()
        assert row["best_lift"] == pytest.approx(best)
        assert row["best_role"] == (mine.role.iloc[mine.lift.argmax()] if len(mine) else "unclassified")
        assert 0 <= row["null_attention"] <= 1
        effect = of_head["effects"].iloc[0]
        assert row["effect"] == effect.effect
        if np.isnan(effect.ci_low):
            assert row["agreement"] == "untested"
        else:
            names = {(1, 1): "role and effect", (1, 0): "role only", (0, 1): "effect only", (0, 0): "neither"}
            matters = effect.ci_low > max(median, 0)
            assert row["agreement"] == names[int(len(mine) > 0), int(matters)]
    assert set(roles.role) & {"offset-1"}, "MiniLM's previous-token head is found in any corpus"
    assert scores.n.min() > 0


def test_the_figures_are_there(folder: Path) -> None:
    for name in ("roles", "best_heads", "effects", "role_against_effect"):
        assert (folder / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
        assert (folder / "figures" / f"{name}.png").read_bytes().startswith(b"\x89PNG")
