"""Corpora without their words are refused in every reader, and what only looks like one is not."""

import json
import random
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from interp.corpora.conllu import read_conllu
from interp.corpora.coreference import read_coreference
from interp.corpora.encoding import encode
from interp.corpora.entities import read_entities
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.corpora.probe_documents import probe_documents
from interp.corpora.repeats import repeats
from interp.corpora.text import read_text, sentence, text_document
from interp.errors import CorpusError
from interp.types import Corpus, Document
from tests.conftest import Case
from tests.support.paths import SHARED

CASE = SHARED / "cases" / "02_words_withheld" / "underscores.conllu"
PLACEHOLDERS = ("_", "-", "?", "X", "*", "___", "xxx", "[MASK]", "<unk>", "{WORD}", "■", "＿", "UNK")
NEVER = ("_", "___", "[MASK]", "<unk>", "{WORD}", "＿")
"""Of these, what is never a word: of the others an ordinary text may be half, and licences are not spoken of."""

TEXT = "The cat sat on the mat , and the dog saw it . Nobody had seen either of them before that day ."


def written(path: Path, lines: Sequence[str]) -> Path:
    path.write_text("".join(f"{line}\n" for line in lines), encoding="utf-8")
    return path


def conllu(folder: Path, sentences: Sequence[Sequence[str]]) -> Path:
    lines: list[str] = []
    for words in sentences:
        related = ["root", *["dep"] * (len(words) - 1)]
        rows = enumerate(zip(words, related, strict=True), 1)
        lines += [*(f"{n}\t{word}\t_\tX\t_\t_\t{n - 1}\t{relation}\t_\t_" for n, (word, relation) in rows), ""]
    return written(folder / "a.conllu", lines)


def text(folder: Path, sentences: Sequence[Sequence[str]]) -> Path:
    return written(folder / "a.txt", [" ".join(words) for words in sentences])


def entities(folder: Path, sentences: Sequence[Sequence[str]]) -> Path:
    return written(folder / "a.conll", [line for words in sentences for line in (*(f"{w}\tO" for w in words), "")])


def minimal_pairs(folder: Path, sentences: Sequence[Sequence[str]]) -> Path:
    pairs = [
        {"sentence_good": " ".join(words), "sentence_bad": "b", "UID": "u", "pairID": number}
        for number, words in enumerate(sentences)
    ]
    return written(folder / "a.jsonl", list(map(json.dumps, pairs)))


def conll2012(folder: Path, sentences: Sequence[Sequence[str]]) -> Path:
    lines: list[str] = []
    for words in sentences:
        rows = [f"d\t0\t{n}\t{w}\t-\t-\t-\t-\t-\t-\t*\t-" for n, w in enumerate(words)]
        lines += ["#begin document (d); part 000", *rows, "", "#end document"]
    return written(folder / "a_conll", lines)


def of_words(corpus: Corpus) -> list[str]:
    return [note for note in corpus.notes if " words are " in note]


READERS: dict[str, tuple[Callable[[Path, Sequence[Sequence[str]]], Path], Callable[..., Corpus]]] = {
    "conllu": (conllu, read_conllu),
    "text": (text, read_text),
    "entities": (entities, read_entities),
    "minimal_pairs": (minimal_pairs, read_minimal_pairs),
    "conll2012": (conll2012, partial(read_coreference, format="conll2012")),
}


@pytest.mark.parametrize("placeholder", PLACEHOLDERS)
@pytest.mark.parametrize(("write", "read"), READERS.values(), ids=READERS.keys())
def test_one_placeholder_for_every_word_is_refused(
    tmp_path: Path, write: Callable[..., Path], read: Callable[..., Corpus], placeholder: str
) -> None:
    # documents in columns are left out where they are alike
    path = write(tmp_path, [[placeholder] * (5 + number) for number in range(20)])
    for settings in ({}, {"limit": 12}, {"first": 12}):
        with pytest.raises(CorpusError, match=r"words are .* back") as caught:
            read(path, **settings)
        said = f"'{placeholder}': a placeholder" if placeholder in NEVER else f"one and the same form, '{placeholder}'"
        assert f"words are {said}" in str(caught.value)
        assert caught.value.path == str(path)


@pytest.mark.parametrize(
    "hidden",
    [
        lambda word: "_" * len(word),
        lambda word: "".join("X" if letter.isupper() else "x" for letter in word),
        lambda word: word if word in ",." else "_",
        lambda word: word if word in ",." else "X",
        lambda word: word if word in ",." else "*",
        lambda word: word if word in ",." else "[MASK]",
    ],
    ids=["as long", "shape", "punctuation kept", "X", "stars", "masked but for punctuation"],
)
def test_words_hidden_in_other_ways_are_refused(tmp_path: Path, hidden: Callable[[str], str]) -> None:
    sentences = [[hidden(word) for word in TEXT.split()]] * 4
    for write, read in (READERS["conllu"], READERS["text"]):
        with pytest.raises(CorpusError, match=r"a placeholder|one and the same form"):
            read(write(tmp_path, sentences))


