"""What the fuzzer found in readers of corpora, a test for every kind; and sentences of ten thousand words."""

import json
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from interp.corpora import mentions
from interp.corpora.batching import batches
from interp.corpora.conllu import read_conllu
from interp.corpora.coreference import read_coreference
from interp.corpora.encoding import encode
from interp.corpora.entities import read_entities
from interp.corpora.entity_pairs import entity_pairs
from interp.corpora.mentions import antecedents_by_kind
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.corpora.pictures import read_pictures
from interp.corpora.text import read_text
from interp.errors import CorpusError, InterpError, cut, shown
from interp.types import Corpus, Document, Mention
from tests.support.fakes import FakeModel, uniform

Read = Callable[[Path], Corpus]

READERS: dict[str, Read] = {
    "a.conllu": read_conllu,
    "documents.conllu": partial(read_conllu, unit="document"),
    "a_conll": partial(read_coreference, format="conll2012"),
    "gap-a.tsv": partial(read_coreference, format="gap"),
    "a_stereotype": partial(read_coreference, format="winobias"),
    "all_sentences.tsv": partial(read_coreference, format="winogender"),
    "a.txt": read_text,
    "a.jsonl": read_minimal_pairs,
    "entities.conll": read_entities,
    "a.png": read_pictures,
}


def file(folder: Path, name: str, content: str | bytes) -> Path:
    path = folder / name
    path.write_bytes(content.encode() if isinstance(content, str) else content)
    return path


# Any bytes


@pytest.mark.parametrize("name", READERS)
def test_any_bytes_give_a_result_or_an_error_that_names_the_file(
    name: str, tmp_path_factory: pytest.TempPathFactory
) -> None:
    folder = tmp_path_factory.mktemp("any")

    @settings(max_examples=40, deadline=None, derandomize=True, database=None)
    @given(st.binary(max_size=300) | st.text(st.sampled_from("\t\n #0123_-()|ab.\\[]{}\"'=\0\u200b"), max_size=200))
    def any_bytes(content: bytes | str) -> None:
        path = file(folder, name, content)
        refusal = None
        try:
            assert len(READERS[name](path)) > 0
        except CorpusError as error:
            refusal = error
        assert refusal is None or (refusal.path == str(path) and "\n" not in str(refusal))

    any_bytes()


# Errors that are read


LONG = "x" * 5000


def test_what_was_given_is_cut_where_it_is_long() -> None:
    assert cut("a" * 60) == "a" * 60
    assert cut("a" * 61) == "a" * 59 + "…"
    assert shown("a\tb") == r"'a\tb'"


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("a.conllu", f"{LONG}\ta\t_\t_\t_\t_\t0\troot\t_\t_\n\n"),
        ("a.conllu", f"1\ta\t_\t_\t_\t_\t{LONG}\troot\t_\t_\n\n"),
        ("a.conllu", f"1\ta\t_\t_\t_\t_\t0\t{LONG}\t_\t_\n\n"),
        ("a.conllu", f"# text = a\n1\t{LONG}\t_\t_\t_\t_\t0\troot\t_\t_\n\n"),
        ("a.conllu", f"# global.Entity = eid\n1\ta\t_\t_\t_\t_\t0\troot\t_\tEntity={LONG})\n\n"),
        ("a_conll", f"#begin document (d)\nd\t0\t{LONG}\tw\t-\t-\t-\t-\t-\t-\t*\t-\n\n#end document\n"),
        ("a_conll", f"#begin document (d)\nd\t0\t0\tw\t-\t-\t-\t-\t-\t-\t*\t{LONG}\n\n#end document\n"),
        ("all_sentences.tsv", f"sentid\tsentence\n{LONG}\tThe cook left.\n"),
        ("entities.conll", f"a\t{LONG}\n"),
        ("entities.conll", f"a\tI-{LONG}\n"),
    ],
)
def test_an_error_repeats_only_the_beginning_of_what_was_given(name: str, content: str, tmp_path: Path) -> None:
    path = file(tmp_path, name, content)
    with pytest.raises(CorpusError, match="xxx…") as caught:
        READERS[name](path)
    assert caught.value.line is not None
    assert len(caught.value.problem) < 500


