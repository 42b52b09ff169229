"""Readers of coreference: what they make of each format, what they refuse, and what they say."""

import gzip
from pathlib import Path

import pytest

import interp.roles
from interp.corpora.coreference import read_coreference
from interp.corpora.coreference.head_words import before_postmodifier
from interp.corpora.coreference.mention_forms import described
from interp.corpora.mentions import antecedents, head_word
from interp.corpora.validation import validate
from interp.errors import CorpusError, InterpError
from interp.types import Corpus, Document, Mention

Row = tuple[str, str, str]


def columns(*sentences: list[Row], name: str = "nw/tale", part: int = 0) -> str:
    """A document in CoNLL-2012's columns: words with their tag and coreference."""
    lines = [f"#begin document ({name}); part {part:03d}"]
    for rows in sentences:
        for number, (word, tag, coreference) in enumerate(rows):
            lines.append("\t".join([name, "0", str(number), word, tag, *["-"] * 7, coreference]))
        lines.append("")
    return "\n".join([*lines, "#end document", ""])


TALE = (
    [("The", "DT", "(7"), ("king", "NN", "7)"), ("of", "IN", "-"), ("Spain", "NNP", "(3)|(4)"), ("slept", "VBD", "-")],
    [("He", "PRP", "(7)"), ("woke", "VBD", "-"), ("-LRB-", "-LRB-", "-"), ("early", "RB", "-")],
    [("His", "PRP$", "(8|(7)"), ("dogs", "NNS", "8)"), ("woke", "VBD", "-")],
)


def written(path: Path, text: str) -> Path:
    content = text.encode()
    path.write_bytes(gzip.compress(content) if path.suffix == ".gz" else content)
    return path


def mentions_of(document: Document) -> list[tuple[str, int, str | None, str | None, str | None]]:
    """(words, entity, kind, gender, number) of every mention."""
    return [
        (" ".join(document.words[m.start : m.end]), m.entity, m.kind, m.gender, m.number)
        for m in document.mentions or ()
    ]


def refused(path: Path, format_: str, line: int | None, says: str, **settings: object) -> None:
    with pytest.raises(CorpusError) as error:
        read_coreference(path, format_, **settings)  # pyright: ignore[reportArgumentType]
    assert (error.value.line, error.value.path) == (line, str(path))
    assert says in error.value.problem
    assert "allowed" in error.value.problem


@pytest.mark.parametrize("name", ["tale.conll", "tale.conll.gz"])
def test_a_document_of_several_sentences_is_one(tmp_path: Path, name: str) -> None:
    corpus = read_coreference(written(tmp_path / name, columns(*TALE)), "conll2012")
    (document,) = corpus
    validate(document)
    assert document.source == "nw/tale"
    assert document.text == "The king of Spain slept He woke ( early His dogs woke"
    assert document.tags == ("DT", "NN", "IN", "NNP", "VBD", "PRP", "VBD", "-LRB-", "RB", "PRP$", "NNS", "VBD")
    assert mentions_of(document) == [
        ("The king", 7, "nominal", None, "singular"),
        ("Spain", 3, "proper", None, "singular"),
        ("He", 7, "pronoun", "masculine", "singular"),
        ("His", 7, "pronoun", "masculine", "singular"),
        ("His dogs", 8, "nominal", None, "plural"),
    ]
    assert corpus.notes == (
        "mentions over words that were a mention already (the first is kept): 1",
        "words whose escapes were undone (-LRB-, /., \\/, \\*): 1",
    )


def test_windows_are_whole_sentences_and_what_they_part_is_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "tale.conll", columns(*TALE))
    corpus = read_coreference(path, "conll2012", window=7)
    assert [document.text for document in corpus] == ["The king of Spain slept", "He woke ( early His dogs woke"[:29]]
    assert {document.source for document in corpus} == {"nw/tale"}
    # `He` and `His` mean the king; `His` finds `He` beside it, `He` finds nothing
    assert "mentions whose antecedents all lie in another window: 1" in corpus.notes
    assert "documents cut into windows of at most 7 words: 1" in corpus.notes
    assert (
        "sentences of more than 3 words, each a window alone: 2" in read_coreference(path, "conll2012", window=3).notes
    )
    beginning = read_coreference(path, "conll2012", unit="beginning", window=7)
    assert [document.text for document in beginning] == ["The king of Spain slept"]
    assert "windows after the first of their document (left out): 1" in beginning.notes
    assert "mentions with an antecedent that lie beyond the beginning: 2" in beginning.notes
    single = read_coreference(path, "conll2012", unit="sentence")
    assert len(single) == 3
    assert "mentions whose antecedents all lie in another sentence: 2" in single.notes
    assert len(read_coreference(path, "conll2012", window=None)) == 1
    first = read_coreference(path, "conll2012", unit="sentence", first=2)
    assert first.notes[0].startswith(f"the first 2 documents of {path}, ")


