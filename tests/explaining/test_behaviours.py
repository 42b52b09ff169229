"""A model is asked how it does what it can do, and nothing else."""

import numpy as np
import pytest

from interp.answers import ACCURACY
from interp.corpora.behaviours import agreement, induction
from interp.errors import InterpError
from interp.explaining.behaviours import behaviour_findings, subject_of
from interp.models import loading
from interp.schema.form import problems
from interp.schema.of_behaviours import ABILITY, PROMPTS
from tests.support.word_models import reader_of

LISTS = induction(documents=80)


def test_small_continues_lists_and_its_subject_says_so() -> None:
    """`small` was trained on sequences that repeat: its card says so."""
    subject = subject_of(loading.small(), LISTS)
    row = subject.ability.query("metric == 'accuracy' and text == 'clean'").iloc[0]
    assert row["n"] == len(LISTS) == len(subject.block)
    assert row["value"] == pytest.approx(subject.clean[ACCURACY].mean())
    assert 0.5 < row["ci_low"] <= row["value"] <= row["ci_high"]
    assert subject.corrupted[ACCURACY].mean() < row["value"] - 0.2
    assert subject.block.tolist() == [one.block for one in LISTS]


def test_random_weights_are_refused_and_forced() -> None:
    """Right is the singular as often as the plural: what knows nothing is right in half of them."""
    corpus = agreement()
    model = reader_of(corpus)
    message = r"'words' gives the right answer to \d+% of 160 prompts of 'agreement': the 95 % interval is .*force=true"
    with pytest.raises(InterpError, match=message):
        subject_of(model, corpus)
    forced = subject_of(model, corpus, force=True)
    accuracy = forced.ability.query("metric == 'accuracy' and text == 'clean'").iloc[0]
    assert accuracy["ci_low"] <= accuracy["chance"] == 0.5
    assert np.isfinite(forced.clean[ACCURACY]).all()


def test_too_few_sources_have_no_interval_and_are_refused() -> None:
    corpus = induction(documents=10)
    with pytest.raises(InterpError, match=r"10 prompts from fewer than 12 sources .* have no interval"):
        subject_of(loading.small(), corpus)
    assert subject_of(loading.small(), corpus, force=True).ability["ci_low"].isna().all()


def test_findings_have_the_prompts_and_the_ability_as_told() -> None:
    corpus = agreement(documents=60)
    model = reader_of(corpus)
    subject = subject_of(model, corpus, force=True)
    found = behaviour_findings(model, subject, 0, {}, notes=("a note",), skipped={"others": 2})
    assert problems(found.tables["prompts"], PROMPTS) == []
    assert problems(found.tables["ability"], ABILITY) == []
    assert set(found.tables["prompts"]["behaviour"]) == {"agreement"}
    assert found.skipped["others"] == 2
    assert found.notes[-1] == "a note"
