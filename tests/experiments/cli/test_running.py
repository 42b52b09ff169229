"""What a run leaves behind, and when it is left alone."""

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

import pandas as pd
import pytest
import yaml

from experiments.cli import inputs
from experiments.cli.earlier_run import changed_data
from experiments.cli.measuring import bar
from experiments.cli.run_folder import held, shown
from interp.errors import InterpError
from interp.results import read_manifest
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tests.support.command_line import Finished, Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]

COLUMNS = {
    "scores": "model corpus seed definition role family site layer head split n hit mass word_mass baseline "
    "baseline_name lift ci_low ci_high p q statistic guess_pos lift_pos lift_pos_low lift_pos_high p_max_t detectable "
    "effective_blocks",
    "roles": "model corpus seed definition site layer head role family statistic n hit mass baseline lift ci_low "
    "ci_high p q stability strength detectable guess_pos lift_pos lift_pos_low lift_pos_high effective_blocks "
    "fewer_effective_blocks",
    "effects": "model corpus seed site layer head ablation metric n intact ablated effect effect_token ci_low ci_high "
    "p q",
    "attention": "model seed site layer head query query_word key key_word mass",
    "candidates": "model seed site layer head query candidate candidate_word mass",
}

SENTENCE = ("experiment=sentence", "text=the cat saw a dog.")


def finished(folder: Path) -> bool:
    return (read_manifest(folder) or {}).get("status") == "complete"


def files(folder: Path) -> dict[str, tuple[int, bytes]]:
    """Every file, Hydra's notes too, with the moment it was written and what it holds."""
    found = [path for path in folder.rglob("*") if path.is_file()]
    return {str(path.relative_to(folder)): (path.stat().st_mtime_ns, path.read_bytes()) for path in found}


@pytest.fixture
def without_figures(monkeypatch: pytest.MonkeyPatch) -> None:
    """Drawing is most of the work of a small run."""
    monkeypatch.setattr("experiments.sentence.draw", lambda tables, style: {})


# --- tables and figures


@pytest.mark.parametrize("name", ["scores", "roles", "effects"])
def test_a_table_has_the_columns_of_the_contract(atlas_run: "Finished", name: str) -> None:
    table = pd.read_parquet(atlas_run.folder / f"{name}.parquet")
    assert " ".join(table.columns) == COLUMNS[name]
    assert len(table)


@pytest.mark.parametrize("name", ["scores", "roles", "effects", "atlas"])
def test_both_formats_of_a_table_say_the_same(atlas_run: "Finished", name: str) -> None:
    parquet = pd.read_parquet(atlas_run.folder / f"{name}.parquet")
    csv = pd.read_csv(atlas_run.folder / f"{name}.csv")
    assert list(csv.columns) == list(parquet.columns)
    for column in parquet:
        pd.testing.assert_series_equal(
            csv[column], parquet[column].replace("", None), check_dtype=False, check_exact=True, obj=str(column)
        )


def test_the_tables_say_where_they_come_from(atlas_run: "Finished") -> None:
    for name in ("scores", "roles", "effects", "atlas"):
        table = pd.read_parquet(atlas_run.folder / f"{name}.parquet")
        assert table[["model", "corpus", "seed"]].drop_duplicates().to_numpy().tolist() == [["tiny", "small", 0]]


def test_the_ablation_is_named_in_the_table(atlas_run: "Finished") -> None:
    assert set(pd.read_parquet(atlas_run.folder / "effects.parquet")["ablation"]) == {"mean"}


def test_the_swept_documents_are_as_many_as_asked_for(atlas_run: "Finished") -> None:
    assert set(pd.read_parquet(atlas_run.folder / "effects.parquet")["n"]) == {30}


def test_every_figure_is_there_twice(atlas_run: "Finished") -> None:
    figures = sorted((atlas_run.folder / "figures").glob("*.p*"))
    names = ["best_heads", "effects", "role_against_effect", "roles"]
    captions = (atlas_run.folder / "figures" / "captions.md").read_text(encoding="utf-8")
    assert [line for line in captions.splitlines() if line.startswith("## ")] == [
        f"## {name}".replace("_", "\\_") for name in ("roles", "best_heads", "effects", "role_against_effect")
    ]
    assert [path.name for path in figures] == [f"{name}.{kind}" for name in names for kind in ("pdf", "png")]
    for path in figures:
        assert path.read_bytes().startswith(b"%PDF-" if path.suffix == ".pdf" else b"\x89PNG")
        assert path.stat().st_size > 2000


