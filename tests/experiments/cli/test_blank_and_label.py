"""A figure without data is said, not written; a model goes by the name that it is given."""

import json
from collections.abc import Callable
from typing import TYPE_CHECKING

import pandas as pd
import pytest

import interp as library
from experiments.cli.closing_notes import blank_words
from interp import plots
from interp.plots.style import PAGE, blank_reason, new_figure

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

Interp = Callable[..., "Outcome"]

UNTESTABLE = ("classify.min_queries=100000", "experiment=head_roles", "roles=syntax", "hydra.run.dir=run")


def test_a_blank_figure_says_why_and_no_other_does() -> None:
    empty = pd.DataFrame(columns=["site", "layer", "head", "ablation", "metric", "effect", "p", "q"])
    figures = {"effects": plots.effect_map(empty), "whole": new_figure(PAGE, 1.0)}
    assert blank_reason(figures["whole"]) is None
    assert blank_words(figures) == [
        "the figure effects is left out, as it would be blank: no effect of any ablation was measured."
    ]


def test_a_run_names_the_model_as_it_is_told_and_writes_no_blank_figure(
    interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str], tmp_path
) -> None:
    outcome = interp(*tiny, *corpus, *UNTESTABLE, "model.label=Mine")
    assert outcome.code == 0, outcome.err
    assert outcome.out.splitlines()[0].startswith("Mine on ")
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["model"]["name"] == "Mine" and manifest["model"]["path"] == tiny[1].removeprefix("model.path=")
    assert set(pd.read_parquet(tmp_path / "run" / "scores.parquet")["model"]) == {"Mine"}
    assert list((tmp_path / "run" / "figures").iterdir()) == []
    for name in ("roles", "best_heads"):
        assert f"Note: the figure {name} is left out, as it would be blank: no role" in outcome.out
    assert not [file for file in manifest["files"] if file.startswith("figures/")]
    # what is left out is not missing
    again = interp(*tiny, *corpus, *UNTESTABLE, "model.label=Mine")
    assert "complete. It is left as it is." in again.out


def test_a_label_that_is_no_text_is_refused(interp: Interp, tiny: tuple[str, str], corpus: tuple[str, str]) -> None:
    outcome = interp(*tiny, *corpus, *UNTESTABLE, "model.label=7")
    assert outcome.code == 1 and "model.label=7 is not allowed. Allowed: a name" in outcome.err


@pytest.mark.parametrize(("options", "name"), [({}, "small"), ({"label": "Mine"}, "Mine")])
def test_a_label_names_a_model_in_python(options: dict, name: str) -> None:
    assert library.load_model("small", **options).name == name
    assert library.load_model("small", init="random", **options).name == f"{name}-random"
