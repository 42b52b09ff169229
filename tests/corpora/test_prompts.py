"""Prompts as a model reads them: what is left out, where positions are, and that answers are those of the network."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import transformers

import interp
from interp.answers import ACCURACY, LOG_PROB, LOGIT_DIFFERENCE, answers
from interp.corpora.behaviours import agreement, greater_than, induction, pronoun, successor
from interp.corpora.behaviours.templates import prompt_corpus, prompt_document
from interp.corpora.prompts import prompt_table, read_prompts
from interp.documents import Corpus, Document
from interp.errors import InterpError
from interp.models import loading
from interp.models.gguf import smollm2
from tests.conftest import Case, corpus_of
from tests.models.test_gguf import smollm2_or_skip
from tests.support.word_models import word_model

SMALL = Path(interp.__file__).parent / "models" / "small"
TEXT = "The cat near the dogs"


def prompt(
    text: str = TEXT,
    right: str = " is",
    wrong: str = " are",
    corrupted: str = "The cats near the dogs",
    named: dict[str, tuple[int, int]] | None = None,
) -> Document:
    return prompt_document(
        text, text, template="t", right=right, wrong=wrong, corrupted=corrupted, named=named or {"subject": (4, 7)}
    )


def corpus(*documents: Document) -> Corpus:
    return prompt_corpus("own", documents, "written out in the test")


READER = word_model([TEXT, "The cats near the dogs is are was"])
UNREADABLE = {
    "prompts_whose_answers_are_not_one_token": [
        prompt(right=" is was"),
        prompt(wrong=" is was"),
        # not even one: the text ends with it
        prompt(right=""),
    ],
    "prompts_whose_answers_the_tokenizer_does_not_know": [prompt(right=" barks"), prompt(wrong=" bark")],
    "prompts_whose_answers_are_one_token_for_both": [prompt(right=" is", wrong="  is")],
    "prompts_whose_corrupted_text_has_other_tokens": [prompt(corrupted="The cats near dogs")],
    "prompts_that_are_too_long": [prompt(text=" ".join([TEXT] * 10))],
    "documents_without_prompt": [corpus_of([TEXT]).documents[0]],
}


@pytest.mark.parametrize("why", UNREADABLE)
def test_what_cannot_be_asked_is_left_out_and_counted(why: str) -> None:
    prompts = read_prompts(READER, corpus(*UNREADABLE[why], prompt()))
    assert prompts.skipped == {why: len(UNREADABLE[why])}
    assert [one.text for one in prompts.clean.corpus] == [TEXT]
    assert [one.text for one in prompts.corrupted.corpus] == ["The cats near the dogs"]
    assert len(prompts) == len(prompts.asked) == len(prompts.wrong) == 1


def test_where_none_is_left_all_reasons_are_said() -> None:
    unreadable = [one for documents in UNREADABLE.values() for one in documents]
    first, last = "prompts whose answers are not one token: 3", "documents without prompt: 1"
    message = rf"can read none of the 9 prompts of 'own' \({first}, .*{last}\)"
    with pytest.raises(InterpError, match=message):
        read_prompts(READER, corpus(*unreadable))


def test_models_that_do_not_say_what_comes_next_are_refused(tiny_bert: Case, tiny_bert_base: Case) -> None:
    for case in (tiny_bert, tiny_bert_base):
        with pytest.raises(InterpError, match=r"has not learnt to predict\. Allowed: a causal .* model=smollm2"):
            read_prompts(case.model, corpus(prompt()))


def test_a_corpus_without_prompts_is_refused() -> None:
    with pytest.raises(InterpError, match=r"'texts' has no prompts .*corpus=behaviour with a behaviour"):
        read_prompts(READER, corpus_of([TEXT]))


def test_positions_are_those_of_the_last_token_that_begins_before_the_end_of_a_name() -> None:
    """`small` opens a text with a token of its own; a name may be two words, or stand in one prompt alone."""
    named = {"subject": (4, 7), "after": (8, 16), "nowhere": (3, 4)}
    prompts = read_prompts(loading.small(), corpus(prompt(named=named), prompt(text="The dog near the dogs")))
    # <s> The cat near the dogs
    assert {name: place.tolist() for name, place in prompts.named.items()} == {
        "subject": [2, 2],
        "after": [4, -1],
        "nowhere": [-1, -1],
        "end": [5, 5],
    }


def test_a_part_of_a_word_has_its_last_token(tiny_gpt2: Case) -> None:
    """The letters of *xyz* are tokens of their own for a tokenizer that never read them."""
    prompts = read_prompts(
        tiny_gpt2.model, corpus(prompt("Go xyz", "!", "?", "Go zyx", {"word": (3, 6), "xy": (3, 5)}))
    )
    tokens = tiny_gpt2.tokenizer.tokenize("Go xyz")
    assert tokens[-3:] == ["x", "y", "z"]
    end = len(tokens) - 1
    assert {name: place.tolist() for name, place in prompts.named.items()} == {
        "word": [end],
        "xy": [end - 1],
        "end": [end],
    }
    assert prompts.right.tolist() == [tiny_gpt2.tokenizer.convert_tokens_to_ids("!")]


def plain_answers(network: Any, tokenizer: Any, text: str, right: str, wrong: str) -> tuple[float, float]:
    """logit(right) − logit(wrong), and log P(right), of plain transformers that read one text alone."""
    tokens = tokenizer(text)["input_ids"]
    one, other = (tokenizer(text + answer)["input_ids"] for answer in (right, wrong))
    assert one[:-1] == other[:-1] == tokens
    with torch.inference_mode():
        logits = network(torch.tensor([tokens])).logits[0, -1].double()
    return float(logits[one[-1]] - logits[other[-1]]), float(logits.log_softmax(-1)[one[-1]])


@pytest.mark.parametrize("made", [agreement, induction])
def test_the_table_is_enough_to_compute_the_answers_again(made: Any) -> None:
    plain = transformers.AutoModelForCausalLM.from_pretrained(SMALL, attn_implementation="eager").eval()
    tokenizer = transformers.AutoTokenizer.from_pretrained(SMALL)
    model = loading.small()
    prompts = read_prompts(model, made(documents=24))
    table = prompt_table(prompts)
    for column, encoded in (("text", prompts.clean), ("corrupted", prompts.corrupted)):
        found = answers(model, prompts, encoded, column)
        again = np.array(
            [
                plain_answers(plain, tokenizer, *row)
                for row in table[[column, "right", "wrong"]].itertuples(index=False, name=None)
            ]
        )
        np.testing.assert_allclose(found[LOGIT_DIFFERENCE], again[:, 0], atol=1e-4)
        np.testing.assert_allclose(found[LOG_PROB], again[:, 1], atol=1e-4)
        assert (found[ACCURACY] == (again[:, 0] > 0)).all()


def test_smollm2_reads_years_digit_by_digit() -> None:
    """Positions by hand: before digits a space is a token."""
    smollm2_or_skip()
    asked = prompt_document(
        "The war lasted from the year 1732 to the year 17",
        "years",
        template="t",
        right="4",
        wrong="2",
        corrupted="The war lasted from the year 1702 to the year 17",
        named={"first_year": (31, 32)},
    )
    prompts = read_prompts(smollm2(device="cpu"), corpus(asked))
    # The war lasted from the year _ 1 7 3 2 to the year _ 1 7
    assert {name: place.tolist() for name, place in prompts.named.items()} == {"first_year": [9], "end": [16]}


def test_smollm2_reads_enough_prompts_of_every_behaviour() -> None:
    smollm2_or_skip()
    model = smollm2(device="cpu")
    for made in (agreement, greater_than, induction, pronoun, successor):
        prompts = read_prompts(model, made())
        assert len(prompts) >= 80
        assert len({one.block for one in prompts.clean.corpus}) >= 24
