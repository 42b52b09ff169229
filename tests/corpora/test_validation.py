from dataclasses import fields, replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from interp.corpora.validation import PER_WORD, validate
from interp.documents import LAYERS
from interp.errors import InterpError
from interp.types import Document, Mention

SOUND = Document(
    source="1",
    text="Anna didn't sleep.",
    words=("Anna", "did", "n't", "sleep", "."),
    spans=np.array([[0, 4], [5, 8], [8, 11], [12, 17], [17, 18]], dtype=np.int32),
    tags=("PROPN", "AUX", "PART", "VERB", "PUNCT"),
    governors=(3, 3, 3, -1, 3),
    relations=("nsubj", "aux", "advmod", "root", "punct"),
    mentions=(Mention(0, 1, 0, "PERSON", head=0),),
)


def spans(*rows: tuple[int, int]) -> np.ndarray:
    return np.array(rows, dtype=np.int32).reshape(-1, 2)


def test_a_sound_document_passes() -> None:
    validate(SOUND)


def test_every_layer_is_known() -> None:
    """One that has an entry for each word is checked for it, and any is told of where a corpus shows itself."""
    assert {"tags", "governors", "relations"} <= set(PER_WORD)
    layers = {one.name for one in fields(Document) if one.default is None}
    assert layers - {"relations"} == set(LAYERS), "syntax is both governors and relations"
    for name in PER_WORD:
        with pytest.raises(InterpError, match=f"were given for {len(SOUND.words)} words"):
            validate(replace(SOUND, **{name: ()}))


def test_absent_annotation_is_not_checked() -> None:
    validate(replace(SOUND, tags=None, governors=None, relations=None, mentions=None))
    validate(replace(SOUND, governors=None))
    validate(replace(SOUND, relations=None))
    validate(Document("1", "", (), spans(), (), (), (), ()))


def test_a_word_may_have_no_place_in_the_text() -> None:
    validate(replace(SOUND, text="Anna did sleep.", spans=spans((0, 4), (5, 8), (-1, -1), (9, 14), (14, 15))))


@pytest.mark.parametrize("standing", [1, 2])
def test_one_word_of_a_multiword_token_may_have_the_place_of_all(standing: int) -> None:
    place = {1: ((5, 8), (-1, -1)), 2: ((-1, -1), (5, 8))}[standing]
    validate(replace(SOUND, text="Anna don sleep.", spans=spans((0, 4), *place, (9, 14), (14, 15))))


@pytest.mark.parametrize(
    ("fault", "said"),
    [
        ({"spans": spans((0, 4), (5, 8))}, "shape"),
        ({"tags": ("PROPN",)}, "1 tags were given for 5 words"),
        ({"governors": (3, 3, 3, -1)}, "4 governors"),
        ({"relations": ("root",)}, "1 relations"),
        ({"spans": spans((0, 4), (5, 8), (8, 11), (12, 17), (17, 19))}, "end <= 18"),
        ({"spans": spans((0, 4), (5, 8), (8, 8), (12, 17), (17, 18))}, "start < end"),
        ({"spans": spans((-2, 4), (5, 8), (8, 11), (12, 17), (17, 18))}, "0 <= start"),
        ({"spans": spans((0, 4), (5, 8), (-1, 11), (12, 17), (17, 18))}, "0 <= start"),
        ({"spans": spans((0, 4), (5, 8), (7, 11), (12, 17), (17, 18))}, "before the end of the word"),
        (
            {
                "spans": spans((5, 8), (0, 4), (8, 11), (12, 17), (17, 18)),
                "words": ("did", "Anna", "n't", "sleep", "."),
            },
            "left",
        ),
        ({"words": ("Anne", "did", "n't", "sleep", ".")}, "'Anna'"),
        ({"text": "anna didn't sleep."}, "'anna'"),
        ({"governors": (3, 3, 3, -1, 5)}, "governor 5"),
        ({"governors": (3, 3, -2, -1, 3)}, "governor -2"),
        ({"governors": (3, 3, 3, -1, -1)}, "exactly one root"),
        ({"governors": (3, 3, 3, 3, 3)}, "cycle"),
        ({"governors": (1, 0, 3, -1, 3)}, "0 -> 1 -> 0"),
        ({"governors": (3, 2, 4, -1, 1)}, "cycle"),
        ({"relations": ("nsubj", "aux", "advmod", "obj", "punct")}, "`root`"),
        ({"relations": ("root", "aux", "advmod", "root", "punct")}, "`root`"),
        ({"relations": ("root", "aux", "advmod", "obj", "punct")}, "`root`"),
        ({"mentions": (Mention(0, 6, 0),)}, "5 words"),
        ({"mentions": (Mention(-1, 1, 0),)}, "0 <= start"),
        ({"mentions": (Mention(2, 2, 0),)}, "start < end"),
        ({"mentions": (Mention(1, 3, 0, head=3),)}, "the head word 3"),
        ({"mentions": (Mention(3, 1, 0),)}, "start < end"),
        ({"mentions": (Mention(0, 1, 0), Mention(1, 2, 1), Mention(0, 1, 1))}, "each span once"),
    ],
)
def test_each_fault_is_named(fault: dict[str, Any], said: str) -> None:
    with pytest.raises(InterpError, match="is not valid") as raised:
        validate(replace(SOUND, **fault))
    assert said in str(raised.value)
    assert "allowed: " in str(raised.value)


def is_tree(governors: list[int]) -> bool:
    """By the definition: one root, and from every word the root in fewer steps than there are words."""
    for start in range(len(governors)):
        at = start
        for _ in governors:
            at = governors[at] if at != -1 else -1
        if at != -1:
            return False
    return governors.count(-1) == 1


@given(st.integers(1, 6).flatmap(lambda n: st.lists(st.integers(-1, n - 1), min_size=n, max_size=n)))
def test_exactly_the_trees_pass(governors: list[int]) -> None:
    words = tuple("a" * len(governors))
    document = Document("1", "".join(words), words, spans(*((w, w + 1) for w in range(len(words)))))
    relations = tuple("root" if governor == -1 else "dep" for governor in governors)
    document = replace(document, governors=tuple(governors), relations=relations)
    if is_tree(governors):
        validate(document)
    else:
        with pytest.raises(InterpError):
            validate(document)
