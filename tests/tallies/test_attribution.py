"""What components add to a logit difference, against plain transformers and numpy, one text at a time."""

from typing import Any

import numpy as np
import pytest
import torch

from interp.answers import answers
from interp.corpora.prompts import Prompts, read_prompts
from interp.errors import ModelError
from interp.models.planted import planted
from interp.tallies.attribution import NOT_THERE, Attribution, attribute
from tests.conftest import Case, output_projections
from tests.support.prompts import tiny_prompts

CASES = ("tiny_gpt2", "tiny_llama", "tiny_neox", "tiny_mistral")


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


@pytest.fixture
def prompts(case: Case) -> Prompts:
    return read_prompts(case.model, tiny_prompts(24))


@pytest.fixture
def found(case: Case, prompts: Prompts) -> Attribution:
    return attribute(case.model, prompts)


def test_components_add_up_to_the_logit_difference(case: Case, prompts: Prompts, found: Attribution) -> None:
    for number, one in enumerate(prompts.clean.encodings):
        with torch.no_grad():
            logits = case.plain(input_ids=torch.tensor(one.tokens[None])).logits[0, -1]
        expected = float(logits[prompts.right[number]] - logits[prompts.wrong[number]])
        assert found.value[:, number].sum() == pytest.approx(expected, abs=1e-4)
        assert np.abs(found.value[:, number]).max() > 1e-3


def test_heads_are_those_of_plain_transformers(case: Case, prompts: Prompts, found: Attribution) -> None:
    """z into each output projection, one slice a head; the final norm written out in numpy, its scale that of all."""
    plain: Any = case.plain
    norm = next(
        module for name, module in plain.base_model.named_modules() if name in ("ln_f", "norm", "final_layer_norm")
    )
    unembedding = plain.get_output_embeddings().weight.detach().numpy().astype(float)
    gain = norm.weight.detach().numpy().astype(float)
    heads = [(one.layer, one.head) for one in found.components if one.name == "head"]
    rows = [place for place, one in enumerate(found.components) if one.name == "head"]
    given: dict[Any, torch.Tensor] = {}

    def keep(module: Any, args: tuple[torch.Tensor]) -> None:
        given[module] = args[0]

    for number, one in enumerate(prompts.clean.encodings[:6]):
        handles = [module.register_forward_pre_hook(keep) for module in (*output_projections(plain), norm)]
        with torch.no_grad():
            plain(input_ids=torch.tensor(one.tokens[None]))
        for handle in handles:
            handle.remove()
        stream = given[norm][0, -1].numpy().astype(float)
        centre = np.mean if hasattr(norm, "bias") and norm.bias is not None else lambda _: 0.0
        scale = np.sqrt(np.mean((stream - centre(stream)) ** 2))
        direction = unembedding[prompts.right[number]] - unembedding[prompts.wrong[number]]
        for row, (layer, head) in zip(rows, heads, strict=True):
            projection: Any = output_projections(plain)[layer]
            weight = projection.weight.detach().numpy().astype(float)
            weight = weight if type(projection).__name__ == "Conv1D" else weight.T
            z = given[projection][0, -1].numpy().astype(float)
            size = len(z) // plain.config.num_attention_heads
            part = slice(head * size, (head + 1) * size)
            written = z[part] @ weight[part]
            expected = ((written - centre(written)) * gain / scale) @ direction
            assert found.value[row, number] == pytest.approx(expected, abs=2e-4)


def test_what_keys_bring_adds_up_to_each_head(found: Attribution) -> None:
    heads = found.value[[one.name == "head" for one in found.components]]
    np.testing.assert_allclose(sum(found.by_key.values()), heads, atol=1e-4)
    assert set(found.by_key) == {"before", "again", "end", NOT_THERE}
    # a layer with a window may see the last tokens only
    assert all(np.abs(found.by_key[name]).max() > 1e-4 for name in ("end", NOT_THERE))


def test_the_metric_is_that_of_plain_transformers(case: Case, prompts: Prompts) -> None:
    for encoded in (prompts.clean, prompts.corrupted):
        measured = answers(case.model, prompts, encoded, "answers")
        for number, one in enumerate(encoded.encodings):
            with torch.no_grad():
                logits = case.plain(input_ids=torch.tensor(one.tokens[None])).logits[0, -1].double()
            right, wrong = prompts.right[number], prompts.wrong[number]
            assert measured["logit_difference"][number] == pytest.approx(float(logits[right] - logits[wrong]), abs=1e-4)
            assert measured["log_prob"][number] == pytest.approx(float(logits.log_softmax(-1)[right]), abs=1e-4)
            assert measured["accuracy"][number] == float(logits[right] > logits[wrong])


def test_planted_heads_add_up() -> None:
    model = planted(kind="causal")
    prompts = read_prompts(model, tiny_prompts(30))
    value = attribute(model, prompts).value
    expected = answers(model, prompts, prompts.clean, "answers")["logit_difference"]
    np.testing.assert_allclose(value.sum(axis=0), expected, atol=1e-4)


def test_an_encoder_is_refused(tiny_bert: Case, prompts: Prompts) -> None:
    with pytest.raises(ModelError, match="causal language models"):
        attribute(tiny_bert.model, prompts)
