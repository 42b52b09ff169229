"""The public list is true: every name is there, says what it is, is told of, and costs nothing before it is used."""

import ast
import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from hydra.utils import get_object

import interp
from experiments.__main__ import CONF

ROOT = Path(interp.__file__).parent
NAMED = re.compile(r"(?<![\w./])interp(?:\.[A-Za-z_]\w*)+(?!\w*[/(]?\.(?:py|md))")
TARGET = re.compile(r"^\s*(?:- )?_target_:\s*(\S+)", re.MULTILINE)
TARGETS = sorted(
    {target for file in CONF.rglob("*.yaml") for target in TARGET.findall(file.read_text(encoding="utf-8"))}
)


@pytest.mark.parametrize("name", interp.__all__)
def test_a_public_name_is_there_documented_and_told_of(name: str) -> None:
    assert getattr(interp, name).__doc__
    assert f"`{name}`" in (interp.__doc__ or "")
    assert name in dir(interp)


def test_the_docstring_tells_of_nothing_else() -> None:
    told = set(re.findall(r"`([A-Za-z_]+)`", interp.__doc__ or ""))
    assert told == set(interp.__all__)
    called = set(re.findall(r"\binterp\.(\w+)\(", interp.__doc__ or ""))
    assert len(called) >= 6
    assert called <= set(interp.__all__)


def test_editors_are_told_of_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse((ROOT / "__init__.py").read_text(encoding="utf-8"))
    guarded = next(node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING")
    told = {
        alias.asname: node.module for node in guarded.body if isinstance(node, ast.ImportFrom) for alias in node.names
    }
    assert told == interp._HOME | dict.fromkeys(interp._MODULES, "interp")


def test_what_is_not_public_is_an_error_that_names_it() -> None:
    with pytest.raises(AttributeError, match="module 'interp' has no attribute 'scores'"):
        _ = interp.scores  # pyright: ignore[reportAttributeAccessIssue]


def test_all_readers_and_generators_of_the_command_line_are_public() -> None:
    corpora = {target.rpartition(".")[2] for target in TARGETS if target.startswith("interp.corpora.")}
    assert len(corpora) >= 11
    # `behaviour` makes nothing: it hands on what behaviour= has made
    assert corpora - {"behaviour"} <= set(interp.__all__)


@pytest.mark.parametrize("target", TARGETS)
def test_what_a_configuration_points_at_can_be_called(target: str) -> None:
    assert callable(get_object(target))


def test_targets_are_found_in_every_group_that_has_them() -> None:
    assert {target.split(".")[0] for target in TARGETS} == {"interp", "experiments"}
    assert {"interp.roles.everything", "experiments.sentence.run", "interp.models.recurrent.recurrent"} <= set(TARGETS)


def test_names_alone_load_no_network() -> None:
    code = (
        "import sys, interp\n"
        "dir(interp), interp.Corpus, interp.Head, interp.parse_head, interp.load_runs, interp.plots\n"
        "print([name for name in ('torch', 'transformers', 'transformer_lens') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], cwd=ROOT.parent, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"


def test_the_package_says_that_it_is_typed() -> None:
    # PEP 561: beside the package's __init__, empty; hatch takes every file of a package into the wheel
    assert (ROOT / "py.typed").read_bytes() == b""
    ignored = subprocess.run(["git", "check-ignore", "-q", "interp/py.typed"], cwd=ROOT.parent, check=False)
    assert ignored.returncode != 0


def test_what_texts_name_is_there() -> None:
    """Docstrings, messages and pages that say `interp.….NAME` mean something that can be imported."""
    places = [*ROOT.rglob("*.py"), *(ROOT.parent / "experiments").rglob("*.py"), *(ROOT.parent / "docs").glob("*.md")]
    texts = [*places, ROOT.parent / "README.md", ROOT.parent / "CONTRIBUTING.md"]
    told = {name for text in texts if text.name != "moved.md" for name in NAMED.findall(text.read_text("utf-8"))}
    assert len(told) > 100
    assert [name for name in sorted(told) if not exists(name)] == []


def exists(name: str) -> bool:
    parts = name.split(".")
    for end in range(len(parts), 0, -1):
        try:
            found: Any = importlib.import_module(".".join(parts[:end]))
        except ModuleNotFoundError:
            continue
        for part in parts[end:]:
            if not hasattr(found, part):
                return False
            found = getattr(found, part)
        return True
    return False
