"""What SECURITY.md says that the tool never does, each held to it."""

import ast
import json
import os
import pickle
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import transformers

from experiments.cli.error_messages import CONF
from interp import results
from interp.errors import InterpError, ModelError
from interp.manifest_form import stays_inside, wrong_part
from interp.models.gguf import gguf
from interp.models.loading import local
from interp.plots.style import LOOKS
from tests.conftest import gpt2_config, seeded, word_piece_tokenizer
from tests.experiments.cli.test_conf import composed
from tests.support.gguf_files import tiny_llama, write_gguf
from tests.support.paths import ROOT

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]

SENTENCE = ("experiment=sentence", "text=the cat saw a dog.", "hydra.run.dir=run")

SOURCES = [path for name in ("interp", "experiments") for path in sorted((ROOT / name).rglob("*.py"))]


class Planted:
    """A pickle of it makes a file when it is loaded."""

    def __init__(self, place: Path) -> None:
        self.place = place

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.place),)


def code(place: Path) -> str:
    return f"import os; os.mkdir({str(place)!r})\n"


@pytest.fixture
def ran(tmp_path: Path) -> Path:
    """What is there only if something planted was run."""
    return tmp_path / "ran"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    tokenizer = word_piece_tokenizer()
    seeded(transformers.GPT2LMHeadModel, gpt2_config(len(tokenizer))).save_pretrained(tmp_path / "model")
    tokenizer.save_pretrained(tmp_path / "model")
    return tmp_path / "model"


# --- the source


def calls(path: Path) -> Iterator[tuple[str, ast.Call]]:
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Call):
            # x.y.z of a name; of anything else its last part
            parts, function = [], node.func
            while isinstance(function, ast.Attribute):
                parts.append(function.attr)
                function = function.value
            parts.append(function.id if isinstance(function, ast.Name) else "")
            yield ".".join(reversed(parts)), node


ALLOWED = {
    "experiments/cli/manifest.py": {"subprocess.run"},
    "experiments/cli/cluster/attempts.py": {"subprocess.run"},
    "experiments/cli/cluster/launched.py": {"subprocess.Popen"},
    "experiments/cli/cluster/slurm_queue.py": {"subprocess.run"},
}
"""git, for the commit; our own command line, with what was typed; and the queue of Slurm."""


def forbidden(path: str, name: str, call: ast.Call) -> bool:
    given = {keyword.arg: ast.unparse(keyword.value) for keyword in call.keywords}
    last = name.rpartition(".")[2]
    if name.startswith(("subprocess.", "os.exec", "os.spawn", "os.popen")):
        return name not in ALLOWED.get(path, ()) or "shell" in given
    if last == "from_pretrained":
        # without it transformers asks on the terminal, and a habit says yes
        return given.get("trust_remote_code") != "False"
    return (
        name in ("eval", "exec", "compile", "__import__", "torch.load", "yaml.load", "os.system", "np.load")
        or name.startswith(("pickle.", "joblib.", "shelve.", "marshal.", "requests.", "urllib."))
        or last in ("read_pickle", "to_pickle", "to_html", "to_latex")
    )


def test_nothing_in_the_source_runs_what_it_reads() -> None:
    names = {path: path.relative_to(ROOT).as_posix() for path in SOURCES}
    found = [
        (names[path], name) for path in SOURCES for name, call in calls(path) if forbidden(names[path], name, call)
    ]
    assert found == []
    assert sum(name.endswith(".from_pretrained") for path in SOURCES for name, _ in calls(path)) >= 5, "they are seen"


def test_names_are_imported_in_few_places() -> None:
    """`_target_` of a configuration, our own modules, and those of loaded classes: never a name from a file."""
    where = {name: set[str]() for name in ("instantiate", "import_module")}
    for path in SOURCES:
        for name in {name for name, _ in calls(path)} & where.keys():
            where[name].add(path.relative_to(ROOT).as_posix())
    cli = {f"experiments/cli/{name}.py" for name in ("earlier_run", "measuring", "settings")}
    models = {f"interp/models/{name}.py" for name in ("loading", "checkpoint/loaded_weights")}
    assert where["instantiate"] == cli
    assert where["import_module"] == models | {
        "experiments/cli/recording.py",
        "interp/__init__.py",
        # of the two viewers that its callers name
        "interp/interchange/extras.py",
    }


# --- models


