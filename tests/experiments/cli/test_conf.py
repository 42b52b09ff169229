"""Every option of every group composes, and what it points at exists and takes the arguments it is given."""

import inspect
import os
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from hydra.utils import get_object
from omegaconf import OmegaConf

from experiments.__main__ import CONF
from tests.support.paths import ROOT

GROUPS = ("model", "behaviour", "corpus", "roles", "ablation", "metrics", "experiment", "study")
OPTIONS = [(group, file.stem) for group in GROUPS for file in sorted((CONF / group).glob("*.yaml"))]
WITHOUT_A_MODEL = ("experiment=compare", "experiment=definitions", "experiment=merge", "experiment=verify")


def composed(*overrides: str) -> dict[str, Any]:
    """The whole configuration, resolved, as a run sees it; what has to be given is `x`."""
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        config = compose("config", overrides=list(overrides))
    for missing in OmegaConf.missing_keys(config):
        OmegaConf.update(config, missing, "x")
    return OmegaConf.to_container(config, resolve=True, throw_on_missing=True)  # pyright: ignore[reportReturnType]


def targets(node: Any, key: str = "") -> Iterator[tuple[str, dict[str, Any]]]:
    """Every place of a configuration that names something to call."""
    if isinstance(node, Mapping):
        if "_target_" in node:
            yield key, dict(node)
        for name, value in node.items():
            yield from targets(value, f"{key}.{name}".lstrip("."))


def check_target(key: str, node: dict[str, Any]) -> None:
    called = get_object(node["_target_"])
    given = {name: value for name, value in node.items() if not name.startswith("_")}
    signature = inspect.signature(called)
    if node.get("_partial_"):
        signature.bind_partial(**given)
    else:
        signature.bind(**given)


@pytest.mark.parametrize(("group", "option"), OPTIONS)
def test_every_option_composes_and_its_target_takes_its_arguments(group: str, option: str) -> None:
    choice = f"{group}={option}"
    config = composed(choice)
    found = dict(targets(config))
    asked = set() if choice in WITHOUT_A_MODEL else {"model", "corpus"}
    assert asked | {"roles", "metrics", "experiment", "ablation.replacement"} <= set(found)
    for key, node in found.items():
        check_target(key, node)


def test_every_file_in_conf_belongs_to_a_group() -> None:
    known = {*GROUPS, "hydra", "shared"}
    assert {file.relative_to(CONF).parts[0] for file in CONF.glob("*/**/*.yaml")} == known
    assert [file.name for file in CONF.glob("*.yaml")] == ["config.yaml"]
    assert len(OPTIONS) >= 20


@pytest.mark.parametrize("option", [option for group, option in OPTIONS if group == "experiment" and option != "merge"])
def test_an_experiment_runs_draws_and_sums_up(option: str) -> None:
    # a merge does what the experiment of its shards does
    node = composed(f"experiment={option}")["experiment"]
    run = get_object(node["_target_"])
    given = {name: value for name, value in node.items() if not name.startswith("_")}
    bound = inspect.signature(run).bind("model", "corpus", progress="progress", **given)
    assert set(bound.arguments) == set(inspect.signature(run).parameters), "nothing is left to a default in the code"
    module = inspect.getmodule(run)
    for name, parameters in {"draw": ["tables", "style"], "summarise": ["tables"]}.items():
        assert list(inspect.signature(getattr(module, name)).parameters) == parameters


@pytest.mark.parametrize("option", [option for group, option in OPTIONS if group == "model"])
def test_every_model_takes_the_general_settings(option: str) -> None:
    overrides = ["seed=7", "device=cpu", "dtype=bfloat16", "model.init=random"]
    model = composed(f"model={option}", *overrides)["model"]
    assert {name: model[name] for name in ("seed", "device", "dtype", "init")} == {
        "seed": 7,
        "device": "cpu",
        "dtype": "bfloat16",
        "init": "random",
    }


def test_the_defaults_are_those_of_the_contract() -> None:
    config = composed()
    assert config["model"]["_target_"] == "interp.models.loading.minilm"
    assert config["model"]["init"] == "pretrained"
    assert config["corpus"]["_target_"] == "interp.corpora.grammar.grammar"
    assert config["experiment"]["_target_"] == "experiments.atlas.run"
    assert config["ablation"]["replacement"]["_target_"] == "interp.ablation.replacements.mean"
    assert config["roles"]["_target_"] == "interp.roles.everything"
    assert (config["seed"], config["device"], config["dtype"]) == (0, "auto", "float32")
    assert config["classify"] == {
        "_target_": "interp.statistics.criteria.Criteria",
        "margin": 0.10,
        "alpha": 0.05,
        "correction": "bh",
        "min_queries": 50,
        "min_blocks": 12,
        "min_word_mass": 0.10,
    }


@pytest.mark.parametrize("ablation", [option for group, option in OPTIONS if group == "ablation"])
def test_the_limit_of_the_sweep_is_the_experiments(ablation: str) -> None:
    for overrides, limit in (
        (["experiment=atlas"], 500),
        (["experiment=head_ablation"], None),
        (["experiment=atlas", "ablation.limit=3"], 3),
        (["experiment=atlas", "ablation.limit=null"], None),
    ):
        config = composed(*overrides, f"ablation={ablation}")
        assert config["experiment"]["plan"]["limit"] == limit
        assert config["experiment"]["plan"]["replacement"]["_target_"].endswith(f".{ablation}")


def test_the_sentence_chooses_its_corpus() -> None:
    config = composed("experiment=sentence", "text='a b'", "query=a", "candidates=[b]")
    assert config["corpus"] == {"_target_": "interp.corpora.text.sentence", "text": "a b", "words": None}
    assert (config["experiment"]["query"], config["experiment"]["candidates"]) == ("a", ["b"])


@pytest.mark.parametrize("flags", [["--help"], ["--cfg", "job"], ["--cfg", "job", "--resolve", "experiment=sentence"]])
def test_help_is_fast(tmp_path: Path, flags: list[str]) -> None:
    code = (
        "import atexit, sys\n"
        "heavy = ['torch', 'transformers', 'transformer_lens', 'pandas', 'matplotlib', 'seaborn']\n"
        "atexit.register(lambda: print([name for name in heavy if name in sys.modules], file=sys.stderr))\n"
        "from experiments.__main__ import main\n"
        "main()\n"
    )
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    command = [sys.executable, "-c", code, *flags]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment, check=False)
    assert done.returncode == 0
    assert done.stderr == "[]\n"
    assert "_target_: experiments." in done.stdout
