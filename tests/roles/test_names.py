"""Roles and metrics have the names in Python that they have on the command line, and those only."""

from pathlib import Path
from types import ModuleType

import pytest
from hydra.utils import get_object
from omegaconf import OmegaConf

from experiments.__main__ import CONF
from interp import metrics, roles
from interp.corpora.text import sentence
from interp.errors import InterpError


def on_the_command_line(group: str) -> dict[str, object]:
    """What each option of a group of the configuration points at."""
    files = sorted(Path(CONF, group).glob("*.yaml"))
    return {file.stem: get_object(OmegaConf.select(OmegaConf.load(file), "_target_")) for file in files}


@pytest.mark.parametrize(("group", "module"), [("roles", roles), ("metrics", metrics)])
def test_every_name_of_the_command_line_is_known_in_python_and_means_the_same(group: str, module: ModuleType) -> None:
    options = on_the_command_line(group)
    assert len(options) >= 4
    assert options == {name: module.named(name) for name in options}
    assert set(options) == set(module.NAMES)


def test_everything_is_another_word_for_all() -> None:
    assert roles.named("everything") is roles.named("all") is roles.everything


def test_a_name_gives_a_question_that_a_corpus_answers() -> None:
    asked = roles.named("positional")(sentence("a b"))
    assert "offset-1" in {role.name for role in asked}


@pytest.mark.parametrize(
    ("module", "misspelt", "meant"),
    [
        (roles, "positionel", "positional"),
        (roles, "al", "all"),
        (metrics, "autoo", "auto"),
        (metrics, "languagge", "language"),
    ],
)
def test_a_misspelt_name_is_answered_by_the_closest(module: ModuleType, misspelt: str, meant: str) -> None:
    with pytest.raises(InterpError, match=rf"{misspelt!r} is not known\. Did you mean {meant!r}\? Allowed: "):
        module.named(misspelt)


@pytest.mark.parametrize("module", [roles, metrics])
@pytest.mark.parametrize("name", ["DEFINITIONS", "named", "__doc__", "overload", "kl"])
def test_what_merely_stands_in_the_module_is_no_name(module: ModuleType, name: str) -> None:
    with pytest.raises(InterpError, match="is not known"):
        module.named(name)
