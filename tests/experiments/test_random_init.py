"""The null over shapes and seeds: the networks are random, of the shape they say, and what is given is counted."""

from dataclasses import replace

import pytest
import torch
import transformers

import interp
from experiments import random_init
from interp.errors import ModelError
from interp.models.architectures import SHAPES, random_model
from interp.statistics.criteria import Criteria
from interp.types import HeadModel

CLASSIFY = Criteria(margin=0.10, alpha=0.05, min_queries=50, min_blocks=12, min_word_mass=0.10)


def test_weights_follow_from_the_seed_alone() -> None:
    before = torch.get_rng_state()
    one, same, other = (random_model("llama", seed=seed, layers=1, device="cpu") for seed in (3, 3, 4))
    assert torch.equal(before, torch.get_rng_state())
    for a, b in zip(one.network.parameters(), same.network.parameters(), strict=True):
        assert torch.equal(a, b)
    first, second = (next(iter(m.network.parameters())) for m in (one, other))
    assert not torch.equal(first, second)


def test_shapes_and_tokens_are_those_of_the_models_they_name() -> None:
    gpt2, llama = (random_model(shape, seed=0, layers=1, device="cpu") for shape in ("gpt2", "llama"))
    one, other = (next(m for m in model.modules() if hasattr(m, "config")).config for model in (gpt2, llama))
    assert isinstance(one, transformers.GPT2Config) and isinstance(other, transformers.LlamaConfig)
    assert (len(gpt2.heads), one.n_embd, len(llama.heads), other.num_key_value_heads) == (12, 768, 16, 4)
    # GPT-2 starts with the first word, Llama with a token of its own
    assert not gpt2.encode(["The dog"])[0].special.any()
    assert llama.encode(["The dog"])[0].special.tolist() == [True, False, False]


def test_any_english_can_be_read_with_the_pieces_of_minilm(minilm: HeadModel) -> None:
    (expected,) = minilm.encode(["The hippopotamuses slept."])
    for shape, starts in (("gpt2", 0), ("llama", 1)):
        model = random_model(shape, seed=0, layers=1, vocabulary="minilm", device="cpu")
        (found,) = model.encode(["The hippopotamuses slept."])
        assert found.tokens[starts:].tolist() == expected.tokens[1:-1].tolist()
        assert found.special.sum() == starts
    with pytest.raises(ModelError, match="'bert' is not known"):
        random_model("gpt2", seed=0, vocabulary="bert")


def test_roles_given_to_random_networks_are_counted() -> None:
    """With a margin that anything passes there are roles, with the usual one none; one row a run either way."""
    corpus = interp.grammar(documents=250)
    model = random_model("gpt2", seed=0, layers=1, device="cpu")
    settings = {
        "roles": interp.roles.positional,
        "shapes": ["gpt2"],
        "seeds": 2,
        "layers": 1,
        "device": "cpu",
        "vocabulary": "grammar",
    }
    strict = random_init.run(model, corpus, criteria=CLASSIFY, **settings)
    loose = random_init.run(model, corpus, criteria=replace(CLASSIFY, margin=0.0, alpha=1.0), **settings)
    assert list(strict.tables["random_init"].weights_seed) == [0, 1]
    assert (strict.tables["random_init"].roles_given == 0).all() and strict.tables["given"].empty
    runs = loose.tables["random_init"]
    assert (runs.roles_given > 0).all() and runs.roles_given.sum() == len(loose.tables["given"])
    assert random_init.summarise(strict.tables)[0].startswith("0 of 2 networks with random weights have")
    assert random_init.summarise(loose.tables)[0].startswith("2 of 2 networks with random weights have")


def test_an_unknown_shape_is_refused() -> None:
    with pytest.raises(ModelError, match="'gpt3' is not known") as error:
        random_model("gpt3", seed=0)
    assert all(shape in str(error.value) for shape in SHAPES)
