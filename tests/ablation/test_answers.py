"""Heads ablated on a behaviour: effects on the answers to its prompts, against plain transformers, prompt by prompt."""

from typing import Literal

import numpy as np
import pytest
import torch

from experiments import head_ablation
from interp.ablation.plan import Plan
from interp.corpora.prompts import read_prompts
from interp.metrics import automatic
from interp.schema import check_columns
from tests.conftest import Case, replaced_z, without_head
from tests.support.prompts import tiny_prompts


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_llama"])
@pytest.mark.parametrize("engine", ["fast", "plain"])
def test_effects_on_answers_are_those_of_plain_transformers(
    name: str, engine: Literal["fast", "plain"], request: pytest.FixtureRequest
) -> None:
    case: Case = request.getfixturevalue(name)
    corpus = tiny_prompts(12)
    plan = Plan("zero", engine=engine)
    tables = head_ablation.run(case.model, corpus, plan=plan, metrics=automatic).tables
    prompts = read_prompts(case.model, corpus)
    assert check_columns("prompts", tables["prompts"].drop(columns="before")) == []
    assert tables["prompts"]["right"].tolist() == [one.right for one in prompts.asked]
    effects = {
        (row["metric"], row["layer"], row["head"]): (row["intact"], row["effect"])
        for row in tables["effects"].to_dict("records")
    }

    def answered() -> dict[str, float]:
        found: dict[str, list[float]] = {"logit_difference": [], "log_prob": [], "accuracy": []}
        for encoding, right, wrong in zip(prompts.clean.encodings, prompts.right, prompts.wrong, strict=True):
            with torch.no_grad():
                logits = case.plain(input_ids=torch.tensor(encoding.tokens[None])).logits[0, -1].double()
            found["logit_difference"].append(float(logits[right] - logits[wrong]))
            found["log_prob"].append(float(logits.log_softmax(-1)[right]))
            found["accuracy"].append(float(logits[right] > logits[wrong]))
        return {metric: float(np.mean(values)) for metric, values in found.items()}

    intact = answered()
    for layer, head in ((0, 1), (1, 3)):
        with replaced_z(case.plain, layer, without_head(head)):
            ablated = answered()
        for metric in intact:
            expected = intact[metric], intact[metric] - ablated[metric]
            assert effects[metric, layer, head] == pytest.approx(expected, abs=1e-4)
