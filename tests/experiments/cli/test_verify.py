"""A run computed again: the same, up to arithmetic, or not; and what is not as it was, said before the numbers."""

import json
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pytest

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]

ASKED = ("experiment=head_roles", "roles=positional", "classify.min_queries=5", "classify.min_blocks=3")


@pytest.fixture
def run(interp: Interp, tiny: tuple[str, str], tmp_path: Path) -> Path:
    """A run on a treebank of its own, beside which it lies."""
    from tests.support.command_line import write_treebank

    write_treebank(tmp_path / "small.conllu")
    done = interp(*tiny, "corpus=conllu", "corpus.path=small.conllu", *ASKED, "hydra.run.dir=run")
    assert done.code == 0, done.err
    return tmp_path / "run"


def change(run: Path, by: float, *, forge: bool) -> None:
    """One number of a table, by so much; a forger sees to the hash as well."""
    path = run / "scores.parquet"
    table = pd.read_parquet(path)
    table.loc[table.index[7], "lift"] += by
    table.to_parquet(path, index=False)
    if forge:
        edit(run, lambda manifest: manifest["files"].update({path.name: sha256(path.read_bytes()).hexdigest()}))


def edit(run: Path, change: Callable[[dict[str, Any]], object]) -> None:
    path = run / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    change(manifest)
    path.write_text(json.dumps(manifest), encoding="utf-8")


def verify(interp: Interp, folder: str = "verified", *more: str) -> "Outcome":
    found = interp("experiment=verify", "run=run", f"hydra.run.dir={folder}", *more)
    assert "Traceback" not in found.err
    return found


def test_a_run_is_reproduced_to_the_last_bit(interp: Interp, run: Path) -> None:
    before = {path: path.read_bytes() for path in run.rglob("*") if path.is_file()}
    found = verify(interp)
    assert found.code == 0, found.err
    assert found.out.startswith("run is reproduced: all ") and "the same to the last bit." in found.out
    table = pd.read_parquet(run.parent / "verified" / "verify.parquet")
    examples = {"examples", "example_documents", "example_offsets"}
    assert set(table.verdict) == {"same"}
    assert set(table.table) == {"scores", "roles", "power", "role_blocks"} | examples
    assert {path: path.read_bytes() for path in run.rglob("*") if path.is_file()} == before


def test_a_changed_number_is_found_even_where_its_hash_is_forged(interp: Interp, run: Path) -> None:
    change(run, 2e-3, forge=True)
    found = verify(interp)
    assert found.code == 1
    assert "run is NOT reproduced: 1 of " in found.out and "scores.lift" in found.out
    assert found.err.splitlines()[-1].startswith("Error: run is NOT reproduced: 1 of ")
    table = pd.read_parquet(run.parent / "verified" / "verify.parquet")
    (row,) = table[table.verdict != "same"].to_dict("records")
    assert (row["table"], row["column"], row["differing"], row["verdict"]) == ("scores", "lift", 1, "differs")
    assert row["largest_difference"] == pytest.approx(2e-3)
    # what is kept is judged again
    again = verify(interp)
    assert again.code == 1 and "It is left as it is" in again.out and "NOT reproduced" in again.err


def test_a_file_that_is_not_as_it_was_written_is_said_first(interp: Interp, run: Path) -> None:
    change(run, 1e-9, forge=False)
    found = verify(interp)
    assert found.code == 1 and "Not as recorded: file scores.parquet: written → changed since" in found.err
    assert "up to arithmetic" in found.out and "1 of its files and data are not as recorded" in found.out


def test_what_arithmetic_changes_is_said_as_such(interp: Interp, run: Path) -> None:
    change(run, 1e-9, forge=True)
    found = verify(interp)
    assert found.code == 0, found.err
    assert "run is reproduced up to arithmetic: 1 of " in found.out and "What differs by arithmetic alone:" in found.out


def test_a_changed_corpus_is_said_before_the_numbers(interp: Interp, run: Path, tmp_path: Path) -> None:
    from tests.support.command_line import write_treebank

    write_treebank(tmp_path / "small.conllu", seed=1)
    found = verify(interp)
    assert found.code == 1 and "Not as recorded: corpus sha256: " in found.err
    lines = found.out.splitlines()
    assert "NOT reproduced" in lines[0] and "corpus sha256" in lines[2] and "What differs:" in lines


def test_a_changed_model_is_said(interp: Interp, run: Path) -> None:
    edit(run, lambda manifest: manifest["model"].update(weights_sha256="0" * 64))
    found = verify(interp)
    assert found.code == 1 and f"Not as recorded: model weights_sha256: {'0' * 64} → " in found.err


def test_other_versions_and_machines_are_said_and_allowed(interp: Interp, run: Path) -> None:
    edit(run, lambda manifest: (manifest["packages"].update(numpy="1.0"), manifest["machine"].update(threads=99)))
    found = verify(interp)
    assert found.code == 0 and "version numpy: 1.0 → " in found.err and "machine threads: 99 → " in found.err


def test_recorded_settings_stand_where_a_default_has_changed(interp: Interp, run: Path) -> None:
    roles = pd.read_parquet(run / "roles.parquet")
    assert (roles.role != "unclassified").any(), "of another margin there would be other roles"

    def older(manifest: dict[str, Any]) -> None:
        for place in (manifest["config"]["classify"], manifest["config"]["experiment"]["criteria"]):
            place["margin"] = 0.99

    edit(run, older)
    found = verify(interp)
    assert "setting classify.margin: 0.99 → 0.1" in found.err
    assert found.code == 1 and "roles." in found.out


def test_nothing_of_a_manifest_is_run(interp: Interp, run: Path, tmp_path: Path) -> None:
    edit(
        run,
        lambda manifest: manifest["overrides"].extend(["corpus._target_=os.system", "+corpus.command=touch hacked"]),
    )
    found = verify(interp)
    assert found.code == 1 and "_target_=os.system, which is in no configuration here" in found.err
    edit(run, lambda manifest: manifest.update(overrides=manifest["overrides"][:-2]))
    edit(run, lambda manifest: manifest["config"]["corpus"].update(_target_="os.system"))
    assert verify(interp, "other").code == 0
    # nor where a list, of which nothing is known, stands in for a number
    code = [{"_target_": "os.system", "command": "touch hacked"}]
    edit(run, lambda manifest: manifest["config"]["classify"].update(margin=code))
    assert verify(interp, "another").code == 0
    assert not (tmp_path / "hacked").exists()


def test_what_cannot_be_verified_says_so(interp: Interp, run: Path, tiny: tuple[str, str]) -> None:
    def refused(*arguments: str) -> str:
        found = interp("experiment=verify", *arguments, "hydra.run.dir=refused")
        assert found.code == 1 and "Traceback" not in found.err and not (run.parent / "refused").exists()
        return found.err

    assert "Allowed: the folder of a complete run" in refused()
    assert "has no run in it" in refused("run=nowhere")
    shard = ("corpus=conllu", "corpus.path=small.conllu", *ASKED, "shard=1/2", "hydra.run.dir=shard")
    assert interp(*tiny, *shard).code == 0
    assert "holds a shard" in refused("run=shard")
    assert verify(interp).code == 0
    assert "a verification itself" in refused("run=verified")
    assert "runs in it" in refused("run=.")
    edit(run, lambda manifest: manifest.update(status="running"))
    assert "not complete (status running)" in refused("run=run")


def test_an_experiment_without_a_model_is_verified_too(interp: Interp, tmp_path: Path) -> None:
    assert interp("experiment=definitions", "hydra.run.dir=run").code == 0
    assert verify(interp).code == 0