def test_nothing_temporary_is_left(atlas_run: "Finished") -> None:
    names = {path.name for path in atlas_run.folder.iterdir()}
    listed = {"scores", "roles", "power", "role_blocks", "effects", "effect_blocks", "atlas"}
    listed |= {"examples", "example_documents", "example_offsets"}
    tables = {f"{name}.{kind}" for name in listed for kind in ("parquet", "csv")}
    others = {"tables", "head_cards.json", "methods.md", "methods.tex", "references.bib", "report.html", "README.md"}
    assert names == tables | others | {"manifest.json", "figures", ".hydra", "examples.safetensors"}


def test_the_summary_is_printed_and_ends_with_the_place(atlas_run: "Finished") -> None:
    lines = atlas_run.outcome.out.splitlines()
    assert lines[0] == "tiny on small"
    place = atlas_run.folder.relative_to(atlas_run.folder.parents[3])
    names = sorted({path.stem for path in atlas_run.folder.glob("*.parquet")})
    tables = ", ".join(names)
    assert lines[-1] == f"Tables ({tables}), figures, report.html and manifest: {place}"
    assert any("(mean ablation, effect on embedding_cosine over 30 documents)" in line for line in lines)
    assert atlas_run.outcome.err == ""


def test_the_folder_is_named_after_experiment_model_and_moment(atlas_run: "Finished") -> None:
    outputs, experiment, model, moment = atlas_run.folder.parts[-4:]
    assert (outputs, experiment, model) == ("outputs", "atlas", "local")
    assert pd.to_datetime(moment, format="%Y-%m-%d_%H-%M-%S").year > 2000


# --- the manifest


def test_the_manifest_says_running_until_everything_is_written(atlas_run: "Finished") -> None:
    assert [manifest["status"] for manifest in atlas_run.manifests] == ["running", "running", "complete"]
    first = atlas_run.manifests[0]
    assert first["config"]["classify"]["min_queries"] == 5
    assert first["config"]["model"]["seed"] == 0, "resolved"
    assert "${" not in json.dumps(first["config"])


