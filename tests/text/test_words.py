"""The word rule against the plain expression that it widens, the grapheme clusters of Unicode, and words by hand."""

import re
import unicodedata
from pathlib import Path
from typing import Literal
from unicodedata import normalize

import pytest
import regex
from hypothesis import example, given, settings
from hypothesis import strategies as st

from interp.corpora.tab_separated import words_under
from interp.corpora.text import sentence, text_document
from interp.errors import InterpError
from interp.text.punctuation import NO_MARK, PUNCTUATION, marks
from interp.text.words import cut_words, is_word

Form = Literal["NFC", "NFD"]

WITHOUT_MARKS = re.compile(r"\w+(?:['’]\w+)*|[^\w\s]")

INVISIBLE = regex.compile(r"[\p{Default_Ignorable_Code_Point}\p{Cc}]+")

SCRIPTS = "मैं हूँ क्ष செலவு சொற்கள் น้ำ ผู้ ກຳ ພູ້ ខ្ញុំ မြန်မာစာ བོད ಕನ್ನಡ שָׁלוֹם العَرَبِيَّة"
LATIN = ("e\u0301le\u0300ve", "l'e\u0301le\u0300ve", "n\u0303", "Tie\u0302\u0301ng")
JOINED = ("\u1112\u1161\u11ab\u1100\u116e\u11a8", "می\u200cخواهم", "क्\u200dष", "\u25cc\u0301")
FAMILY, FLAG, THUMB = "\U0001f468\u200d\U0001f469\u200d\U0001f467", "\U0001f1e9\U0001f1ea", "\U0001f44d\U0001f3fd"
HEARTS = ("❤\ufe0f", "❤\ufe0e", "❤\ufe0f\u200d\U0001f525")
SIGNS = ("#\ufe0f\u20e3", "1\ufe0f\u20e3", "‼\ufe0f", "\U0001f3f4\U000e0067\U000e0062\U000e007f")
WHOLE = [*SCRIPTS.split(), *LATIN, *JOINED, FAMILY, FLAG, THUMB, *HEARTS, *SIGNS]


@pytest.mark.parametrize("word", WHOLE)
def test_marks_joiners_and_emoji_stay_in_one_word(word: str) -> None:
    assert is_word(word)
    assert [found for found, _, _ in cut_words(f"a {word} b")] == ["a", word, "b"]


def test_flags_and_emoji_that_touch_are_words_of_their_own() -> None:
    words = [FLAG, FLAG[::-1], *HEARTS, THUMB, FAMILY, "!"]
    assert [word for word, _, _ in cut_words("".join(words))] == words


ASSIGNED = st.characters(exclude_categories=["Mn", "Mc", "Me", "Cn", "Cs"]).filter(
    lambda letter: (
        not regex.match(
            r"[\u200c\u200d\xad\u2060\ufeff\p{Regional_Indicator}\p{Emoji_Modifier}\U000e0020-\U000e007f]", letter
        )
    )
)


@settings(max_examples=500, deadline=None)
@given(st.text(ASSIGNED) | st.text(st.sampled_from("ab1_'’-. \n\0\x1c\x85é漢ก½²٣\u0600\u200b\u200e😀")))
@example("rock'n'roll ''a'")
@example("\u0600123")
def test_text_without_marks_is_cut_as_by_the_plain_expression(text: str) -> None:
    expected = [(match.group(), match.start(), match.end()) for match in WITHOUT_MARKS.finditer(text)]
    assert cut_words(text) == [cut for cut in expected if not INVISIBLE.fullmatch(cut[0])]


def test_every_character_without_marks_is_cut_as_by_the_plain_expression() -> None:
    letters = [chr(code) for code in range(0x110000) if not 0xD800 <= code < 0xE000]
    kept = [x for x in letters if unicodedata.category(x) not in ("Cn", "Mn", "Mc", "Me") and x not in "\u200c\u200d"]
    differing = {x for x in kept if is_word(x) != bool(WITHOUT_MARKS.fullmatch(x))}
    assert len(kept) > 200_000
    # of the characters that the plain expression takes for words, none that has no width is one
    assert differing == {x for x in kept if INVISIBLE.fullmatch(x) and WITHOUT_MARKS.fullmatch(x)}
    assert {unicodedata.category(x) for x in differing} == {"Cc", "Cf", "Lo"}
    letters = {unicodedata.name(x).replace("HALFWIDTH ", "") for x in differing if unicodedata.category(x) == "Lo"}
    assert letters == {"HANGUL CHOSEONG FILLER", "HANGUL JUNGSEONG FILLER", "HANGUL FILLER"}


CLUSTERS = ["e\u0301", "क्", "षि", "मै", "น้", "ים", "שָׁ", "\u1100\u1161", FLAG, FAMILY, *HEARTS, *"a' .က"]


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(CLUSTERS)).map("".join))
def test_no_word_ends_within_what_a_reader_sees_as_one_character(text: str) -> None:
    borders = {0, *(match.end() for match in regex.finditer(r"\X", text))}
    words = cut_words(text)
    assert all({start, end} <= borders for _, start, end in words)
    assert is_word(text) == ([(start, end) for _, start, end in words] == [(0, len(text))])