def test_of_a_long_cycle_the_first_words_are_named(tmp_path: Path) -> None:
    rows = [f"{n}\tw{n}\t_\t_\t_\t_\t{n % 2000 + 1}\tdep\t_\t_" for n in range(1, 2001)]
    rows.append("2001\tw\t_\t_\t_\t_\t0\troot\t_\t_")
    with pytest.raises(CorpusError, match=r"the words 1 'w1', .*8 'w8' and 1992 more govern one another"):
        read_conllu(file(tmp_path, "a.conllu", "\n".join([*rows, "", ""])))


# Counts


def test_lines_of_no_width_are_blank_and_counted(tmp_path: Path) -> None:
    path = file(tmp_path, "a.txt", "One.\n\u200b\n\ufeff\u2060\nTwo.\n")
    corpus = read_text(path)
    assert [document.text for document in corpus] == ["One.", "Two."]
    assert corpus.notes == ("2 blank lines skipped",)
    # as targets they are none, and left over they are nothing
    with pytest.raises(CorpusError, match="line 2: the line is blank"):
        read_text(file(tmp_path, "b.txt", "a\nb\n"), target=file(tmp_path, "c.txt", "a\n\u200b\n"))
    assert len(read_text(file(tmp_path, "b.txt", "a\n"), target=file(tmp_path, "c.txt", "a\n\u200b\n"))) == 1


def test_a_text_of_another_encoding_is_refused(tmp_path: Path) -> None:
    with pytest.raises(CorpusError, match="line 2: a character NUL") as caught:
        read_text(file(tmp_path, "a.txt", b"fine\n" + "na".encode("utf-16-le")))
    assert caught.value.line == 2


def test_carriage_returns_that_end_no_line_are_said(tmp_path: Path) -> None:
    corpus = read_text(file(tmp_path, "a.txt", "one\rtwo\r\nthree\r\n"))
    assert len(corpus) == 2
    assert [note for note in corpus.notes if note.startswith("1 document has a carriage return inside")]
    assert read_text(file(tmp_path, "a.txt", "one\r\ntwo\r\n")).notes == ()


PAIR = '"sentence_good": "A dog barks.", "sentence_bad": "A dog bark.", "UID": "x", "pairID": "0"'


@pytest.mark.parametrize(
    ("line", "said"),
    [
        (f'{{{PAIR}, "sentence_good": "A cat barks."}}', "'sentence_good' stands twice"),
        (f'{{{PAIR}, "more": {{"a": 1, "a": 2}}}}', "'a' stands twice"),
        (f"{{{PAIR}}}".replace('"0"', "true"), "pairID is True"),
    ],
)
def test_a_pair_that_says_two_things_at_once_is_refused(line: str, said: str, tmp_path: Path) -> None:
    assert len(read_minimal_pairs(file(tmp_path, "a.jsonl", f"{{{PAIR}}}\n"))) == 1
    with pytest.raises(CorpusError, match=said) as caught:
        read_minimal_pairs(file(tmp_path, "a.jsonl", f"{{{PAIR}}}\n{line}\n"))
    assert caught.value.line == 2
    json.loads(line)


def test_a_name_of_no_width_is_none(tmp_path: Path) -> None:
    header = "ID\tText\tPronoun\tPronoun-offset\tA\tA-offset\tA-coref\tB\tB-offset\tB-coref\tURL"
    row = "x\tAnn met \u200b Bo when she ran.\tshe\t18\tAnn\t0\tTRUE\t\u200b\t8\tFALSE\tu"
    with pytest.raises(CorpusError, match=r"line 2: B is '\\u200b' and B-offset 8") as caught:
        read_coreference(file(tmp_path, "gap-a.tsv", f"{header}\n{row}\n"), "gap")
    assert caught.value.line == 2
    whole = row.replace("\t\u200b\t8", "\tBo\t10")
    assert len(read_coreference(file(tmp_path, "gap-a.tsv", f"{header}\n{whole}\n"), "gap")) == 1


@pytest.mark.parametrize("lost", ["#begin document (a); part 001", "#end document"])
def test_a_marker_that_ran_into_the_next_line_is_refused(lost: str, tmp_path: Path) -> None:
    word = "\t0\t{}\tw\t-\t-\t-\t-\t-\t-\t*\t(1)"
    lines = ["#begin document (a); part 000", f"a{word.format(0)}", f"{lost}{word.format(1)}", "", "#end document", ""]
    with pytest.raises(CorpusError, match="is out of place") as caught:
        read_coreference(file(tmp_path, "a_conll", "\n".join(lines)), "conll2012")
    assert caught.value.line == 3