def test_text_without_spaces_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="a placeholder"):
        read_text(text(tmp_path, [["＿" * number] for number in range(5, 15)]))
    rows = [f"{n}\t＿\t_\tX\t_\t_\t{n - 1}\t{'dep' if n > 1 else 'root'}\t_\tSpaceAfter=No" for n in range(1, 6)]
    with pytest.raises(CorpusError, match="a placeholder"):
        read_conllu(written(tmp_path / "japanese.conllu", [line for _ in range(5) for line in (*rows, "")]))


def test_the_treebank_without_its_words_is_refused(tmp_path: Path) -> None:
    path = CASE if CASE.is_file() else conllu(tmp_path, [["_"] * 9] * 40)
    for unit in ("sentence", "document") if CASE.is_file() else ("sentence",):
        with pytest.raises(CorpusError, match=r"words are '_': a placeholder.*says how to merge them.*licence"):
            read_conllu(path, unit=unit)


@pytest.mark.parametrize("share", [10, 30])
def test_documents_without_words_among_others_are_counted(tmp_path: Path, share: int) -> None:
    blank = share // 2
    sentences = [TEXT.split()] * (50 - blank) + [["_"] * len(TEXT.split())] * blank
    count = len(TEXT.split())
    for reader in ("conllu", "text", "entities"):
        write, read = READERS[reader]
        said = f"{blank * count} of {50 * count} words are '_' (in {blank} of the documents)"
        assert [note.startswith(said) for note in of_words(read(write(tmp_path, sentences)))] == [True]
    with pytest.raises(CorpusError, match="a placeholder"):
        read_conllu(conllu(tmp_path, sentences[blank:][:50][-2 * blank :] + [["_"] * count] * (3 * blank)))


def test_single_words_without_their_form_are_counted(tmp_path: Path) -> None:
    words = TEXT.split()
    words[3] = words[7] = "<unk>"
    (note,) = read_text(text(tmp_path, [words] * 10)).notes
    assert note.startswith(f"20 of {10 * len(words)} words are '<unk>' (in 10 of the documents)")


def test_a_form_is_counted_everywhere_and_shown_as_it_stands(tmp_path: Path) -> None:
    """Two words in five at random: more than half of some sentences only."""
    draw = random.Random(0)
    sentences = [["*" if draw.random() < 0.4 else word for word in TEXT.split()[:9]] for _ in range(80)]
    count, of = sum(words.count("*") for words in sentences), 9 * len(sentences)
    holding = sum("*" in words for words in sentences)
    for reader in ("conllu", "text"):
        write, read = READERS[reader]
        (note,) = of_words(read(write(tmp_path, sentences)))
        assert note.startswith(f"{count} of {of} words are '*' (in {holding} of the documents)")
    words = [*TEXT.split(), "[UNK]"]
    (note,) = read_text(text(tmp_path, [words] * 10)).notes
    assert note.startswith(f"10 of {10 * len(words)} words are '[UNK]' (in 10 of the documents)")


SHAPES = {
    "rules": [line for _ in range(100) for line in (TEXT, TEXT, TEXT, "=" * 70)],
    "dashes": [line for _ in range(100) for line in (TEXT, "-" * 80)],
    "table of contents": [f"Chapter {n} {'.' * 50} {n}" for n in range(200)],
    "spaced leaders": [f"Chapter {n} {'. ' * 10} {n}" for n in range(200)],
    "boxes": ["+" + "-" * 30 + "+", "| The cat sat | on the mat |"] * 100,
    "tables": [f"| cat{n} | 1 | 2 |" for n in range(200)],
    "bits": [" ".join("0" if (n * k) % 11 < 6 else "1" for k in range(30)) for n in range(1, 200)],
    "song": [f"{'la ' * (n % 7 + 3)} song{n}" for n in range(60)],
    "dyck": [f"{'( ' * n}{') ' * n}" for n in range(1, 60)],
}


@pytest.mark.parametrize("lines", SHAPES.values(), ids=SHAPES.keys())
def test_ordinary_text_of_much_of_one_form_is_read(tmp_path: Path, tiny_gpt2: Case, lines: list[str]) -> None:
    corpus = read_text(written(tmp_path / "a.txt", lines))
    assert len(corpus) == len(lines)
    assert not any("placeholder" in note for note in corpus.notes)
    assert len(encode(tiny_gpt2.model, corpus)) == len(lines)


def test_one_word_and_nothing_else_is_refused_for_what_it_is(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match=r"360 of its 360 words are one and the same form, 'la'") as caught:
        read_text(written(tmp_path / "a.txt", ["la la la la la la"] * 60))
    assert "licence" not in str(caught.value)