@pytest.mark.real
@pytest.mark.parametrize("name", ["hindi.txt", "tamil.txt"])
def test_words_of_indic_texts_are_what_stands_between_spaces(shared: Path, name: str) -> None:
    file = shared.parent / "cases" / "09_combining_marks" / name
    if not file.is_file():
        pytest.skip(f"{file} is absent")
    for line in file.read_text(encoding="utf-8").splitlines():
        assert text_document(line).words == tuple(line.split())


def test_a_name_in_a_text_is_found_by_whole_words() -> None:
    text = "Rene\u0301 saw Zoe\u0308."
    start = text.index("Zoe")
    assert words_under(cut_words(text), start, start + 4) == (2, 3)
    assert words_under(cut_words(text), 0, 5) == (0, 1)


def test_a_mark_that_says_how_punctuation_is_drawn_is_punctuation() -> None:
    assert marks(text_document("really ‼\ufe0f ")) == [NO_MARK, PUNCTUATION]
    assert marks(text_document("\u0301 ❤\ufe0f")) == [NO_MARK, NO_MARK]


@pytest.mark.parametrize(
    "unit", ["\U0001f1e9", "e\u0301", "a'", "👨\u200d", "\u0301", "\u0600", "\u200d", "\u200b", "\xad"]
)
def test_cutting_is_linear(unit: str) -> None:
    # 200,000 characters take some 20 milliseconds; what is quadratic takes minutes
    words = cut_words(unit * 100_000)
    assert sum(end - start for _, start, end in words) == (0 if unit in "\u200d\u200b\xad" else len(unit) * 100_000)


# --- characters of no width


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("co\xadop\xaderate now", ["co\xadop\xaderate", "now"]),
        ("a\u200bb", ["a", "b"]),
        ("\ufeffOnce upon", ["\ufeffOnce", "upon"]),
        ("a \u200d b \u200b\u200b. \ufe0f \u2060", ["a", "b", "."]),
        ("\u202bשלום\u202c!", ["שלום", "!"]),
        ("a\0b \x1b[1m", ["a", "b", "[", "1m"]),
        ("\u0301 a", ["\u0301", "a"]),  # alone, a mark is drawn on a circle
    ],
)
def test_what_has_no_width_is_no_word_and_parts_none(text: str, words: list[str]) -> None:
    assert [word for word, _, _ in cut_words(text)] == words
    assert all(text[start:end] == word for word, start, end in cut_words(text))


@pytest.mark.parametrize("text", ["\u200b", "\ufeff\xad", " \u2060 \0", "\u3164"])
def test_a_text_of_no_width_is_empty(text: str) -> None:
    assert not is_word(text)
    with pytest.raises(InterpError, match=r"The sentence .* is empty"):
        sentence(text)


# --- words that are given


@pytest.mark.parametrize(
    ("text", "words", "spans"),
    [
        ("it's fine", ["it", "'s", "fine"], [(0, 2), (2, 4), (5, 9)]),
        ("it's fine", "it 's fine", [(0, 2), (2, 4), (5, 9)]),
        (" didn't\u3000go ", ("did", "n't", "go"), [(1, 4), (4, 7), (8, 10)]),
        ("他喜欢学生", ["他", "喜欢", "学生"], [(0, 1), (1, 3), (3, 5)]),
        ("New York is", ["New York", "is"], [(0, 8), (9, 11)]),
    ],
)
def test_words_that_are_given_are_the_words(text: str, words: list[str] | str, spans: list[tuple[int, int]]) -> None:
    (document,) = sentence(text, words)
    assert document.words == tuple(words.split() if isinstance(words, str) else words)
    assert [tuple(span) for span in document.spans.tolist()] == spans
    assert document.source == text
    assert sentence(text, words).digest != sentence(text).digest


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["it", "s", "fine"], r"word 1 is 's', where the sentence goes on with \"'s fine\" at character 2"),
        (["it", "'s"], "they end after 2 words, where the sentence goes on with 'fine' at character 5"),
        (["it", "'s", "fine", "."], r"word 3 is '\.', where the sentence has ended"),
        (["it", "", "'s", "fine"], "word 1 is ''"),
        ([], "they end after 0 words"),
        (["fine", "it's"], "word 0 is 'fine'"),
    ],
)
def test_words_that_do_not_spell_the_sentence_are_refused(words: list[str], said: str) -> None:
    with pytest.raises(InterpError, match=said):
        sentence("it's fine", words)


@pytest.mark.parametrize(("of_text", "of_words"), [("NFC", "NFD"), ("NFD", "NFC")])
def test_words_in_another_unicode_form_become_those_of_the_sentence(of_text: Form, of_words: Form) -> None:
    text = normalize(of_text, "l'élève a été là")
    (document,) = sentence(text, [normalize(of_words, word) for word in ("l'", "élève", "a", "été", "là")])
    assert document.words == ("l'", *(normalize(of_text, word) for word in ("élève", "a", "été", "là")))
    assert [text[start:end] for start, end in document.spans.tolist()] == list(document.words)


def test_words_without_a_sentence_are_refused_by_name() -> None:
    with pytest.raises(InterpError, match=r"words=… is given without text=…"):
        sentence(None, ["it", "'s"])


def test_a_sentence_that_is_not_unicode_is_refused() -> None:
    with pytest.raises(InterpError, match="lone surrogate at character 1"):
        sentence("n\udce9")