@pytest.mark.parametrize("sentid", ["they.someone.1.neutral", "cook.cook.0.neutral"])
def test_a_word_that_would_be_two_mentions_is_refused(sentid: str, tmp_path: Path) -> None:
    row = "cook.someone.1.neutral\tThe cook told someone that they paid."
    path = file(tmp_path, "all_sentences.tsv", f"sentid\tsentence\n{row}\n{sentid}{row[row.index(chr(9)) :]}\n")
    with pytest.raises(CorpusError, match="are the same words; allowed are three mentions") as caught:
        read_coreference(path, "winogender")
    assert caught.value.line == 3


def test_grey_of_sixteen_bits_is_the_picture_of_eight(tmp_path: Path) -> None:
    grey = np.arange(64 * 4, dtype=np.uint8).reshape(16, 16)
    Image.fromarray(grey.astype(np.uint16) * 256 + 77).save(tmp_path / "a.png")
    (document,) = read_pictures(tmp_path / "a.png")
    assert document.picture is not None
    np.testing.assert_array_equal(document.picture, np.repeat(grey[:, :, None], 3, axis=2))


# Ten thousand words


SIZE = 10_000


def long_conllu() -> str:
    rows = [f"{n + 1}\tw{n}\t_\tX\t_\t_\t{n}\t{'dep' if n else 'root'}\t_\tEntity=(e1)" for n in range(SIZE)]
    return "\n".join(["# global.Entity = eid", *rows, "", ""])


def long_columns() -> str:
    rows = [f"d\t0\t{n}\tw{n}\tNN\t-\t-\t-\t-\t-\t*\t(1)" for n in range(SIZE)]
    return "\n".join(["#begin document (d)", *rows, "", "#end document", ""])


LONG_FILES = {
    "a.conllu": long_conllu,
    "a_conll": long_columns,
    "a.txt": lambda: " ".join(f"w{n}" for n in range(SIZE)),
    "a.jsonl": lambda: json.dumps({**json.loads(f"{{{PAIR}}}"), "sentence_good": " ".join("ab" for _ in range(SIZE))}),
    "entities.conll": lambda: "".join(f"w{n}\t{'I' if n else 'B'}-x\n" for n in range(SIZE)),
}


@pytest.mark.parametrize("name", LONG_FILES)
def test_a_sentence_of_ten_thousand_words_is_read_as_far_as_a_model_reads(name: str, tmp_path: Path) -> None:
    whole = partial(read_coreference, format="conll2012", window=None)
    (document,) = read = (whole if name == "a_conll" else READERS[name])(file(tmp_path, name, LONG_FILES[name]()))
    assert len(document.words) == SIZE
    model = FakeModel(uniform, 1)
    encoded = encode(model, read)
    assert encoded.skipped["truncated_documents"] >= 1
    owned = len(np.unique(encoded.words[0][encoded.words[0] >= 0]))
    assert encoded.skipped["unaligned_words"] == SIZE - owned
    (group,) = batches(encoded, model)
    batch = group.batch()
    width = batch.governor.shape[1]
    assert width == owned < 512
    # of 50 million pairs, those that the model can see
    assert batch.antecedent is not None and batch.entity_pair is not None
    assert len(batch.antecedent) == (width * (width - 1) // 2 if name in ("a.conllu", "a_conll") else 0)
    assert len(batch.entity_pair) == (width * (width - 1) if name == "entities.conll" else 0)


def test_more_pairs_than_memory_holds_are_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    words = tuple(f"w{n}" for n in range(60))
    spans = np.full((60, 2), -1, dtype=np.int32)
    linked = tuple(Mention(n, n + 1, 0, "x") for n in range(60))
    document = Document("d", " ".join(words), words, spans, mentions=linked, entities=linked)
    monkeypatch.setattr(mentions, "MOST_PAIRS", 1800)
    for find in (antecedents_by_kind, entity_pairs):
        assert len(find(document, 40)) in (40 * 39 // 2, 40 * 39)
    assert len(antecedents_by_kind(document)) == 60 * 59 // 2
    with pytest.raises(InterpError, match=r"'d' \(60 words\) has more than 1,800 pairs .* corpus.unit=sentence"):
        entity_pairs(document)
    monkeypatch.setattr(mentions, "MOST_PAIRS", 1000)
    with pytest.raises(InterpError, match=r"has more than 1,000 pairs"):
        antecedents_by_kind(replace(document, entities=None))