def test_pickles_beside_the_weights_are_never_opened(folder: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("pytorch_model.bin", "training_args.bin", "optimizer.pt", "rng_state.pth", "model.ckpt", "vocab.pkl")
    for name in names:
        (folder / name).write_bytes(pickle.dumps(Planted(ran)))

    def opened(*_: object, **__: object) -> None:
        pytest.fail("a pickle is read")

    for place in ("pickle.load", "pickle.loads", "torch.load"):
        monkeypatch.setattr(place, opened)
    expected = local(folder).provenance["weights_sha256"]
    assert not ran.exists()
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"only pickled weights \(model\.ckpt, optimizer\.pt, pytorch_model\.bin"):
        local(folder)
    # one under the name of safetensors is no safetensors
    (folder / "model.safetensors").write_bytes(pickle.dumps(Planted(ran)))
    with pytest.raises(ModelError):
        local(folder)
    assert not ran.exists() and expected


CLASSES = {"AutoConfig": "mine.Config", "AutoModel": "mine.Model", "AutoModelForCausalLM": "mine.Model"}
OF_TOKENIZERS = {"AutoTokenizer": ["mine.Tokenizer", "mine.Tokenizer"], "AutoProcessor": "mine.Processor"}


def planted_code(folder: Path, ran: Path, **settings: Any) -> None:
    (folder / "mine.py").write_text(code(ran), encoding="utf-8")
    (folder / "__init__.py").write_text(code(ran), encoding="utf-8")
    (folder / "custom_generate").mkdir()
    (folder / "custom_generate" / "generate.py").write_text(code(ran), encoding="utf-8")
    for name, added in {
        "config.json": {"auto_map": CLASSES} | settings,
        "tokenizer_config.json": {"auto_map": OF_TOKENIZERS},
        "generation_config.json": {"auto_map": CLASSES},
    }.items():
        file = folder / name
        said = json.loads(file.read_text(encoding="utf-8")) if file.exists() else {}
        file.write_text(json.dumps(said | added), encoding="utf-8")


