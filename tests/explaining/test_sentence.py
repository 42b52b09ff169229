"""`explain_sentence` gives what the command line writes, shows itself in a notebook, and refuses by name."""

from inspect import unwrap
from io import BytesIO
from typing import Any

import numpy as np
import pandas as pd
import pytest
from PIL import Image
from torch import Tensor

import interp
from experiments import sentence as experiment
from interp.corpora.text import sentence
from interp.errors import InterpError, ModelError
from interp.models.recurrent import recurrent
from interp.types import Batch
from tests.support.fakes import FakeModel

TEXT = "the cat saw a dog because it was loud"
WORDS = TEXT.split()
HEADS = 3


def attend(batch: Batch) -> Tensor:
    """Head h sends (h + 1) / 4 to the token of `dog` and the rest to the first token; a word is one to three tokens."""
    there = (batch.word == WORDS.index("dog"))[:, None, None, :].double()
    first = there.new_zeros(there.shape)
    first[..., 0] = 1.0
    share = there.new_tensor([(head + 1) / 4 for head in range(HEADS)])[None, :, None, None]
    return (share * there + (1 - share) * first).expand(-1, -1, batch.tokens.shape[1], -1).float()


def model() -> FakeModel:
    return FakeModel(attend, HEADS)


def test_planted_masses_are_found() -> None:
    found = interp.explain_sentence(model(), TEXT, query="it", candidates=["dog", "cat"], seed=4)
    assert found.candidates is not None
    by_candidate = found.candidates.pivot_table(index="head", columns="candidate", values="mass")
    assert by_candidate[WORDS.index("dog")].tolist() == [0.25, 0.5, 0.75]
    assert by_candidate[WORDS.index("cat")].tolist() == [0, 0, 0]
    assert set(found.candidates["query"]) == {WORDS.index("it")}
    assert set(found.attention["seed"]) == {4}
    assert found.words == WORDS
    # each head, each word to each other word
    assert len(found.attention) == HEADS * len(WORDS) * (len(WORDS) - 1)


@pytest.mark.parametrize(
    "asked", [{}, {"query": "it"}, {"query": 6, "candidates": ["dog", 1]}, {"query": "it", "candidates": "dog"}]
)
def test_python_and_the_command_line_give_the_same_to_the_last_bit(asked: dict[str, Any]) -> None:
    found = interp.explain_sentence(model(), TEXT, **asked)
    candidates = asked.get("candidates")
    given: dict[str, Any] = asked | ({"candidates": [candidates]} if isinstance(candidates, str) else {})
    run = experiment.run(model(), sentence(TEXT), **given)
    assert set(found.tables) == set(run.tables) == {"attention"} | ({"candidates"} if asked else set())
    for name, table in run.tables.items():
        pd.testing.assert_frame_equal(found.tables[name], table, check_exact=True)
    assert (found.skipped, set(found.figures)) == (run.skipped, set(experiment.draw(run.tables)))


@pytest.mark.parametrize("words", [["it", "'s", "fine"], "it 's fine"])
def test_the_words_can_be_given(words: Any) -> None:
    assert interp.explain_sentence(model(), "it's fine").words == ["it's", "fine"]
    found = interp.explain_sentence(model(), "it's fine", words=words, query="'s")
    assert found.words == ["it", "'s", "fine"]
    assert found.candidates is not None
    assert set(found.candidates["candidate"]) == {0, 2}


@pytest.mark.parametrize("query", [None, "it"])
def test_a_notebook_shows_the_arcs(query: str | None) -> None:
    found = interp.explain_sentence(model(), TEXT, query=query)
    assert found.figure is found.figures["arcs"]
    with Image.open(BytesIO(found._repr_png_())) as image:
        assert image.format == "PNG"
        assert len(np.unique(np.asarray(image))) > 10, "not a blank picture"
    # one arc per word of the query that gets mass enough: to `dog`, of each of the heads
    arcs = [len(axes.patches) for axes in found.figure.axes]
    assert arcs == [1 if query else len(WORDS) - 1] * HEADS


def test_it_says_what_it_is_in_a_line() -> None:
    found = interp.explain_sentence(model(), TEXT, query="it", candidates=["dog", "cat"])
    assert repr(found) == (
        f"<ExplainedSentence {TEXT!r}: 3 heads of 'fake'; attention of 216 rows, candidates of 6 rows>"
    )


@pytest.mark.parametrize(
    ("given", "asked", "said"),
    [
        ("fake", {}, r"^'fake' is a text, not a model\. Load it first"),
        (model(), {"text": sentence(TEXT)}, "An object of the type Corpus is given where the sentence belongs"),
        (model(), {"query": "dgo"}, r"query=dgo is not in the sentence\. Did you mean 'dog'\?"),
        (model(), {"candidates": ["dog"]}, r"candidates=… is given without query=…"),
        (model(), {"text": "  "}, "is empty"),
        (model(), {"words": ["the", "dog"]}, "The words given do not spell the sentence"),
    ],
)
def test_what_cannot_be_explained_is_refused(given: Any, asked: dict[str, Any], said: str) -> None:
    with pytest.raises(InterpError, match=said):
        # without beartype, as a user calls it
        unwrap(interp.explain_sentence)(given, **({"text": TEXT} | asked))


def test_a_model_of_cross_attention_alone_is_refused() -> None:
    with pytest.raises(ModelError, match=r"its heads are of the site cross\. Allowed: a model with heads of self or"):
        interp.explain_sentence(recurrent(), "one two three")