def test_targets_and_alternative_sentences_without_words_are_refused(tmp_path: Path, tiny_gpt2: Case) -> None:
    source = text(tmp_path, [TEXT.split()] * 8)
    targets = written(tmp_path / "targets", ["_ _ _"] * 8)
    with pytest.raises(CorpusError, match=r"targets: 24 of its 24 words are '_': a placeholder"):
        read_text(source, target=targets)
    pairs = [
        json.dumps({"sentence_good": TEXT, "sentence_bad": "_ _", "UID": "u", "pairID": number}) for number in range(9)
    ]
    with pytest.raises(CorpusError, match="18 of its 18 words of its alternative sentences are '_': a placeholder"):
        read_minimal_pairs(written(tmp_path / "a.jsonl", pairs))
    own = replace(text_document(TEXT), target=text_document("_ _ _ _"))
    with pytest.raises(CorpusError, match="40 of its 40 words of its targets are '_': a placeholder"):
        encode(tiny_gpt2.model, Corpus("mine", (own,) * 10, ""))


def test_a_skeleton_of_one_document_is_refused(tmp_path: Path) -> None:
    path = conll2012(tmp_path, [["[WORD]"] * 80])
    with pytest.raises(CorpusError, match=r"80 of its 80 words are '\[WORD\]': a placeholder"):
        read_coreference(path, "conll2012")


@pytest.mark.parametrize(
    "lines",
    [
        ["no no no", "no"],
        ["Buffalo buffalo Buffalo buffalo buffalo buffalo Buffalo buffalo"],
        ["...", "!!!", "? ! ? !", ". , ; : - ! ?", "( ) [ ]"],
        ["_ is a word of its own", "so is - and ?"],
        ["你好", "再见", "谢谢", *("早上好" + str(number) for number in range(60))],
        ["cat", "dog", "cow"] * 30,
        [f"{word} {word} {word} {word}" for word in TEXT.split()] * 3,
        ["1 + 1 = 2", "x - x = 0", "x * x = 4"] * 20,
        ["yes no"] * 40,
    ],
)
def test_what_only_looks_alike_is_read(tmp_path: Path, tiny_gpt2: Case, lines: list[str]) -> None:
    corpus = read_text(written(tmp_path / "a.txt", lines))
    assert corpus.notes == ()
    assert len(encode(tiny_gpt2.model, corpus)) == len(lines)


def test_sentences_and_generated_tokens_are_read(tiny_gpt2: Case) -> None:
    for asked in ("No no no no", "???", "[MASK]", "The ___ sat on the [MASK]."):
        assert len(encode(tiny_gpt2.model, sentence(asked))) == 1
    assert len(encode(tiny_gpt2.model, repeats(5, documents=20))) == 20


def test_a_corpus_of_ones_own_is_refused_where_it_is_read(tiny_gpt2: Case) -> None:
    blank = text_document("_ _ _ _ _ _")
    with pytest.raises(CorpusError, match=r"^mine: .*a placeholder"):
        encode(tiny_gpt2.model, Corpus("mine", (blank,) * 10, ""))
    spans = np.array([[0, 1], [2, 3], [4, 5], [6, 7], [8, 9], [10, 11]], dtype=np.int32)
    built = Document("s", "_ _ _ _ _ _", ("_",) * 6, spans)
    with pytest.raises(CorpusError, match="a placeholder"):
        encode(tiny_gpt2.model, Corpus("mine", (built,) * 10, ""))


def test_the_gate_looks_at_documents_with_words(tiny_gpt2: Case) -> None:
    withheld = [text_document("_ " * 12 + f"_{'_' * number}") for number in range(9)]
    real = [text_document(f"{TEXT} {'and ' * number}") for number in range(10)]
    looked_at = probe_documents(tiny_gpt2.model, Corpus("mixed", (*withheld, *real), ""))
    assert all("cat" in document.words for document in looked_at.corpus)


OVER_WITHHELD = {
    "one for each space": "M. _ _ _",
    "one alone": "_",
    "the sentence itself": "M. Smith saw it there",
    "as the forms": "M. _ _ _ _",
    "joined": "M.____",
}


@pytest.mark.parametrize("over", OVER_WITHHELD.values(), ids=OVER_WITHHELD)
def test_words_that_are_withheld_are_told_whatever_the_text_above_says(tmp_path: Path, over: str) -> None:
    """UD_French-FTB has a `_` for what stands between spaces, and the forms of punctuation are `_` too."""
    rows = [f"{n}\t_\t_\tX\t_\t_\t1\tdep\t_\t{'SpaceAfter=No' if n == 4 else '_'}" for n in range(2, 6)]
    lines = [f"# text = {over}", "1\tM.\t_\tX\t_\t_\t0\troot\t_\t_", *rows, ""] * 10
    with pytest.raises(CorpusError, match="40 of its 50 words are '_': a placeholder"):
        read_conllu(written(tmp_path / "a.conllu", lines))


def test_a_withheld_sentence_among_others_is_counted(tmp_path: Path) -> None:
    real = [line for n in range(20) for line in (f"# text = w{n}", f"1\tw{n}\t_\tX\t_\t_\t0\troot\t_\t_", "")]
    path = written(tmp_path / "a.conllu", [*real, "# text = Foo", "1\t_\t_\tX\t_\t_\t0\troot\t_\t_"])
    corpus = read_conllu(path)
    assert corpus.documents[-1].text == "_"
    assert any(note.startswith("sentences of which most forms are `_`") and ": 1" in note for note in corpus.notes)