@pytest.mark.parametrize("settings", [{}, {"model_type": "mine"}, {"architectures": ["Mine"]}], ids=str)
def test_code_in_a_model_directory_is_never_run(
    folder: Path, ran: Path, settings: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    def asked(*_: object) -> str:
        pytest.fail("transformers asks whether to run it")

    monkeypatch.setattr("builtins.input", asked)
    planted_code(folder, ran, **settings)
    with pytest.raises(ModelError):
        local(folder)
    # the network's code alone
    (folder / "tokenizer_config.json").write_text(
        json.dumps({"tokenizer_class": "PreTrainedTokenizerFast"}), encoding="utf-8"
    )
    with pytest.raises(ModelError):
        local(folder)
    assert not ran.exists()


def test_code_beside_a_gguf_file_is_never_run(tmp_path: Path, ran: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("INTERP_CACHE", str(tmp_path / "cache"))
    (tmp_path / "model").mkdir()
    file = write_gguf(tmp_path / "model" / "tiny.gguf", tiny_llama())
    plain = gguf(file, device="cpu").provenance
    planted_code(tmp_path / "model", ran)
    monkeypatch.setenv("INTERP_CACHE", str(tmp_path / "another"))
    monkeypatch.setattr("builtins.input", lambda *_: pytest.fail("transformers asks whether to run it"))
    assert gguf(file, device="cpu").provenance == plain
    assert not ran.exists()


# --- runs of somebody else


def test_a_type_in_a_parquet_file_is_never_unpickled(tmp_path: Path, ran: Path) -> None:
    """As pyarrow did once (CVE-2023-47248)."""
    metadata = {
        b"ARROW:extension:name": b"arrow.py_extension_type",
        b"ARROW:extension:metadata": pickle.dumps(Planted(ran)),
    }
    schema = pa.schema([pa.field("lift", pa.float64(), metadata=metadata)])
    folder = tmp_path / "run"
    folder.mkdir()
    pq.write_table(pa.table({"lift": [0.5]}, schema=schema), folder / "scores.parquet")
    results.write_manifest(folder, {"status": "complete", "tables": {"scores": 1}})
    assert results.load_runs(folder)["scores"]["lift"].tolist() == [0.5]
    assert not ran.exists()


def places(part: dict[str, Any], above: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    for key, value in part.items():
        yield (*above, key)
        if isinstance(value, dict):
            yield from places(value, (*above, key))


def test_nothing_in_a_manifest_is_instantiated_and_every_answer_is_a_paragraph(
    interp: Interp, tmp_path: Path, tiny: tuple[str, str], ran: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("experiments.sentence.draw", lambda tables, style: {})
    assert interp(*SENTENCE, *tiny).code == 0
    from experiments.cli import earlier_run

    run = tmp_path / "run"
    whole = (run / "manifest.json").read_text(encoding="utf-8")
    good = json.loads(whole)
    hostile = {"_target_": "os.mkdir", "path": str(ran), "_args_": [str(ran)]}
    # what differs in the settings is another run: that is asked of the whole command below
    for place in (place for place in places(good) if place[0] != "config"):
        for value in (None, 7, "../../x", ["a"], {}, {"a": 1}, hostile):
            changed = json.loads(whole)
            part = changed
            for key in place[:-1]:
                part = part[key]
            part[place[-1]] = value
            (run / "manifest.json").write_text(json.dumps(changed), encoding="utf-8")
            try:
                recorded = results.read_manifest(run) or {}
                if earlier_run.is_done(run, recorded, good["config"], good["inputs"]):
                    earlier_run.say_kept(run, recorded, as_json=True)
            except InterpError:
                pass
            assert not ran.exists(), place
    # through the whole command, where the rest is as it was
    (run / "manifest.json").write_text(json.dumps(good | {"summary": hostile, "gate": hostile}), encoding="utf-8")
    assert "complete. It is left as it is" in interp(*SENTENCE, *tiny).out
    good["config"]["corpus"] = hostile
    (run / "manifest.json").write_text(json.dumps(good), encoding="utf-8")
    outcome = interp(*SENTENCE, *tiny)
    assert outcome.code == 1 and "What differs, there → here: corpus" in outcome.err
    assert not ran.exists()


@pytest.mark.parametrize("name", ["../x", "/etc/x", "a/../../x", "..", "", "C:/x", r"..\x", r"\\host\x", "a\0b"])
def test_a_manifest_lists_files_of_its_own_folder_only(tmp_path: Path, name: str) -> None:
    assert not stays_inside(name)
    assert wrong_part({"status": "complete", "files": {name: "0" * 64}}) == "files"
    (tmp_path / "manifest.json").write_text(json.dumps({"status": "complete", "files": {name: "0" * 64}}))
    with pytest.raises(InterpError, match="is not a run's manifest"):
        results.read_manifest(tmp_path)
    assert stays_inside("figures/roles.pdf") and stays_inside("scores..csv")


def test_hydras_pickles_are_refused(interp: Interp, tmp_path: Path, ran: Path) -> None:
    (tmp_path / "config.pickle").write_bytes(pickle.dumps(Planted(ran)))
    for flag in ("--experimental-rerun", "--exp"):
        for given in ((f"{flag}=config.pickle",), (flag, "config.pickle")):
            outcome = interp(*given)
            assert outcome.code == 1 and "would load a pickle" in outcome.err
    assert not ran.exists()
    assert interp("--cfg", "job").code == 0


# --- names


HOSTILE = (
    "../../x",
    "/etc/x",
    "CON",
    "n" * 300,
    "\x1b[31m",
    "a\u202eb",
    "$x{",
    "=1+1",
    "<script>alert(1)</script>",
    ".",
)


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_model_is_never_a_path(interp: Interp, tmp_path: Path, tiny: tuple[str, str], name: str) -> None:
    before = {path.name for path in tmp_path.iterdir()}
    outcome = interp(*SENTENCE, *tiny, f"model.label='{name}'")
    assert outcome.code == 0, outcome.err
    assert "\x1b" not in outcome.out and "\u202e" not in outcome.out
    assert {path.name for path in tmp_path.iterdir()} - before == {"run"}
    files = {path.relative_to(tmp_path / "run").as_posix() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    tables = {f"{table}.{kind}" for table in ("attention",) for kind in ("parquet", "csv")}
    notes = {f".hydra/{note}.yaml" for note in ("config", "hydra", "overrides")}
    texts = {"README.md", "report.html", "methods.md", "methods.tex", "references.bib"}
    others = {"manifest.json", "examples.safetensors"}
    assert {one for one in files if not one.startswith("figures/")} == {*tables, *notes, *texts, *others}


@pytest.mark.parametrize("name", HOSTILE)
def test_the_name_of_a_table_or_figure_is_a_file_of_the_folder(tmp_path: Path, name: str) -> None:
    (tmp_path / "run").mkdir()
    results.save_tables(tmp_path / "run", {name: pd.DataFrame({"lift": [1.0]})})
    assert {path.name for path in tmp_path.iterdir()} == {"run"}
    assert {path.parent for path in tmp_path.rglob("*.*")} == {tmp_path / "run"}


@pytest.mark.parametrize("choice", ["study=../../x", "model=../x", "experiment=/etc/passwd", "corpus=CON"])
def test_a_choice_is_a_name_that_is_known(interp: Interp, tmp_path: Path, choice: str) -> None:
    outcome = interp(choice)
    assert outcome.code == 1 and outcome.err.startswith("Error: ") and outcome.err.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


# --- what a run does to the machine

WATCHED = """
import os, sys
asked = open(os.environ["ASKED"], "a", buffering=1)
def watch(event, arguments):
    if event == "open":
        path, mode, flags = arguments
        if isinstance(path, str) and (flags or 0) & (os.O_WRONLY | os.O_RDWR | os.O_CREAT):
            print("write", os.path.abspath(path), file=asked)
    elif event in ("os.mkdir", "os.rename", "os.remove"):
        print("write", os.path.abspath(os.fsdecode(arguments[0])), file=asked)
    elif event.startswith("socket.") and event not in ("socket.__new__", "socket.gethostname"):
        # urllib3, which Ray's packages load, asks whether this machine has IPv6 by an address of its own
        if event == "socket.bind" and arguments[1] == ("::1", 0):
            return
        print("network", event, arguments[1:], file=asked)
    elif event in ("subprocess.Popen", "os.system", "os.exec", "os.posix_spawn"):
        print("process", arguments[0], file=asked)
sys.addaudithook(watch)
sys.argv[1:] = sys.argv[1:]
from experiments.__main__ import main
main()
"""


def test_a_run_writes_in_its_folder_alone_and_asks_no_network(tmp_path: Path, tiny: tuple[str, str]) -> None:
    """Under another locale, without a home, too."""
    asked, caches = tmp_path / "asked", tmp_path / "caches"
    caches.mkdir()
    environment = {name: value for name, value in os.environ.items() if not name.startswith("HF_") and name != "HOME"}
    environment |= {"ASKED": str(asked), "PYTHONPATH": str(ROOT), "PYTHONDONTWRITEBYTECODE": "1"}
    environment |= {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0", "PYTHONIOENCODING": "ascii"}
    # what libraries keep for later runs, and for themselves
    environment |= {"MPLCONFIGDIR": str(caches), "XDG_CACHE_HOME": str(caches), "TMPDIR": str(caches)}
    environment |= {"TORCHINDUCTOR_CACHE_DIR": str(caches / "torch")}
    command = ("experiment=sentence", "text=the cat saw a dog.", *tiny, "hydra.run.dir=run")
    done = subprocess.run(
        [sys.executable, "-c", WATCHED, *command],
        cwd=tmp_path,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert set(results.load_runs(tmp_path / "run")) == {"attention"}
    lines = [line.split(" ", 1) for line in asked.read_text(encoding="utf-8", errors="replace").splitlines()]
    written = [Path(path) for kind, path in lines if kind == "write"]
    outside = [path for path in written if not path.is_relative_to(tmp_path / "run") and path != Path(os.devnull)]
    assert [path for path in outside if not path.is_relative_to(caches)] == []
    assert any(path.parent == tmp_path / "run" for path in written), "it is seen what is written"
    assert [line for line in lines if line[0] == "network"] == []
    # git for the commit; the rest are matplotlib's and ctypes', which ask which fonts and libraries there are
    known = {"git", "fc-list", "system_profiler", "ldconfig", "gcc", "cc"}
    assert {Path(what).name for kind, what in lines if kind == "process"} <= known


def test_a_download_is_asked_for_by_name() -> None:
    downloads = "interp.models.loading.hub"
    by_name = {file.stem: composed(f"model={file.stem}")["model"] for file in (CONF / "model").glob("*.yaml")}
    hub = {name for name, model in by_name.items() if model["_target_"] == downloads}
    assert hub == {"hub", "bert_base", "gpt2", "pythia_70m"}
    # which commit is asked for can be said, and stands in the manifest (tests/models/test_loading.py)
    assert all("revision" in by_name[name] for name in hub)
    assert composed()["model"]["_target_"] != downloads
    fetched = {path.relative_to(ROOT).as_posix() for path in SOURCES if "snapshot_download(" in path.read_text("utf-8")}
    assert fetched == {"interp/models/loading.py"}


# --- figures


def test_words_in_a_figure_are_letters_and_never_markup() -> None:
    assert LOOKS["text.usetex"] is False and LOOKS["text.parse_math"] is False
