"""Which values a setting may have."""

from copy import deepcopy
from functools import cache
from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import DictConfig, OmegaConf

from experiments.__main__ import CONF
from experiments.cli.settings import NUMBERS, check, make, ranges
from interp.ablation.plan import Plan
from interp.errors import SHARE, InterpError
from interp.statistics.criteria import Criteria


def configuration(*overrides: str) -> dict[str, Any]:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return OmegaConf.to_container(compose("config", overrides=list(overrides)), resolve=True)  # pyright: ignore


@pytest.mark.parametrize(
    "overrides",
    [
        (),
        ("seed=4294967295", "classify.margin=0", "classify.alpha=1", "classify.min_queries=1"),
        ("corpus.limit=1", "ablation.limit=null", "json=true", "quiet=true"),
        ("corpus=conllu", "corpus.path=x", "corpus.limit=null", "corpus.subtypes=true"),
        ("model=local", "model.path='7'", "model.init=random"),
        ("ablation.until=0.1", "ablation.top=10", "ablation.precision=delta", "ablation.estimate=gauss_newton"),
        ("experiment=sentence", "text='a b'", "query=0", "candidates=[a,1]"),
        ("experiment=sentence", "text='a b'", "query=true", "candidates=[]"),
        ("+something.of.the.users=own",),
    ],
)
def test_possible_values_pass(overrides: tuple[str, ...]) -> None:
    check(configuration(*overrides))


@pytest.mark.parametrize("key", NUMBERS)
@pytest.mark.parametrize("value", ["one", [1], True, -0.5, float("nan")])
def test_a_number_is_a_number_and_in_its_range(key: str, value: object) -> None:
    nested: Any = value
    for part in reversed(key.split(".")):
        nested = {part: nested}
    with pytest.raises(InterpError, match=rf"^{key}=.* is not allowed\. Allowed: a (whole )?number"):
        check(nested)


@cache
def experiment(option: str) -> DictConfig:
    with initialize_config_dir(version_base="1.3", config_dir=str(CONF)):
        return compose("config", overrides=[f"experiment={option}"])


OWN = [
    (option, setting)
    for option in sorted(file.stem for file in (CONF / "experiment").glob("*.yaml"))
    for setting, _ in ranges(experiment(option).experiment).values()
]
"""Every setting of an experiment whose parameter says its range."""


def test_settings_of_experiments_have_the_names_that_are_typed() -> None:
    known = {"copying.threshold", "null_seeds", "planted.seeds", "random_init.layers"}
    assert known <= {setting for _, setting in OWN}


@pytest.mark.parametrize(("option", "setting"), OWN)
@pytest.mark.parametrize("value", ["one", [1], True, -0.5])
def test_a_number_of_an_experiment_is_in_the_range_of_its_parameter(option: str, setting: str, value: object) -> None:
    config = deepcopy(experiment(option))
    make(config)
    OmegaConf.update(config, setting, value)
    with pytest.raises(InterpError, match=rf"^{setting}=.* is not allowed\. Allowed: a (whole )?number"):
        make(config)


def test_a_range_without_a_section_of_its_own_has_the_name_of_the_parameter() -> None:
    config = OmegaConf.create({"_target_": "experiments.copying.run", "_partial_": True, "threshold": 2})
    assert ranges(config) == {"threshold": ("experiment.threshold", SHARE)}


def test_only_limits_may_be_null() -> None:
    may_be_null = {key for key, allowed in NUMBERS.items() if allowed.holds(None)}
    assert may_be_null == {"corpus.limit", "corpus.first"}


def test_the_message_types_null_as_it_is_typed() -> None:
    with pytest.raises(InterpError, match=r"^seed=null is not allowed"):
        check({"seed": None})


@pytest.mark.parametrize(
    ("setting", "closest"), [("precision", "delta"), ("estimate", "gauss_newton"), ("engine", "plain")]
)
def test_a_choice_is_one_of_those_there_are(setting: str, closest: str) -> None:
    given: dict[str, Any] = {setting: closest + "x"}
    with pytest.raises(InterpError, match=rf"^ablation\.{setting}={closest}x is not known.*{closest}") as in_python:
        Plan(**given)
    with pytest.raises(InterpError) as typed:
        make(OmegaConf.create(configuration(f"ablation.{setting}={closest}x")))
    assert str(typed.value) == str(in_python.value), "one text for both"


NOTHING = {"limit", "until", "top"}
BAD: dict[Any, dict[str, Any]] = {
    Plan: {"limit": 0, "sample": 0, "until": 0, "top": 0, "margin": 1.5},
    Criteria: {"margin": -0.1, "alpha": 2, "min_queries": 0, "min_blocks": 2.5, "min_word_mass": "x"},
}


@pytest.mark.parametrize(("made", "name"), [(made, name) for made, values in BAD.items() for name in values])
def test_criteria_and_plans_check_themselves_alike_from_python_and_as_typed(made: Any, name: str) -> None:
    value, section = BAD[made][name], "ablation" if made is Plan else "classify"
    told = rf"^{section}\.{name}=.* is not allowed\. Allowed: a (whole )?number"
    for wrong in (value, True, "one", *([] if name in NOTHING else [None])):
        arguments: dict[str, Any] = {name: wrong}
        with pytest.raises(InterpError, match=told) as one:
            made(**arguments)
        config = OmegaConf.create(configuration())
        OmegaConf.update(config, f"{section}.{name}", wrong, force_add=True)
        with pytest.raises(InterpError) as typed:
            make(config)
        assert str(typed.value) == str(one.value)


def test_what_does_not_go_together_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(InterpError, match=r"ablation\.until=0\.1 and ablation\.top=3 are different ways"):
        make(OmegaConf.create(configuration("ablation.until=0.1", "ablation.top=3")))