def test_a_folder_is_read_in_the_order_of_names(tmp_path: Path) -> None:
    for name in ("b", "a"):
        written(tmp_path / f"{name}.conll", columns(TALE[0], name=name) + columns(TALE[1], name=name, part=1))
    corpus = read_coreference(tmp_path, "conll2012")
    assert [document.source for document in corpus] == ["a", "a", "b", "b"]
    assert corpus.name == tmp_path.name


def test_a_folder_of_folders_is_read_once(tmp_path: Path) -> None:
    """As CoNLL-2012 is distributed: nested, with hand-made and automatic annotation side by side, and a licence."""
    tale, other = columns(*TALE), columns(TALE[1], name="nw/other")
    automatic = tale.replace("NN\t", "JJ\t").replace("NNP\t", "JJ\t")
    for name, text in {
        "LICENSE": "no corpus",
        "data/nw/tale.v4_gold_conll": tale,
        "data/nw/tale.v4_auto_conll.gz": automatic,
        "data/nw/tale.v4_gold_skel": "no words here",
        "data/wb/other.v4_auto_conll": other,
        "data/.cache/tale.conll": tale,
        "more/copy.v4_gold_conll": tale,
        "more/part.v4_gold_conll": columns(*TALE, part=1),
        "more/shorter.v4_gold_conll": columns(*TALE[:2]),
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        written(tmp_path / name, text)
    corpus = read_coreference(tmp_path, "conll2012")
    assert [(one.source, len(one.words)) for one in corpus] == [
        ("nw/tale", 12),
        ("nw/other", 4),
        # another part, and another text under the same name and part
        ("nw/tale", 12),
        ("nw/tale", 9),
    ]
    first = corpus.documents[0].tags
    assert first is not None and first[1] == "NN", "the tags are those of gold"
    assert "files auto_conll beside a gold_conll of the same name (left out): 1" in corpus.notes
    assert "documents read before, of the same name, part and words (left out): 1" in corpus.notes
    (tmp_path / "none").mkdir()
    written(tmp_path / "none" / "README", "")
    refused(tmp_path / "none", "litbank", None, "**/*conll*")


@pytest.mark.parametrize(
    ("text", "line", "says"),
    [
        (columns([("A", "DT", "(1"), ("b", "NN", "-")]), 4, "before (1 of line 2 closes"),
        (columns([("A", "DT", "1)")]), 2, "closes what no (1"),
        (columns([("A", "DT", "(1"), ("b", "NN", "2)")]), 3, "closes what no (2"),
        (columns([("A", "DT", "1")]), 2, "coreference '1'"),
        (columns([("A", "DT", "(x)")]), 2, "coreference '(x)'"),
        (columns([("", "DT", "-")]), 2, "empty"),
        (columns(), 2, "without words"),
        (columns(TALE[0]).replace("\t1\tking", "\t2\tking"), 3, "'2'"),
        (columns(TALE[0]).replace("of\tIN\t-\t-", "of\tIN"), 4, "11 columns"),
        (columns(TALE[0]).replace("#end document", ""), 8, "does not end"),
        (columns(TALE[0]).replace("#end document\n", "") + columns(TALE[0]), 8, "inside that of line 1"),
        ("a\tb\n" + columns(TALE[0]), 1, "outside any document"),
        ("# a comment\n", 1, "out of place"),
        # a line end that was lost: the document's beginning is no word, however many columns follow
        (columns(TALE[0]).replace("nw/tale\t0\t2", "#begin document (x); part 001\t0\t2", 1), 4, "out of place"),
        ("", None, "no document"),
    ],
)
def test_what_is_not_conll2012_is_refused(tmp_path: Path, text: str, line: int | None, says: str) -> None:
    path = written(tmp_path / "bad.conll", text)
    with pytest.raises(CorpusError) as error:
        read_coreference(path, "conll2012")
    assert (error.value.line, error.value.path) == (line, str(path))
    assert says in error.value.problem


def test_kinds_without_tags() -> None:
    words = ["Dogs", "bark", "at", "Old", "Tom", "and", "dogs", "bark"]
    lower, opening = frozenset(["bark", "at", "and", "dogs"]), frozenset([0])

    def kind(start: int, end: int) -> str | None:
        return described(words, start, end, 0, opening=opening, lower=lower).kind

    assert (kind(0, 1), kind(3, 5), kind(6, 7)) == ("nominal", "proper", "nominal")
    assert described(["Tom"], 0, 1, 0, opening=frozenset([0])).kind == "proper"
    assert described(["Themselves"], 0, 1, 4) == Mention(0, 1, 4, "pronoun", None, "plural")
    assert described(["Ann", "and", "Tom"], 0, 3, 0, tags=["NNP", "CC", "NNP"]).number is None


# the head word, chosen by hand, is in capitals
HEADS = [
    ("the COURT of chancery , which has its decaying houses !", "DT NN IN NN , WDT VBZ PRP$ VBG NNS ."),
    ("some two or THREE of whom", "DT CD CC CD IN WP"),
    ("the KINGS of france", "DT NNS IN NNP"),
    ("UNIVERSITY of california", "NNP IN NNP"),
    ("the “ PARLOUR , ”", "DT `` NN , ''"),
    ("about ten MEN", "IN CD NNS"),
    ("a tall , dark MAN with a hat", "DT JJ , JJ NN IN DT NN"),
    ("those OTHERS who left", "DT NNS WP VBD"),
    ("ALL that remained of it", "DT WDT VBD IN PRP"),
    ("her BROTHER , the tailor", "PRP$ NN , DT NN"),
    ("the KING -- a fool", "DT NN : DT NN"),
    ("the FRIEND ( a tailor )", "DT NN -LRB- DT NN -RRB-"),
    ("the good OLD", "DT JJ JJ"),
    ("the round TABLE", "DT JJ NN"),
    ("!", "."),
    ("to whom", "TO WP"),
]
BY_TAGS_ALONE = [
    ("the MAN seen there", "DT NN VBN RB"),
    ("the MAN i met", "DT NN PRP VBD"),
    ("more than ten MEN", "JJR IN CD NNS"),
    ("mountain FLIGHT 103", "NN NN CD"),
    ("france 's", "NNP POS"),
    ("a better TAILOR than he", "DT JJR NN IN PRP"),
    ("the MAN whose dog bit", "DET NOUN PRON NOUN VERB"),
    ("THOSE who left", "PRON PRON VERB"),
    ("the HOUSE near them", "DET NOUN ADP PRON"),
    ("PARIS , the town", "PROPN PUNCT DET NOUN"),
]


@pytest.mark.parametrize(("marked", "tags"), [*HEADS, *BY_TAGS_ALONE])
def test_the_head_word_stands_before_the_postmodifier(marked: str, tags: str) -> None:
    words = marked.split()
    expected = next((place for place, word in enumerate(words) if len(word) > 1 and word.isupper()), None)
    plain, labels = [word.lower() for word in words], tags.split()
    if expected is None:
        # nothing stands before it: the last word that may be one, or else the last of all
        expected = {"!": 0, "to whom": 1, "france 's": 0}[marked]
    # two words on the left, so that places are those of the document
    assert before_postmodifier(["he", "saw", *plain], 2, 2 + len(plain), ["PRP", "VBD", *labels]) == 2 + expected
    if (marked, tags) in HEADS:
        assert before_postmodifier(["he", "saw", *plain, "of"], 2, 2 + len(plain)) == 2 + expected


def test_a_comma_ends_a_name_without_tags() -> None:
    assert before_postmodifier(["William", "Elliot", ",", "Esq."], 0, 4) == 1
    assert before_postmodifier(["a", "plain", ",", "honest", "tailor"], 0, 5) == 4


def test_kind_and_number_are_those_of_the_head_word() -> None:
    words = ["the", "kings", "of", "France", "and", "Navarre", "met"]
    tags = ["DT", "NNS", "IN", "NNP", "CC", "NNP", "VBD"]
    assert described(words, 0, 4, 0, tags=tags) == Mention(0, 4, 0, "nominal", None, "plural")
    assert described(words, 0, 4, 0).kind == "nominal"
    assert described(words, 0, 6, 0, tags=tags).number is None, "it may be the kings and Navarre"
    assert described(["the", "Dukes", "of", "it"], 0, 4, 0, tags=["DT", "NNPS", "IN", "PRP"]).number == "plural"
    assert described(["Ann", "'s"], 0, 2, 0, tags=["NNP", "POS"]) == Mention(0, 2, 0, "proper", None, "singular")
    assert described(["Ann", ",", "she"], 0, 3, 0, tags=["PROPN", "PUNCT", "PRON"]).kind == "proper"


def test_heads_are_last_words_or_stand_before_postmodifiers(tmp_path: Path) -> None:
    kings = [
        ("The", "DT", "(1"),
        ("kings", "NNS", "-"),
        ("of", "IN", "-"),
        ("France", "NNP", "(2)|1)"),
        ("met", "VBD", "-"),
    ]
    they = [("So", "RB", "-"), ("they", "PRP", "(1)"), ("left", "VBD", "-"), ("France", "NNP", "(2)"), (".", ".", "-")]
    path = written(tmp_path / "kings.conll", columns(kings, they))
    last, before = (read_coreference(path, "conll2012", heads=heads) for heads in ("last", "before_postmodifier"))
    assert antecedents(last.documents[0]) == [(6, 3), (8, 3)]
    assert antecedents(before.documents[0]) == [(6, 1), (8, 3)]
    assert last.notes == (
        "mentions whose last word stands for them though a postmodifier holds it (see corpus.heads): 1",
    )
    assert before.notes == ("mentions that another word than their last stands for, before their postmodifier: 1",)
    # heads are counted from the first word of the window that holds them
    (_, second) = read_coreference(path, "conll2012", unit="sentence", heads="before_postmodifier")
    assert [mention.head for mention in second.mentions or ()] == [1, 3]
    validate(second)
    with pytest.raises(InterpError, match=r"corpus\.heads=first is not known"):
        read_coreference(path, "conll2012", heads="first")


GAP_COLUMNS = ["ID", "Text", "Pronoun", "Pronoun-offset", "A", "A-offset", "A-coref", "B", "B-offset", "B-coref", "URL"]


def gap(text: str, pronoun: str, a: tuple[str, str], b: tuple[str, str], page: str = "p") -> str:
    """A line of GAP, offsets where the names first stand."""
    cells = ["x-1", text, pronoun, str(text.index(f" {pronoun} ") + 1)]
    for name, refers in (a, b):
        cells += [name, str(text.index(name)), refers]
    return "\t".join([*cells, page])


def gap_file(path: Path, *lines: str) -> Path:
    return written(path, "\n".join(["\t".join(GAP_COLUMNS), *lines, ""]))


def test_gap(tmp_path: Path) -> None:
    text = "Ann's aunt Mary Lou said that \"she was late."
    spaced = text.replace('"', "")
    lines = (
        gap(spaced, "she", ("Mary Lou", "TRUE"), ("Ann", "FALSE"), "page one"),
        gap("When he left, Bob met Jim.", "he", ("Bob", "FALSE"), ("Jim", "TRUE"), "page two"),
        gap("Bob met Jim and he left.", "he", ("Bob", "FALSE"), ("Jim", "FALSE"), "page two"),
    )
    corpus = read_coreference(gap_file(tmp_path / "gap-x.tsv", *lines), "gap")
    first, second, third = corpus
    assert first.text == spaced
    assert [document.source for document in corpus] == ["page one", "page two", "page two"]
    # a name inside a longer word is that word
    assert mentions_of(first) == [
        ("Ann's", 2, "proper", None, None),
        ("Mary Lou", 0, "proper", None, None),
        ("she", 0, "pronoun", "feminine", "singular"),
    ]
    assert [m[:2] for m in mentions_of(second)] == [("he", 0), ("Bob", 1), ("Jim", 0)]
    assert len({m.entity for m in third.mentions or ()}) == 3
    assert corpus.notes == (
        "pronouns that refer to neither name: 1",
        "pronouns that stand before the name they refer to: 1",
    )


def test_what_is_not_gap_is_refused(tmp_path: Path) -> None:
    line = gap("Bob met Jim and he left.", "he", ("Bob", "FALSE"), ("Jim", "TRUE"))
    path = tmp_path / "gap-x.tsv"
    refused(gap_file(path, line, line.replace("\t0\tFALSE", "\t1\tFALSE")), "gap", 3, "A is 'Bob'")
    refused(gap_file(path, line.replace("\t0\tFALSE", "\t-\tFALSE")), "gap", 2, "A-offset -")
    refused(gap_file(path, line.replace("TRUE", "true")), "gap", 2, "B-coref is 'true'")
    refused(gap_file(path, line.replace("\tp", "")), "gap", 2, "10 columns")
    refused(gap_file(path, line.replace("Jim\t8", "Bob\t0")), "gap", 2, "the same words")
    refused(written(path, "ID\tText\n"), "gap", 1, "the first line")
    refused(written(path, ""), "gap", None, "it holds no line")


def test_winobias_finds_the_other_occupation(tmp_path: Path) -> None:
    written(
        tmp_path / "pro_stereotyped.txt.dev",
        "1 [The cook] hired the construction worker because [he] liked [his] work.\n\n"
        "2 The cook hired [ the construction worker] because [she] was good.\n",
    )
    written(tmp_path / "anti_stereotype.conll", columns(
        [("The", "-", "(1"), ("cook", "-", "1)"), ("hired", "-", "-"), ("a", "-", "-"), ("construction", "-", "-"),
         ("worker", "-", "-"), ("and", "-", "-"), ("she", "-", "(1)"), ("left", "-", "-")],
    ))  # fmt: skip
    written(tmp_path / "readme.md", "not a corpus")
    corpus = read_coreference(tmp_path, "winobias")
    columned, first, second = corpus
    for document in corpus:
        validate(document)
    assert first.text == "The cook hired the construction worker because he liked his work."
    assert {document.source for document in corpus} == {"construction worker cook"}
    assert mentions_of(first) == [
        ("The cook", 0, "nominal", None, "singular"),
        ("the construction worker", 1, "nominal", None, "singular"),
        ("he", 0, "pronoun", "masculine", "singular"),
        ("his", 0, "pronoun", "masculine", "singular"),
    ]
    assert [m[:2] for m in mentions_of(second)] == [("The cook", 1), ("the construction worker", 0), ("she", 0)]
    assert [m[:2] for m in mentions_of(columned)] == [("The cook", 0), ("a construction worker", 1), ("she", 0)]
    assert corpus.notes == ()


@pytest.mark.parametrize(
    "line", ["1 [The cook] left.", "1 The cook left.", "1 [The cook left because [he] ran.", "1 []"]
)
def test_what_is_not_winobias_is_refused(tmp_path: Path, line: str) -> None:
    good = "1 [The cook] left because [he] was late."
    refused(written(tmp_path / "stereotype", f"{good}\n{line}\n"), "winobias", 2, "allowed")


def test_winobias_without_another_occupation_is_counted(tmp_path: Path) -> None:
    path = written(tmp_path / "stereotype", "1 [The cook] saw the tailor because [he] was late.\n")
    assert read_coreference(path, "winobias").notes == ("sentences in which no other occupation was found: 1",)


def test_winogender(tmp_path: Path) -> None:
    lines = (
        "nurse.patient.1.neutral.txt\tThe nurse told the patient that they could go.",
        "nurse.someone.0.male.txt\tThe nurse told someone that his shift was over.",
    )
    path = written(tmp_path / "all_sentences.tsv", "\n".join(["sentid\tsentence", *lines]))
    first, second = read_coreference(tmp_path, "winogender")
    assert mentions_of(first) == [
        ("The nurse", 0, "nominal", None, "singular"),
        ("the patient", 1, "nominal", None, "singular"),
        ("they", 1, "pronoun", None, "singular"),
    ]
    assert [m[:2] for m in mentions_of(second)] == [("The nurse", 0), ("someone", 1), ("his", 0)]
    assert first.source == second.source == "nurse"
    for bad in ("nurse.patient.2.male.txt\tx", "nurse.patient.0.male.txt\tThe nurse met the patient.", "nurse\tx"):
        written(path, f"sentid\tsentence\n{bad}\n")
        refused(path, "winogender", 2, "allowed")
    refused(written(path, "sentid\tsentence\na.b.0.male\tThe b saw him.\n"), "winogender", 2, "'a' 0 times")


def test_settings_are_checked(tmp_path: Path) -> None:
    path = written(tmp_path / "tale.conll", columns(*TALE))
    with pytest.raises(InterpError, match="Did you mean 'conll2012'"):
        read_coreference(path, "conll2010")
    with pytest.raises(InterpError, match=r"corpus\.unit=sentences is not known"):
        read_coreference(path, "conll2012", unit="sentences")
    with pytest.raises(InterpError, match=r"corpus\.window=0"):
        read_coreference(path, "conll2012", window=0)
    with pytest.raises(InterpError, match="limit=0"):
        read_coreference(path, "conll2012", limit=0)
    refused(tmp_path, "gap", None, "gap-*.tsv")
    with pytest.raises(CorpusError, match="no such file"):
        read_coreference(tmp_path / "tail.conll", "conll2012")


def test_roles_of_a_corpus_follow_its_kinds(tmp_path: Path) -> None:
    corpus = read_coreference(written(tmp_path / "tale.conll", columns(*TALE)), "conll2012")
    assert corpus.mention_kinds == ("nominal", "pronoun", "proper")
    names = [role.name for role in interp.roles.coreference(corpus)]
    # no name and no noun there is resumed
    assert corpus.resumed_kinds == ("pronoun",)
    assert names == ["coref.antecedent", "coref.pronoun", "coref.choice"]
    bare = Corpus(
        "bare", (Document("s", "a", ("a",), corpus.documents[0].spans[:1], mentions=(Mention(0, 1, 0),)),), ""
    )
    assert [role.name for role in interp.roles.coreference(bare)] == ["coref.antecedent"]


@pytest.mark.real
def test_novels_are_read_whole(shared: Path) -> None:
    """Words are lines of many columns, and mentions as many as brackets that open, in the last of these."""
    for path in sorted((shared / "corpora" / "litbank" / "coref" / "conll").glob("*.gz"))[::12]:
        rows = [line.split("\t") for line in gzip.decompress(path.read_bytes()).decode().splitlines() if "\t" in line]
        corpus = read_coreference(path, "litbank")
        assert [word for document in corpus for word in document.words] == [row[3] for row in rows]
        assert sum(len(document.mentions or ()) for document in corpus) == sum(row[-1].count("(") for row in rows)
        assert {document.source for document in corpus} == {rows[0][0]}
        for document in corpus.documents[::5]:
            validate(document)


@pytest.mark.real
def test_no_mark_stands_for_a_mention_of_a_novel(shared: Path) -> None:
    folder = shared / "corpora" / "litbank" / "coref" / "conll"
    told = read_coreference(folder, "litbank", heads="before_postmodifier")
    last = read_coreference(folder, "litbank")
    moved, marks = 0, [0, 0]
    for document, plain in zip(told, last, strict=True):
        for mention, other in zip(document.mentions or (), plain.mentions or (), strict=True):
            words = document.words[mention.start : mention.end]
            heads = head_word(document, mention), head_word(plain, other)
            assert mention.start <= heads[0] <= heads[1] == mention.end - 1
            assert mention._replace(head=None) == other
            moved += heads[0] != heads[1]
            for number, head in enumerate(heads):
                marks[number] += not any(map(str.isalnum, document.words[head])) and len(words) > 1
    assert marks == [0, 73]
    # what windows cut off is counted, too
    (note,) = (note for note in told.notes if "another word than their last" in note)
    assert 1900 < moved <= int(note.rsplit(" ", 1)[1]) < 2100


@pytest.mark.real
def test_schemata_are_read_whole(shared: Path) -> None:
    folder = shared / "corpora"
    validation = read_coreference(folder / "gap" / "gap-validation.tsv", "gap")
    assert len(validation) == 454
    assert validation.notes[0] == "pronouns that refer to neither name: 62"
    plain = read_coreference(folder / "winobias" / "pro_stereotyped_type2.txt.dev", "winobias")
    both = read_coreference(
        folder / "winobias" / "conll_format" / "dev_type2_pro_stereotype.v4_auto_conll.gz", "winobias"
    )
    assert len(plain) == len(both) == 396
    assert {document.source for document in plain} == {document.source for document in both}
    assert plain.notes == both.notes == ()
    schemata = read_coreference(folder / "winogender", "winogender")
    assert len(schemata) == 720
    for document in (*validation.documents[::5], *plain, *both, *schemata):
        validate(document)
