"""Which values a setting may have."""

from typing import Any

import pytest
from hydra import compose, initialize_config_dir
from omegaconf import OmegaConf

from experiments.__main__ import CONF
from experiments.cli.settings import NUMBERS, check
from interp.errors import InterpError


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


def test_only_limits_may_be_null() -> None:
    may_be_null = {key for key, allowed in NUMBERS.items() if allowed.holds(None)}
    limits = {"corpus.limit", "corpus.first", "ablation.limit", "random_init.layers"}
    assert may_be_null == {*limits, "ablation.until", "ablation.top"}


def test_the_message_types_null_as_it_is_typed() -> None:
    with pytest.raises(InterpError, match=r"^seed=null is not allowed"):
        check({"seed": None})


@pytest.mark.parametrize(
    ("setting", "closest"), [("precision", "delta"), ("estimate", "gauss_newton"), ("engine", "plain")]
)
def test_a_choice_is_one_of_those_there_are(setting: str, closest: str) -> None:
    with pytest.raises(InterpError, match=rf"^ablation\.{setting}={closest}x is not known.*{closest}"):
        check({"ablation": {setting: closest + "x"}})
