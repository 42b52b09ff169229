"""What heads are held against: sets of the same layers, heads that write as much, and other prompts' z."""

from collections import Counter

import numpy as np
import pytest
import torch

from interp.ablation.controls import nearest_by_norm, random_of_same_layers
from interp.ablation.donors import from_donors, same_answer, same_place
from interp.ablation.sweep import sweep
from interp.answers import answer_metrics, answers
from interp.corpora.batching import batches
from interp.corpora.behaviours.templates import prompt_corpus, prompt_document
from interp.corpora.encoding import encode
from interp.corpora.prompts import Prompts, read_prompts
from interp.tallies.output_norms import output_norms
from interp.types import Corpus, Head, HeadModel
from tests.conftest import Case, corpus_of

HEADS = [Head("self", layer, head) for layer in range(3) for head in range(4)]
CHOSEN = [HEADS[1], HEADS[2], HEADS[9]]


def test_random_sets_have_as_many_heads_of_each_layer_and_none_of_the_chosen() -> None:
    draws = random_of_same_layers(CHOSEN, HEADS, 200, 0)
    assert all(Counter(one.layer for one in some) == {0: 2, 2: 1} for some in draws)
    assert all(not set(some) & set(CHOSEN) and len(set(some)) == 3 for some in draws)
    # of layer 0 two heads are left, of layer 2 three: every one of the three is drawn about as often
    counts = Counter(head for some in draws for head in some if head.layer == 2)
    assert len(counts) == 3 and min(counts.values()) > 40
    assert draws != random_of_same_layers(CHOSEN, HEADS, 200, 1)


def test_a_layer_without_others_gives_what_it_has() -> None:
    (only,) = random_of_same_layers(HEADS[:3], HEADS, 1, 0)
    assert only == (HEADS[3],)
    assert random_of_same_layers(HEADS[:4], HEADS, 1, 0) == [()]


def test_heads_are_matched_by_norm_each_once() -> None:
    norm = np.array([1.0, 5.0, 5.1, 4.9, 2.0, 9.0, 8.0, 0.0, 0.0, 9.5, 0.0, 0.0])
    assert nearest_by_norm(CHOSEN, HEADS, norm) == (HEADS[3], HEADS[6], HEADS[5])


def test_norms_are_those_of_what_is_written(tiny_gpt2: Case) -> None:
    model, corpus = tiny_gpt2.model, corpus_of()
    encoded = encode(model, corpus)
    found, lengths = output_norms(model, encoded), []
    for number in range(len(encoded)):
        batch, written = batches(encoded, model, documents=[number])[0].batch(), {}
        model.run(batch, z=lambda site, layer, z, to=written: to.update({layer: z}))
        lengths.append(
            torch.stack([model.contribution(layer, z)[0].norm(dim=-1) for layer, z in written.items()])
        )  # layer, token, head
    every = torch.cat(lengths, dim=1).mean(1).flatten()
    np.testing.assert_allclose(found, every.numpy(), rtol=1e-5)


def prompts_in(model: HeadModel) -> Prompts:
    """Three templates over words of the tiny vocabulary; the first two prompts ask for the same answer."""
    made = [
        ("the cat sat", "the dog sat", " cat", " dog", "a"),
        ("the dog was very happy and the cat sat", "the cat was very happy and the cat sat", " cat", " dog", "b"),
        ("the dog sat", "the cat sat", " dog", " cat", "a"),
    ]
    documents = [
        prompt_document(
            text, f"source {number}", template=template, right=right, wrong=wrong, corrupted=corrupted,
            named={},
        )
        for number, (text, corrupted, right, wrong, template) in enumerate(made)
    ]  # fmt: skip
    corpus: Corpus = prompt_corpus("made", documents, "made for a test")
    return read_prompts(model, corpus)


@pytest.fixture
def prompts(tiny_gpt2: Case) -> Prompts:
    return prompts_in(tiny_gpt2.model)


def test_all_heads_patched_from_the_other_text_leave_the_embeddings_alone(tiny_gpt2: Case, prompts: Prompts) -> None:
    """The last token is the same in both texts: with every head's z from the other text, the answer is the other's."""
    model, metrics = tiny_gpt2.model, answer_metrics(prompts)[:1]
    other = answers(model, prompts, prompts.corrupted, "other")["logit_difference"]
    clean = answers(model, prompts, prompts.clean, "clean")["logit_difference"]
    (sums,) = sweep(
        model, batches(prompts.clean, model), from_donors(model, same_place(prompts.corrupted)), metrics,
        ablation="noise", sets={("set", 0, 0): model.heads},
    )  # fmt: skip
    assert sums.effect.sum() == pytest.approx((clean - other).sum(), abs=1e-4)
    assert abs(clean - other).max() > 1e-3, "the two texts are told apart"


def test_a_donor_has_the_same_answer_and_another_template(prompts: Prompts) -> None:
    donors = same_answer(prompts, 0)
    assert donors.document.tolist() == [1, 0, -1] and donors.served == [0, 1]
    length, other = (len(prompts.clean.encodings[one].tokens) for one in (0, 1))
    # the ends lie on each other, and what stands before the other text is its first token
    assert donors.position[0][-1] == other - 1 and donors.position[1][-1] == length - 1
    assert donors.position[1][0] == 0
