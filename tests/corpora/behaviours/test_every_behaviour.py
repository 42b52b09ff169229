"""What holds of the prompts of every behaviour, whatever it asks."""

from collections.abc import Callable

import numpy as np
import pytest
from hydra.utils import instantiate
from omegaconf import OmegaConf

from interp.corpora import behaviours
from interp.corpora.prompts import END, prompt_table, read_prompts
from interp.documents import Corpus, Prompt
from interp.errors import InterpError
from interp.schema.form import problems
from interp.schema.of_behaviours import PLACES, PROMPTS
from interp.statistics.lift import split_blocks
from tests.support.paths import ROOT
from tests.support.word_models import reader_of

MADE: dict[str, Callable[..., Corpus]] = {
    "agreement": behaviours.agreement,
    "greater_than": behaviours.greater_than,
    "induction": behaviours.induction,
    "ioi": behaviours.ioi,
    "pronoun": behaviours.pronoun,
    "successor": behaviours.successor,
}
MIN_BLOCKS = 12
every = pytest.mark.parametrize("name", MADE)


def prompts_of(corpus: Corpus) -> list[Prompt]:
    found = [one.prompt for one in corpus if one.prompt is not None]
    assert len(found) == len(corpus)
    return found


def test_none_is_forgotten() -> None:
    assert {path.stem for path in (ROOT / "conf" / "behaviour").glob("*.yaml")} == {*MADE, "blimp"}
    assert {name for what in PLACES.values() for name in what.partition(":")[0].split(", ")} == set(MADE)


@every
def test_no_prompt_is_asked_twice_and_both_answers_differ(name: str) -> None:
    corpus = MADE[name]()
    assert len({one.text for one in corpus}) == len(corpus)
    for one, prompt in zip(corpus, prompts_of(corpus), strict=True):
        assert prompt.right != prompt.wrong
        assert prompt.corrupted != one.text


@every
def test_named_places_are_told_of_and_stand_in_the_text(name: str) -> None:
    corpus = MADE[name]()
    told = {place for place, what in PLACES.items() if name in what.partition(":")[0].split(", ")}
    for one, prompt in zip(corpus, prompts_of(corpus), strict=True):
        assert {place for place, _, _ in prompt.named} == told
        assert all(one.text[start:end].isalnum() for _, start, end in prompt.named)


@every
def test_a_seed_is_one_corpus(name: str) -> None:
    first, again, other = (MADE[name](seed=seed) for seed in (3, 3, 4))
    assert first.digest == again.digest != other.digest
    assert [one.text for one in first] == [one.text for one in again]


@every
def test_a_limit_keeps_the_first(name: str) -> None:
    assert [one.text for one in MADE[name](limit=7)] == [one.text for one in MADE[name]()][:7]


@every
@pytest.mark.parametrize("settings", [{"documents": 0}, {"limit": 0}])
def test_no_prompt_is_refused(name: str, settings: dict[str, int]) -> None:
    with pytest.raises(InterpError, match="=0"):
        MADE[name](**settings)


@pytest.mark.parametrize("name", sorted(set(MADE) - {"ioi"}))
def test_more_than_there_are_is_refused(name: str) -> None:
    with pytest.raises(InterpError, match=r"documents=1000000 prompts\. Allowed: 1 to [\d,]+, none of them twice\."):
        MADE[name](documents=1_000_000)


@every
def test_both_halves_have_enough_sources_for_an_interval(name: str) -> None:
    corpus = MADE[name]()
    blocks = {one.source: one.block for one in corpus}
    for half in ("select", "confirm"):
        assert len(set(blocks.values()) & set(split_blocks()[half])) >= MIN_BLOCKS


@every
@pytest.mark.parametrize("digits", [1, 2])
def test_both_texts_are_as_long_and_every_column_is_as_told(name: str, digits: int) -> None:
    corpus = MADE[name]()
    prompts = read_prompts(reader_of(corpus, digits=digits), corpus)
    half = name == "greater_than"
    assert len(prompts) == len(corpus) // (1 + half)
    assert prompts.skipped == ({"prompts_whose_answers_are_not_one_token": len(corpus) // 2} if half else {})
    lengths = [[len(one.tokens) for one in text.encodings] for text in (prompts.clean, prompts.corrupted)]
    assert lengths[0] == lengths[1]
    assert (prompts.named[END] == np.array(lengths[0]) - 1).all()
    assert all((place >= 0).all() and (place <= prompts.named[END]).all() for place in prompts.named.values())
    table = prompt_table(prompts).assign(model="words", behaviour=name, seed=0)
    assert problems(table, PROMPTS) == []


@every
def test_the_command_line_makes_the_same_prompts(name: str) -> None:
    settings = OmegaConf.load(ROOT / "conf" / "behaviour" / f"{name}.yaml")
    made = instantiate(OmegaConf.merge({"seed": 0}, {"behaviour": settings}).behaviour)
    assert made.digest == MADE[name]().digest
