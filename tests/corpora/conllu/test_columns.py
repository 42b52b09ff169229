from pathlib import Path

import pytest

from interp.corpora.conllu import read_conllu
from interp.errors import CorpusError
from tests.support.paths import SHARED

CASES = SHARED / "cases/15_tagged_only_and_plus"


def write(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n")
    return path


def test_columns_are_read_by_name_in_any_order(tmp_path: Path) -> None:
    path = write(
        tmp_path / "a.conllup",
        "# global.columns = PARSEME:MWE DEPREL HEAD MISC FORM UPOS ID",
        "# text = He gave.",
        "*\tnsubj\t2\t_\tHe\tPRON\t1",
        "1\troot\t0\tSpaceAfter=No\tgave\tVERB\t2",
        "*\tpunct\t2\t_\t.\tPUNCT\t3",
    )
    (document,) = read_conllu(path).documents
    assert (document.text, document.words) == ("He gave.", ("He", "gave", "."))
    assert (document.governors, document.relations) == ((1, -1, 1), ("nsubj", "root", "punct"))
    assert document.tags == ("PRON", "VERB", "PUNCT")


def test_all_columns_but_the_form_may_be_absent(tmp_path: Path) -> None:
    corpus = read_conllu(
        write(tmp_path / "a.conllup", "# global.columns = FORM CONLL:NER", "", "This\t_", "is\tX", "", "Ada\tP")
    )
    assert [document.words for document in corpus] == [("This", "is"), ("Ada",)]
    assert all((d.tags, d.governors, d.relations) == (None, None, None) for d in corpus)
    assert "sentences without syntax (no column HEAD): 2" in corpus.notes
    (one,) = read_conllu(write(tmp_path / "b.conllup", "# global.columns = FORM", "This", "is")).documents
    assert one.words == ("This", "is")
    (bare,) = read_conllu(write(tmp_path / "c.conllup", "# global.columns = ID FORM DEPREL", "1\tone\tnsubj")).documents
    assert bare.relations is None


@pytest.mark.parametrize("declared", ["ID UPOS", "ID FORM LEMMA FORM", ""])
def test_columns_without_a_form_or_with_a_name_twice_are_refused(tmp_path: Path, declared: str) -> None:
    path = write(tmp_path / "a.conllup", f"# global.columns = {declared}", "1\tX")
    with pytest.raises(CorpusError, match=r"`global\.columns` names (no FORM|FORM twice)") as caught:
        read_conllu(path)
    assert caught.value.line == 1


def test_a_refusal_repeats_the_beginning_of_a_long_name(tmp_path: Path) -> None:
    """Found by the fuzzer."""
    path = write(tmp_path / "a.conllup", f"# global.columns = FORM {'[' * 5000} {'[' * 5000}")
    with pytest.raises(CorpusError, match=r"\[{59}… twice") as caught:
        read_conllu(path)
    assert len(caught.value.problem) < 300


def test_a_line_with_another_number_of_columns_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllup", "# global.columns = ID FORM UPOS", "1\tone\tNUM\t_")
    with pytest.raises(CorpusError, match="4 columns; allowed are 3") as caught:
        read_conllu(path)
    assert caught.value.line == 2


def row(number: int, form: str, head: str, relation: str) -> str:
    return f"{number}\t{form}\t_\tX\t_\t_\t{head}\t{relation}\t_\t_"


def test_a_file_with_tags_alone_is_read_for_them(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", row(1, "The", "_", "_"), row(2, "cat", "_", "_"), "", row(1, "Go", "0", "root"))
    corpus = read_conllu(path)
    assert [document.governors for document in corpus] == [None, (-1,)]
    assert [document.tags for document in corpus] == [("X", "X"), ("X",)]
    assert "sentences without syntax (HEAD `_`): 1" in corpus.notes


def test_a_document_of_which_a_sentence_has_no_syntax_has_none(tmp_path: Path) -> None:
    lines = ("# newdoc id = a", row(1, "Go", "0", "root"), "", row(1, "on", "_", "_"))
    corpus = read_conllu(write(tmp_path / "a.conllu", *lines), unit="document")
    assert [(document.words, document.governors) for document in corpus] == [(("Go", "on"), None)]
    assert "documents of which some sentences have no syntax (left without): 1" in corpus.notes


def test_a_relation_without_any_governor_is_refused(tmp_path: Path) -> None:
    path = write(tmp_path / "a.conllu", row(1, "Go", "_", "_"), row(2, "on", "_", "advmod"))
    with pytest.raises(CorpusError, match="word 2 'on' has the DEPREL 'advmod' and no HEAD") as caught:
        read_conllu(path)
    assert caught.value.line == 2


@pytest.mark.skipif(not CASES.is_dir(), reason=f"{CASES} is absent")
def test_the_cases_are_read() -> None:
    tagged, plus = (read_conllu(CASES / name) for name in ("tagged_only.conllu", "t.cupt"))
    assert (tagged.tags, tagged.relations) == (("DET", "NOUN", "PUNCT", "VERB"), ())
    assert plus.relations == ("compound", "nsubj")
    assert plus.documents[0].governors == (1, -1, 1, 1)