def test_the_manifest_says_what_ran(
    atlas_run: "Finished", treebank: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    manifest = read_manifest(atlas_run.folder) or {}
    assert manifest["status"] == "complete"
    assert manifest["seed"] == 0
    assert manifest["project"]["name"] == "interp" and manifest["project"]["version"]
    assert manifest["project"]["commit"]
    assert set(manifest["packages"]) >= {"torch", "transformers", "transformer-lens", "numpy", "pandas"}
    assert "not installed" not in manifest["packages"].values()
    assert manifest["corpus"] == {
        "name": "small",
        "sha256": sha256(treebank.read_bytes()).hexdigest(),
        "documents": 80,
        "words": 480,
        "sources": 40,
        "sources_by": {"# newdoc id": 40},
        "generated": False,
        "notes": [],
    }
    weights, tokenizer = (tiny_folder / name for name in ("model.safetensors", "tokenizer.json"))
    assert manifest["model"]["name"] == "tiny"
    assert manifest["model"]["weights_sha256"] == sha256(weights.read_bytes()).hexdigest()
    assert manifest["model"]["tokenizer_sha256"] == sha256(tokenizer.read_bytes()).hexdigest()
    assert set(manifest["skipped"].values()) == {0}
    assert {"truncated_documents", "unaligned_words"} <= set(manifest["skipped"])
    passes, total = manifest["seconds"].pop("passes"), manifest["seconds"].pop("total")
    assert set(manifest["seconds"]) == {"start", "corpus", "model", "gate", "tables", "figures", "texts"}
    expected = {
        "roles",
        "mean outputs",
        "ablation (mean)",
        "explained",
        "examples",
        "intervals",
        "p-values",
        "stability",
    }
    assert set(passes) == expected
    parts = [*manifest["seconds"].values(), *passes.values()]
    assert all(seconds >= 0 for seconds in parts)
    assert sum(parts) == pytest.approx(total, abs=0.005 * (len(parts) + 1))
    assert manifest["started"] <= manifest["finished"]
    for name, rows in manifest["tables"].items():
        assert rows == len(pd.read_parquet(atlas_run.folder / f"{name}.parquet"))


def test_what_was_cut_is_counted_and_said(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    (tmp_path / "two.txt").write_text("the cat saw a dog .\n" + "the cat saw a dog . " * 9 + "\n", encoding="utf-8")
    outcome = interp("experiment=head_roles", *tiny, "corpus=text", "corpus.path=two.txt", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    # 30 of the 54 words of the long line have a place among 32 tokens
    assert (read_manifest(tmp_path / "run") or {})["skipped"] == {"truncated_documents": 1, "unaligned_words": 24}
    assert "Skipped: 1 truncated documents." in outcome.out
    assert "Skipped: 24 unaligned words." in outcome.out


def test_a_limit_is_said(interp: Interp, tmp_path: Path, tiny: tuple[str, str], corpus: tuple[str, str]) -> None:
    outcome = interp("experiment=head_ablation", *tiny, *corpus, "corpus.limit=6", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    manifest = read_manifest(tmp_path / "run") or {}
    assert manifest["corpus"]["documents"] == 6
    assert any(note.startswith("6 of ") and "their hash" in note for note in manifest["corpus"]["notes"])
    assert "Note: 6 of " in outcome.out
    assert set(pd.read_parquet(tmp_path / "run" / "effects.parquet")["n"]) == {6}, "no limit but the corpus's own"


def test_the_first_documents_are_said_and_how_to_have_more_sources(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], corpus: tuple[str, str]
) -> None:
    asked = ("experiment=head_roles", "roles=syntax", *tiny, *corpus)
    outcome = interp(*asked, "corpus.first=6", "hydra.run.dir=first")
    assert outcome.code == 0, outcome.err
    assert "Note: the first 6 documents" in outcome.out and "from few source documents" in outcome.out
    assert "come from few, corpus.limit=N from more" in outcome.out
    outcome = interp(*asked, "corpus.limit=6", "hydra.run.dir=limit")
    assert "More source documents do it: a larger corpus.limit." in outcome.out
    outcome = interp(*asked, "corpus.first=6", "corpus.limit=6", "hydra.run.dir=both")
    assert outcome.code == 1
    assert "limit=6 and first=6 are both given" in outcome.err


def test_a_corpus_without_its_words_is_refused(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    rows = "".join(f"{n}\t_\t_\tX\t_\t_\t{n - 1}\t{'dep' if n > 1 else 'root'}\t_\t_\n" for n in range(1, 6))
    (tmp_path / "withheld.conllu").write_text(f"{rows}\n" * 40)
    outcome = interp("experiment=head_roles", *tiny, "corpus=conllu", "corpus.path=withheld.conllu")
    assert outcome.code == 1
    assert outcome.err.startswith("Error: withheld.conllu: 200 of its 200 words are '_': a placeholder")
    assert not (tmp_path / "outputs").exists()


def test_the_generated_corpus_is_called_generated(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    outcome = interp("experiment=head_roles", *tiny, "corpus.documents=30", "roles=positional", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    assert (read_manifest(tmp_path / "run") or {})["corpus"]["generated"] is True
    assert "the corpus is generated" in outcome.out


@pytest.mark.parametrize(
    "text", ["it costs ${PRICE}, 'really'", r"a \${b} c \\${d}", "${oc.env:HOME} {a: b}", '"a" = [b], \\']
)
def test_a_text_arrives_as_it_was_typed(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None, text: str
) -> None:
    outcome = interp("experiment=sentence", f"text={text}", *tiny, "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    manifest = read_manifest(tmp_path / "run") or {}
    assert manifest["config"]["text"] == manifest["config"]["corpus"]["text"] == text
    assert manifest["corpus"]["sha256"] == sha256(text.encode()).hexdigest()


# --- the same folder again


def test_a_complete_run_is_left_as_it_is(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run")
    assert interp(*command).code == 0
    before = files(tmp_path / "run")
    again = interp(*command, "quiet=true")
    assert again == (0, "run holds this run, complete. It is left as it is.\n", "")
    assert files(tmp_path / "run") == before


def test_a_folder_of_another_run_is_refused_with_what_differs(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    assert interp(*SENTENCE, *tiny, "hydra.run.dir=run").code == 0
    before = files(tmp_path / "run")
    other = interp(*SENTENCE, *tiny, "hydra.run.dir=run", "seed=3", "query=cat")
    assert other.code == 1 and other.out == ""
    assert other.err == (
        "Error: run holds another run (complete). What differs, there → here: query: null → cat; seed: 0 → 3. "
        "Choose another folder with hydra.run.dir=DIR, or give the same settings.\n"
    )
    assert files(tmp_path / "run") == before


def test_a_run_that_did_not_finish_is_run_again(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run")
    assert interp(*command).code == 0
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(manifest | {"status": "running"}), encoding="utf-8")
    (tmp_path / "run" / "attention.csv").write_text("half a ta", encoding="utf-8")
    refused = interp(*command, "seed=3")
    assert refused.code == 1 and "holds another run (not finished)" in refused.err
    assert path.exists(), "an error leaves another run's manifest"
    again = interp(*command)
    assert again.code == 0 and again.out.startswith("tiny on sentence")
    assert finished(tmp_path / "run")
    assert len(pd.read_csv(tmp_path / "run" / "attention.csv")) == len(
        pd.read_parquet(tmp_path / "run" / "attention.parquet")
    )


def test_a_manifest_that_is_not_one_is_refused(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    (tmp_path / "run").mkdir()
    foreign = '{"status": "complete", "project": {"name": "another"}}'
    for text, said in (("{", "is not JSON"), ("[1]", "is not a run's manifest"), (foreign, "is not a run's manifest")):
        (tmp_path / "run" / "manifest.json").write_text(text, encoding="utf-8")
        outcome = interp(*SENTENCE, *tiny, "hydra.run.dir=run")
        assert outcome.code == 1 and said in outcome.err
        assert (tmp_path / "run" / "manifest.json").read_text(encoding="utf-8") == text


# --- other data under the same names


@pytest.fixture
def model_of_ones_own(tmp_path: Path, tiny_folder: Path) -> tuple[str, str]:
    """The tiny model where a test can change it, as `model` in the working directory."""
    shutil.copytree(tiny_folder, tmp_path / "model")
    return "model=local", "model.path=model"


LINES = "the cat saw a dog .\nthe dog saw a cat .\n"


def changed(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b" ")


@pytest.mark.parametrize(
    ("name", "change"),
    [
        ("lines.txt", changed),
        ("lines.txt", Path.unlink),
        ("model/config.json", changed),
        ("model/tokenizer.json", changed),
        ("model/tokenizer_config.json", Path.unlink),
        ("model/adapter_config.json", lambda path: path.write_text("{}", encoding="utf-8")),
    ],
)
def test_a_run_of_other_data_is_refused_with_what_has_changed(
    interp: Interp,
    tmp_path: Path,
    model_of_ones_own: tuple[str, str],
    monkeypatch: pytest.MonkeyPatch,
    name: str,
    change: Callable[[Path], object],
) -> None:
    monkeypatch.setattr("experiments.head_ablation.draw", lambda tables, style: {})
    (tmp_path / "lines.txt").write_text(LINES, encoding="utf-8")
    command = ("experiment=head_ablation", *model_of_ones_own, "corpus=text", "corpus.path=lines.txt")
    assert interp(*command, "hydra.run.dir=run").code == 0
    before = files(tmp_path / "run")
    was = (tmp_path / name).read_bytes() if (tmp_path / name).exists() else None
    change(tmp_path / name)
    other = interp(*command, "hydra.run.dir=run")
    assert (other.code, other.out) == (1, ""), other
    assert name.removesuffix(".txt") in other.err and "Traceback" not in other.err
    assert files(tmp_path / "run") == before
    if was is None:
        (tmp_path / name).unlink()
    else:
        (tmp_path / name).write_bytes(was)
    again = interp(*command, "hydra.run.dir=run")
    assert again == (0, "run holds this run, complete. It is left as it is.\n", "")


def test_other_weights_under_the_same_name_are_refused(
    interp: Interp, tmp_path: Path, model_of_ones_own: tuple[str, str], without_figures: None
) -> None:
    command = (*SENTENCE, *model_of_ones_own, "hydra.run.dir=run")
    assert interp(*command).code == 0
    path = tmp_path / "model" / "model.safetensors"
    # one bit of the last weight
    content = bytearray(path.read_bytes())
    content[-1] ^= 1
    path.write_bytes(content)
    other = interp(*command)
    assert other.code == 1 and "other data" in other.err and "model/model.safetensors: " in other.err


def test_words_that_the_figures_cannot_show_are_counted(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    outcome = interp("experiment=sentence", "text=the cat 日本 語 a 日本", *tiny, "hydra.run.dir=run")
    said = "2 words have letters that the figures' font lacks: boxes there; the tables have them."
    assert outcome.code == 0 and f"Note: {said}" in outcome.out
    assert said in (read_manifest(tmp_path / "run") or {})["said"]


def test_what_a_run_reads_is_in_its_manifest(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "config.json").write_text("{}", encoding="utf-8")
    for name in ("weights.bin", "notes.txt", "training_log.json", "consolidated.safetensors"):
        (tmp_path / "model" / name).touch()
    for name in ("model.safetensors", "vocab.txt", "adapter_config.json"):
        (tmp_path / "model" / name).write_text("{}", encoding="utf-8")
    (tmp_path / "second.conllu").write_text("1", encoding="utf-8")
    os.mkfifo(tmp_path / "pipe")
    config = {
        "text": str(tmp_path / "second.conllu"),
        "corpus": {"path": str(tmp_path / "second.conllu")},
        "model": {"path": str(tmp_path / "model"), "name": str(tmp_path / "second.conllu")},
        "experiment": {"other": {"path": [str(tmp_path / "second.conllu"), 3]}, "path": str(tmp_path / "pipe")},
        "sensitivity": {"corpus": str(tmp_path / "third.conllu")},
        "long": {"path": "x" * 10_000},
        "strange": {"path": "a\0b"},
    }
    (tmp_path / "third.conllu").write_text("3", encoding="utf-8")
    of_model = ("config.json", "model.safetensors", "vocab.txt", "adapter_config.json")
    assert inputs.hashes(config) == {
        **{str(tmp_path / "model" / name): sha256(b"{}").hexdigest() for name in of_model},
        str(tmp_path / "second.conllu"): sha256(b"1").hexdigest(),
        str(tmp_path / "third.conllu"): sha256(b"3").hexdigest(),
    }


def test_a_folder_called_as_a_value_is_no_input(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    for name in ("pretrained", "auto", "float32", "mean", "all"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "large").touch()
    settings = {"init": "pretrained", "device": "auto", "dtype": "float32"}
    assert inputs.hashes({"model": settings, "roles": "all", "ablation": {"replacement": "mean"}, **settings}) == {}


def test_what_a_model_does_not_load_does_not_make_it_another(
    interp: Interp, tmp_path: Path, model_of_ones_own: tuple[str, str], without_figures: None
) -> None:
    command = (*SENTENCE, *model_of_ones_own, "hydra.run.dir=run")
    assert interp(*command).code == 0
    for name in ("notes.txt", "training_log.json", "README.md", "pytorch_model.bin"):
        (tmp_path / "model" / name).write_text("{}", encoding="utf-8")
    assert interp(*command) == (0, "run holds this run, complete. It is left as it is.\n", "")
    (tmp_path / "model" / "adapter_config.json").write_text("{}", encoding="utf-8")
    other = interp(*command)
    assert other.code == 1 and "other data" in other.err and "adapter_config.json: absent" in other.err


def test_another_commit_of_a_model_on_the_hub_is_other_data(monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = {"inputs": {}, "model": {"path": "some/model", "revision": "a" * 40}}
    config = {"model": {"revision": None}}
    monkeypatch.setattr(inputs, "cached_revision", lambda name, revision: "b" * 40)
    assert changed_data(recorded, config, {}) == [f"model some/model: {'a' * 12} → {'b' * 12}"]
    for known in ("a" * 40, None):
        monkeypatch.setattr(inputs, "cached_revision", lambda name, revision, known=known: known)
        assert changed_data(recorded, config, {}) == []


def test_the_commit_in_the_cache_is_found_without_a_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    assert inputs.cached_revision("some/model", None) is None
    place = tmp_path / "models--some--model"
    (place / "snapshots" / ("c" * 40)).mkdir(parents=True)
    (place / "snapshots" / ("c" * 40) / "config.json").touch()
    (place / "refs").mkdir()
    (place / "refs" / "main").write_text("c" * 40, encoding="utf-8")
    assert inputs.cached_revision("some/model", None) == "c" * 40


# --- tables that are gone or damaged


@pytest.mark.parametrize("name", ["attention.parquet", "attention.csv", "figures"])
def test_a_run_that_lacks_a_file_is_done_again_and_says_so(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], name: str
) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run")
    assert interp(*command).code == 0
    whole = {path: content for path, (_, content) in files(tmp_path / "run").items() if path != "manifest.json"}
    gone = tmp_path / "run" / name
    shutil.rmtree(gone) if gone.is_dir() else gone.unlink()
    again = interp(*command)
    assert again.code == 0 and again.out.startswith("tiny on sentence")
    assert again.err.startswith(f"run lacks {name}") and again.err.endswith(": the run is done again.\n")
    assert finished(tmp_path / "run")
    assert {path: content for path, (_, content) in files(tmp_path / "run").items() if path != "manifest.json"} == whole


@pytest.mark.parametrize("name", ["attention.parquet", "attention.csv"])
def test_a_table_that_somebody_has_changed_is_neither_complete_nor_overwritten(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None, name: str
) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run")
    assert interp(*command).code == 0
    path = tmp_path / "run" / name
    path.write_bytes(path.read_bytes()[:-20])
    before = files(tmp_path / "run")
    again = interp(*command)
    assert (again.code, again.out) == (1, "") and f"not as it was written: {name}." in again.err
    assert files(tmp_path / "run") == before
    path.unlink()
    assert interp(*command).code == 0 and finished(tmp_path / "run")


def test_what_an_older_manifest_cannot_say_is_said(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run")
    assert interp(*command).code == 0
    path = tmp_path / "run" / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    older = {key: value for key, value in manifest.items() if key not in ("inputs", "files")}
    older["packages"] |= {"torch": "2.0"}
    path.write_text(json.dumps(older), encoding="utf-8")
    again = interp(*command)
    first, *notes = again.out.splitlines()
    assert again.code == 0 and first == "run holds this run, complete. It is left as it is."
    assert [note.split(":")[0] for note in notes] == ["Note"] * 3
    for said in ("packages.torch: 2.0 → ", "model's files", "its tables"):
        assert said in again.out
    as_json = interp(*command, "json=true")
    assert json.loads(as_json.out)["status"] == "complete" and as_json.err.count("Note: ") == 3
    (tmp_path / "run" / "attention.csv").unlink()
    assert "run lacks attention.csv" in interp(*command).err


# --- whose folder it is


@pytest.mark.parametrize("name", ["scores.csv", "mine.parquet", "figures/a.png", ".hydra/config.yaml", "report.html",
                                  "tables/roles.tex", "methods.md", "methods.tex", "references.bib"])  # fmt: skip
@pytest.mark.parametrize("given", ["query=cat", "query=cow"])
def test_files_of_somebody_else_are_not_touched(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None, name: str, given: str
) -> None:
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("mine", encoding="utf-8")
    before = files(tmp_path)
    outcome = interp(*SENTENCE, *tiny, given, "hydra.run.dir=.")
    assert (outcome.code, outcome.out) == (1, "")
    assert f". holds {name.split('/')[0]} and no manifest" in outcome.err
    assert files(tmp_path) == before


def test_a_link_that_leads_nowhere_is_somebodys_too(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    (tmp_path / "manifest.json").symlink_to("elsewhere")
    outcome = interp(*SENTENCE, *tiny, "hydra.run.dir=.")
    assert outcome.code == 1 and "holds manifest.json" in outcome.err
    assert (tmp_path / "manifest.json").is_symlink()


def test_other_files_may_lie_in_a_runs_folder(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    for name in ("notes.md", "slurm-7.out", ".gitignore", "lines.txt"):
        (tmp_path / name).write_text("mine", encoding="utf-8")
    mine = files(tmp_path)
    assert interp(*SENTENCE, *tiny, "query=cow", "hydra.run.dir=.").code == 1
    assert files(tmp_path) == mine
    assert interp(*SENTENCE, *tiny, "query=cat", "hydra.run.dir=.").code == 0
    assert mine.items() <= files(tmp_path).items() and finished(tmp_path)
    assert not (tmp_path / ".interp-lock").exists()


def test_hydras_notes_are_there_and_those_that_hydra_writes(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    assert interp(*SENTENCE, *tiny, "hydra.run.dir=run").code == 0
    hydras = interp(*SENTENCE, *tiny, "hydra.run.dir=beside", "hydra.output_subdir=hydras")
    assert hydras.code == 0, hydras.err
    for name in ("config.yaml", "overrides.yaml", "hydra.yaml"):
        ours, theirs = tmp_path / "run" / ".hydra" / name, tmp_path / "beside" / "hydras" / name
        lines = [set(path.read_text(encoding="utf-8").splitlines()) for path in (ours, theirs)]
        # where it was written, and what was typed
        assert all("dir" in line for line in lines[0] ^ lines[1]), name
    assert yaml.safe_load((tmp_path / "run" / ".hydra" / "overrides.yaml").read_text())[0] == SENTENCE[0]


def test_a_folder_in_use_is_refused_and_nothing_in_it_changes(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run")
    for _ in ("new", "complete"):
        with held(tmp_path / "run"):
            before = files(tmp_path / "run")
            for arguments in (command, (*command, "query=cow"), (*command, "seed=3")):
                second = interp(*arguments)
                assert (second.code, second.out) == (1, "")
                assert second.err.startswith(f"Error: run is in use by another run (process {os.getpid()} on ")
                assert files(tmp_path / "run") == before
        assert interp(*command).code == 0


def test_a_second_command_that_fails_leaves_the_first_ones_manifest(
    interp: Interp, tmp_path: Path, model_of_ones_own: tuple[str, str], without_figures: None
) -> None:
    command = (*SENTENCE, *model_of_ones_own, "hydra.run.dir=run")
    assert interp(*command).code == 0
    (tmp_path / "run" / "attention.csv").unlink()
    manifest = (tmp_path / "run" / "manifest.json").read_bytes()
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("interp.models.loading.check_folder", refuse)
        assert interp(*command).code == 1
    assert (tmp_path / "run" / "manifest.json").read_bytes() == manifest
    assert (tmp_path / "run" / ".hydra" / "config.yaml").exists()
    assert interp(*command).code == 0 and (tmp_path / "run" / "attention.csv").exists()


def refuse(*_: object) -> None:
    raise InterpError("no")


def test_a_folder_that_was_there_stays(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    (tmp_path / "run").mkdir()
    assert interp(*SENTENCE, *tiny, "query=cow", "hydra.run.dir=run").code == 1
    assert list((tmp_path / "run").iterdir()) == []
    assert interp(*SENTENCE, *tiny, "query=cow", "hydra.run.dir=new/run").code == 1
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


KILLED = """
import os, sys
from experiments.__main__ import main
from interp import results
from interp.corpora import text

{what}
main()
"""


IN_A_TABLE = "results.save_tables = lambda *_: os.kill(os.getpid(), {signal})"
IN_THE_CORPUS = "text.sentence = lambda *_, **__: os.kill(os.getpid(), {signal})"
IN_A_FILE = (
    "results.save_figures = lambda folder, _: results.write_atomically("
    "folder / 'a.png', lambda _: os.kill(os.getpid(), {signal}))"
)


@pytest.mark.parametrize(
    ("what", "kind"),
    [
        (IN_THE_CORPUS, signal.SIGKILL),
        (IN_A_TABLE, signal.SIGTERM),
        (IN_A_FILE, signal.SIGKILL),
    ],
)
def test_a_killed_run_is_never_complete_and_the_next_one_cleans_up(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], what: str, kind: signal.Signals
) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run")
    code = KILLED.format(what=what.format(signal=int(kind)))
    root = ROOT
    killed = subprocess.run(
        [sys.executable, "-c", code, *command], cwd=tmp_path, env=os.environ | {"PYTHONPATH": str(root)}
    )
    assert killed.returncode == -kind
    assert (read_manifest(tmp_path / "run") or {})["status"] == "running"
    assert interp(*command).code == 0
    assert finished(tmp_path / "run")
    names = {path.name for path in (tmp_path / "run").iterdir()}
    tables, texts = {"attention.parquet", "attention.csv"}, {"README.md", "report.html"}
    of_papers = {"methods.md", "methods.tex", "references.bib"}
    assert names == tables | texts | of_papers | {"manifest.json", "figures", ".hydra", "examples.safetensors"}


# --- what is printed


def test_json_is_one_object_and_nothing_else(interp: Interp, tmp_path: Path, tiny: tuple[str, str]) -> None:
    command = (*SENTENCE, *tiny, "hydra.run.dir=run", "query=cat", "json=true")
    first = interp(*command)
    assert (first.code, first.err) == (0, "")
    assert first.out.count("\n") == 1 and first.out.endswith("\n")
    said = json.loads(first.out)
    assert said == {"folder": str(tmp_path / "run"), **(read_manifest(tmp_path / "run") or {})}
    assert said["status"] == "complete" and said["summary"][0].startswith("From 'cat' (word 1), head ")
    again = interp(*command)
    assert json.loads(again.out) == said, "a run that is left as it is says the same"


def test_an_error_leaves_stdout_to_json(interp: Interp) -> None:
    outcome = interp("experiment=sentence", "json=true")
    assert outcome.code == 1 and outcome.out == "" and outcome.err.startswith("Error: ")


@pytest.mark.parametrize(
    ("quiet", "terminal", "drawn"), [(False, True, True), (True, True, False), (False, False, False)]
)
def test_a_bar_is_drawn_on_a_terminal_unless_quiet(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], quiet: bool, terminal: bool, drawn: bool
) -> None:
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal, raising=False)
    assert list(bar([1, 2], "roles", quiet=quiet)) == [1, 2]
    out, err = capsys.readouterr()
    assert out == ""
    assert ("roles" in err) == drawn


AFTER = ("intervals", "p-values", "stability", "figures")


@pytest.mark.parametrize(("setting", "quiet"), [("quiet=true", True), ("json=true", True), ("quiet=false", False)])
def test_every_long_step_has_a_bar_unless_nobody_is_to_see_it(
    interp: Interp, tiny: tuple[str, str], monkeypatch: pytest.MonkeyPatch, setting: str, quiet: bool
) -> None:
    seen: list[tuple[str, bool]] = []

    def recorded(items: list, name: str, *, quiet: bool) -> list:
        seen.append((name, quiet))
        return items

    for module in ("measuring", "recording"):
        monkeypatch.setattr(f"experiments.cli.{module}.bar", recorded)
    outcome = interp("experiment=head_roles", "roles=positional", "corpus.documents=30", *tiny, setting)
    assert outcome.code == 0, outcome.err
    assert seen == [(name, quiet) for name in ("roles", "examples", *AFTER)]


def test_a_folder_is_shown_from_here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert shown(tmp_path / "a" / "b") == Path("a/b")
    assert shown(Path("/elsewhere")) == Path("/elsewhere")


# --- sweeps


def test_a_sweep_makes_a_complete_run_of_each(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    outcome = interp("-m", "seed=0,1", *SENTENCE, *tiny, "hydra.sweep.dir=sweep", "json=true")
    assert outcome.code == 0, outcome.err
    said = [json.loads(line) for line in outcome.out.splitlines()]
    assert [(one["seed"], one["folder"]) for one in said] == [
        (seed, str(tmp_path / "sweep" / str(seed))) for seed in (0, 1)
    ]
    assert all(finished(tmp_path / "sweep" / name) for name in ("0", "1"))
    tables = [pd.read_parquet(tmp_path / "sweep" / name / "attention.parquet") for name in ("0", "1")]
    assert [set(table["seed"]) for table in tables] == [{0}, {1}]


def test_a_sentence_with_commas_is_one_job(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    outcome = interp("-m", "experiment=sentence", "text=a cat, a dog, a mat", *tiny, "hydra.sweep.dir=sweep")
    assert outcome.code == 0, outcome.err
    assert [path.parent.name for path in tmp_path.glob("sweep/*/manifest.json")] == ["0"]
    assert (read_manifest(tmp_path / "sweep" / "0") or {})["config"]["text"] == "a cat, a dog, a mat"


def test_a_job_that_fails_is_said_and_the_others_run(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    outcome = interp("query=cat,cow,dog", "-m", *SENTENCE, *tiny, "hydra.sweep.dir=sweep")
    assert outcome.code == 1
    assert outcome.err.splitlines()[-1].startswith("Error: query=cow is not in the sentence.")
    assert "Traceback" not in outcome.err
    assert [name for name in ("0", "1", "2") if finished(tmp_path / "sweep" / name)] == ["0", "2"]
    assert not (tmp_path / "sweep" / "1").exists()


def test_a_sweep_that_is_refused_leaves_the_earlier_one_as_it_was(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], without_figures: None
) -> None:
    command = ("-m", *SENTENCE, *tiny, "hydra.sweep.dir=sweep")
    assert interp(*command, "seed=0,1").code == 0
    before = files(tmp_path / "sweep")
    assert "multirun.yaml" in before
    refused = interp(*command, "seed=2,3")
    assert refused.code == 1 and "holds another run" in refused.err
    assert {name: content for name, (_, content) in files(tmp_path / "sweep").items()} == {
        name: content for name, (_, content) in before.items()
    }


def test_a_multirun_file_of_somebody_else_is_not_overwritten(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str]
) -> None:
    (tmp_path / "multirun.yaml").write_text("mine: 1", encoding="utf-8")
    outcome = interp("-m", *SENTENCE, *tiny, "hydra.sweep.dir=.")
    assert outcome.code == 1 and "multirun.yaml is of no sweep of this project" in outcome.err
    assert [path.name for path in tmp_path.iterdir()] == ["multirun.yaml"]
    assert (tmp_path / "multirun.yaml").read_text(encoding="utf-8") == "mine: 1"


# --- a package of one's own

OWN_CODE = """
from interp.corpora.text import sentence
from interp.models.loading import local

def model(path):
    return local(path, name="mine")

def corpus():
    return sentence("the cat saw a dog .")
"""


def test_a_model_and_a_corpus_of_ones_own_plug_in(
    interp: Interp, tmp_path: Path, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "own_package_of_a_user.py").write_text(OWN_CODE, encoding="utf-8")
    for group, text in {
        "model": f"_target_: own_package_of_a_user.model\npath: {tiny_folder}\n",
        "corpus": "_target_: own_package_of_a_user.corpus\n",
    }.items():
        (tmp_path / "own" / group).mkdir(parents=True)
        (tmp_path / "own" / group / "mine.yaml").write_text(text, encoding="utf-8")
    monkeypatch.syspath_prepend(str(tmp_path))
    own = ("--config-dir=own", "model=mine", "corpus=mine")
    outcome = interp(*own, "experiment=head_roles", "roles=positional", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    assert outcome.out.startswith("mine on sentence")
    assert "Allowed: bert_base, gguf, gpt2, hub, local, mine, minilm" in interp("--config-dir=own", "model=mined").err
