import re
from collections import Counter
from collections.abc import Callable
from random import Random

import numpy as np
import pytest

from interp.corpora import grammar as package
from interp.corpora.grammar import CONSTRUCTIONS, grammar
from interp.corpora.grammar.inflection import indefinite, plural, verb
from interp.corpora.grammar.notation import adjunct, complements, noun_phrase
from interp.corpora.grammar.tree import Entity, Node, document
from interp.corpora.validation import validate
from interp.errors import InterpError
from interp.types import Corpus, Document, Mention


def words(text: str) -> list[str]:
    return text.split()


FEMININE = frozenset(
    words("""Anna Maria Emma Sarah Julia Alice Laura Helen Nina Clara Rosa Lucy Grace Diana Sophie Ruth
    woman girl queen princess waitress actress sister mother aunt""")
)
MASCULINE = frozenset(
    words("""Paul Peter David Tom Daniel Martin Oscar Simon Victor Henry George Leo Adam Felix Robert Samuel
    man boy king prince waiter brother father uncle""")
)
EITHER = frozenset(
    words("""student teacher doctor nurse lawyer farmer baker driver singer painter writer neighbor visitor guest artist
    journalist engineer manager chef pilot gardener librarian carpenter tourist dentist musician scientist
    professor detective soldier clerk tailor judge plumber secretary dancer""")
)
IRREGULAR_PLURALS = frozenset(words("women men children mice geese wolves knives"))
SINGULARS_IN_S = frozenset(words("bus princess waitress actress boss dress gas mattress canvas"))
OPENERS = frozenset(words("Who What Which Where Why How Did Was Were Is Are Will Wo Has Have"))
VERBS_OF_ONE = frozenset(words("was is has does"))
VERBS_OF_MANY = frozenset(words("were are have do"))
PAST_AND_PRESENT = {"was", "were", "did", "had"}, {"is", "are", "does", "do", "has", "have"}


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return grammar()


def head(document: Document, mention: Mention) -> int:
    """The first word of the span whose governor lies outside the span."""
    governors = document.governors or ()
    return next(w for w in range(mention.start, mention.end) if not mention.start <= governors[w] < mention.end)


def looks_plural(word: str) -> bool:
    return word in IRREGULAR_PLURALS or (word.endswith("s") and word not in SINGULARS_IN_S and word[0].islower())


def columns(document: Document) -> tuple[tuple[str, ...], tuple[int, ...], tuple[str, ...], tuple[Mention, ...]]:
    assert document.tags is not None and document.governors is not None
    assert document.relations is not None and document.mentions is not None
    return document.tags, document.governors, document.relations, document.mentions


def anaphora(document: Document) -> list[tuple[Mention, list[Mention]]]:
    """Every pronoun with the mentions whose head comes before it, the nearest last."""
    tags, _, _, mentions = columns(document)
    heads = {mention: head(document, mention) for mention in mentions}
    return [
        (it, sorted((mention for mention in mentions if heads[mention] < it.start), key=lambda mention: heads[mention]))
        for it in mentions
        if it.end == it.start + 1 and tags[it.start] == "PRON"
    ]


def test_every_document_is_valid(corpus: Corpus) -> None:
    assert len(corpus) == 2000
    for one in corpus:
        validate(one)
        assert one.tags is not None and one.governors is not None and one.relations is not None and one.mentions
        assert one.spans.dtype == np.int32


def test_the_first_two_documents_are_the_pair(corpus: Corpus) -> None:
    difficult, tired = corpus.documents[:2]
    assert difficult.text == "The student didn't attempt the quiz because it was too difficult."
    assert tired.text == "The student didn't attempt the quiz because she was too tired."
    assert difficult.words == tuple(words("The student did n't attempt the quiz because it was too difficult ."))
    assert difficult.spans.tolist() == [
        [0, 3], [4, 11], [12, 15], [15, 18], [19, 26], [27, 30], [31, 35], [36, 43], [44, 46], [47, 50], [51, 54],
        [55, 64], [64, 65],
    ]  # fmt: skip
    assert tired.words == tuple(words("The student did n't attempt the quiz because she was too tired ."))
    for one in (difficult, tired):
        assert one.source == one.text
        assert one.tags == tuple(words("DET NOUN AUX PART VERB DET NOUN SCONJ PRON AUX ADV ADJ PUNCT"))
        assert one.governors == (1, 4, 4, 4, -1, 6, 4, 11, 11, 11, 11, 4, 4)
        assert one.relations == tuple(words("det nsubj aux advmod root det obj mark nsubj cop advmod advcl punct"))
    assert difficult.mentions == (
        Mention(0, 2, 0, "PERSON"),
        Mention(5, 7, 1, "OBJECT"),
        Mention(8, 9, 1, "OBJECT"),
    )
    assert tired.mentions == (Mention(0, 2, 0, "PERSON"), Mention(5, 7, 1, "OBJECT"), Mention(8, 9, 0, "PERSON"))


def test_the_same_seed_gives_the_same_corpus(corpus: Corpus) -> None:
    first, again, other = grammar(400), grammar(400), grammar(400, seed=1)
    assert [one.text for one in again] == [one.text for one in corpus.documents[:400]]
    assert again.digest == first.digest
    assert re.fullmatch("[0-9a-f]{64}", first.digest)
    assert len({first.digest, other.digest, corpus.digest}) == 3
    assert len({one.text for one in other} & {one.text for one in first}) < 40


def test_the_digest_covers_the_annotation(monkeypatch: pytest.MonkeyPatch) -> None:
    original = package.document

    def retagged(root: Node, stop: str = ".") -> Document:
        made = original(root, stop)
        return Document(**{**vars(made), "tags": ("X",) * len(made.words)})

    before = grammar(2)
    monkeypatch.setattr(package, "document", retagged)
    after = grammar(2)
    assert [one.text for one in after] == [one.text for one in before]
    assert after.digest != before.digest


def test_texts_are_distinct_and_a_corpus_begins_like_a_longer_one(corpus: Corpus) -> None:
    assert len({one.text for one in corpus}) == len(corpus)
    assert [one.text for one in grammar(100)] == [one.text for one in corpus.documents[:100]]
    assert [one.text for one in grammar(1)] == [corpus.documents[0].text]


def test_limit_keeps_the_first(corpus: Corpus) -> None:
    limited = grammar(300, limit=7)
    assert [one.text for one in limited] == [one.text for one in corpus.documents[:7]]
    assert limited.digest == grammar(300).digest
    assert len(grammar(5, limit=9)) == 5
    assert limited.name == "grammar" and limited.generated


@pytest.mark.parametrize(("documents", "limit"), [(0, None), (-3, None), (5, 0), (5, -1)])
def test_what_cannot_be_is_refused(documents: int, limit: int | None) -> None:
    with pytest.raises(InterpError, match="was given; allowed: 1 or more"):
        grammar(documents, limit=limit)


def test_an_exhausted_space_says_how_far_it_reaches(monkeypatch: pytest.MonkeyPatch) -> None:
    def one_of_three(draw: Random) -> Node:
        subject = Node(draw.choice(("Anna", "Paul", "Emma")), "PROPN", "nsubj")
        return Node("slept", "VERB", left=(subject,))

    monkeypatch.setattr(package, "CONSTRUCTIONS", {one_of_three: 1})
    assert len(grammar(5)) == 5
    with pytest.raises(InterpError, match="Ask for at most 5"):
        grammar(6)


def test_the_vocabulary_and_the_relations_are_broad(corpus: Corpus) -> None:
    assert len({word.lower() for one in corpus for word in one.words}) >= 300
    relations = Counter(relation for one in corpus for relation in columns(one)[2])
    assert len(relations) >= 22
    expected = words("""root nsubj nsubj:pass obj iobj obl obl:agent obl:unmarked nmod nmod:poss det case amod advmod
    aux aux:pass cop mark advcl ccomp xcomp acl:relcl acl conj cc punct flat compound compound:prt nummod expl""")
    assert set(expected) <= set(relations)


def test_lengths_vary(corpus: Corpus) -> None:
    lengths = [len(one.words) for one in corpus]
    assert min(lengths) >= 3
    assert max(lengths) <= 26
    assert sum(length >= 15 for length in lengths) > 0.2 * len(lengths)
    assert sum(length <= 8 for length in lengths) > 0.05 * len(lengths)


def test_texts_look_like_english(corpus: Corpus) -> None:
    for one in corpus:
        assert one.text[0].isupper() and one.text[-1] in ".?"
        asks = one.words[0] in OPENERS or (one.words[0] == "When" and one.words[1] in ("did", "will"))
        assert (one.text[-1] == "?") == asks, one.text
        assert not re.search(r" [.,?']|  |\s$| n't", one.text), one.text
        capitals = [w for w, word in enumerate(one.words) if w and word[0].isupper()]
        assert all(columns(one)[0][w] == "PROPN" for w in capitals), one.text


def test_articles_follow_the_sound(corpus: Corpus) -> None:
    after = Counter(
        (article.lower(), following)
        for one in corpus
        for article, following in zip(one.words, one.words[1:], strict=False)
        if article.lower() in ("a", "an")
    )
    assert len(after) > 100
    for article, following in after:
        vowel = following[0] in "aeiou" or following in ("honest", "hour")
        assert article == ("an" if vowel and following != "university" else "a"), (article, following)


def test_trees_are_projective(corpus: Corpus) -> None:
    for one in corpus:
        arcs = [(min(w, g), max(w, g)) for w, g in enumerate(columns(one)[1]) if g >= 0]
        assert not any(a < c < b < d for a, b in arcs for c, d in arcs), one.text


def test_tags_and_relations_go_together(corpus: Corpus) -> None:
    pairs = words("det DET aux AUX cop AUX cc CCONJ punct PUNCT flat PROPN nummod NUM amod ADJ compound NOUN expl PRON")
    pairs += ["compound:prt", "ADP", "aux:pass", "AUX"]
    fixed = dict(zip(pairs[::2], pairs[1::2], strict=True))
    for one in corpus:
        tags, governors, relations, _ = columns(one)
        for tag, governor, relation in zip(tags, governors, relations, strict=True):
            assert tag == fixed.get(relation, tag), one.text
            if relation in ("det", "amod", "nmod", "compound", "nummod", "acl:relcl", "nmod:poss"):
                assert tags[governor] in ("NOUN", "PROPN"), one.text
            if relation in ("obj", "iobj", "nsubj:pass", "aux", "obl:agent", "xcomp"):
                assert tags[governor] in ("VERB", "ADJ", "NOUN"), one.text


def test_the_head_of_a_mention_is_its_noun(corpus: Corpus) -> None:
    for one in corpus:
        tags, governors, relations, mentions = columns(one)
        for mention in mentions:
            outside = [w for w in range(mention.start, mention.end) if not mention.start <= governors[w] < mention.end]
            assert len(outside) == 1, one.text
            assert tags[outside[0]] in ("NOUN", "PROPN", "PRON"), one.text
            assert relations[mention.start] not in ("case", "cc", "mark", "punct", "cop"), one.text
            assert relations[mention.end - 1] not in ("punct", "cc"), one.text
            assert mention.kind in ("PERSON", "ANIMAL", "OBJECT", "PLACE", "TIME", "EVENT", "IDEA", "GROUP")


def test_every_name_and_personal_pronoun_is_a_mention(corpus: Corpus) -> None:
    pronouns = frozenset(words("she he it they her him them his its their"))
    for one in corpus:
        tags, _, relations, mentions = columns(one)
        heads = {head(one, mention) for mention in mentions}
        for w, word in enumerate(one.words):
            if word.lower() in pronouns or (tags[w] == "PROPN" and relations[w] != "flat"):
                assert w in heads, one.text


def test_a_pronoun_agrees_with_its_antecedent(corpus: Corpus) -> None:
    for one in corpus:
        for it, earlier in anaphora(one):
            antecedents = [mention for mention in earlier if mention.entity == it.entity]
            assert antecedents, one.text
            first = antecedents[0]
            noun, said = one.words[head(one, first)], one.words[it.start].lower()
            noun = noun if columns(one)[0][head(one, first)] == "PROPN" else noun.lower()
            assert first.kind == it.kind
            if said in ("they", "them", "their"):
                assert first.kind == "GROUP" or looks_plural(noun), one.text
            elif said in ("she", "her"):
                assert noun in FEMININE | EITHER, one.text
            elif said in ("he", "him", "his"):
                assert noun in MASCULINE | EITHER, one.text
            else:
                assert first.kind not in ("PERSON", "GROUP") and not looks_plural(noun), one.text


def test_one_entity_has_one_gender(corpus: Corpus) -> None:
    genders = {"she": "f", "her": "f", "he": "m", "him": "m", "his": "m"}
    for one in corpus:
        said = {(it.entity, genders.get(one.words[it.start].lower(), "other")) for it, _ in anaphora(one)}
        assert len(said) == len({entity for entity, _ in said}), one.text


def test_many_documents_have_a_pronoun_and_the_nearest_mention_is_no_good_baseline(corpus: Corpus) -> None:
    near = [earlier[-1].entity == it.entity for one in corpus for it, earlier in anaphora(one)]
    assert sum(bool(anaphora(one)) for one in corpus) > len(corpus) / 3
    assert 0.35 < np.mean(near) < 0.65


def test_each_of_two_candidates_is_right_equally_often() -> None:
    """Over many draws; what comes between or before the candidates, such as a time, is none."""
    draw, farther = Random(0), []
    for construction in (c for c in CONSTRUCTIONS if c.__module__.endswith(".pronouns")):
        for _ in range(150):
            one = document(construction(draw))
            _, _, relations, mentions = columns(one)
            if construction.__name__ == "repeated_noun":
                farther.append(head(one, mentions[1]) == 1 and mentions[1].entity == mentions[-1].entity)
                continue
            it, earlier = anaphora(one)[0]
            subjects = [m for m in earlier if relations[head(one, m)].startswith("nsubj")]
            agents = [m for m in earlier if relations[head(one, m)] == "obl:agent"]
            farther.append(it.entity in {m.entity for m in subjects} and not (agents and agents[0].entity == it.entity))
    assert len(farther) > 1000
    assert 0.45 < np.mean(farther) < 0.6


def number_of(one: Document, w: int) -> str | None:
    """`one` or `many`, by the word alone; None where this cannot be told."""
    tags, governors, relations, _ = columns(one)
    word = one.words[w] if tags[w] == "PROPN" else one.words[w].lower()
    if any(governor == w and relations[c] == "conj" for c, governor in enumerate(governors)):
        return "many"
    if word in ("who", "that", "which", "what") or word == "sheep":
        return None
    if word == "they":
        return "many"
    return "many" if looks_plural(word) else "one"


def test_verbs_agree_with_their_subjects(corpus: Corpus) -> None:
    checked, across = 0, 0
    for one in corpus:
        _, governors, relations, _ = columns(one)
        for w, relation in enumerate(relations):
            if not relation.startswith("nsubj"):
                continue
            number = number_of(one, w)
            group = [c for c, governor in enumerate(governors) if governor == governors[w]]
            finite = [one.words[c].lower() for c in group if relations[c] in ("aux", "aux:pass", "cop")][:1]
            finite = finite or [one.words[governors[w]].lower()]
            if number is None or finite[0] not in VERBS_OF_ONE | VERBS_OF_MANY:
                continue
            assert finite[0] in (VERBS_OF_ONE if number == "one" else VERBS_OF_MANY), one.text
            checked += 1
            attractors = [c for c, governor in enumerate(governors) if governor == w and relations[c] == "nmod"]
            across += any(number_of(one, c) != number for c in attractors)
    assert checked > 500
    assert across > 20


def test_present_verbs_agree_too(corpus: Corpus) -> None:
    belongs = [one for one in corpus if {"belong", "belongs"} & set(one.words)]
    drawn = Random(3)
    belongs += [document(package.phrases.agreement_across_attractor(drawn)) for _ in range(400)]
    seen = set()
    for one in belongs:
        _, governors, relations, _ = columns(one)
        for w, word in enumerate(one.words):
            subjects = [c for c, governor in enumerate(governors) if governor == w and relations[c] == "nsubj"]
            if word in ("belong", "belongs") and subjects and number_of(one, subjects[0]):
                assert (word == "belong") == (number_of(one, subjects[0]) == "many"), one.text
                seen.add(word)
    assert seen == {"belong", "belongs"}


def test_a_clause_with_because_keeps_the_tense(corpus: Corpus) -> None:
    past, present = PAST_AND_PRESENT
    checked = 0
    for one in corpus:
        if "because" in one.words and one.relations is not None:
            at = one.words.index("because")
            before, after = (
                {word for word in part if word in past | present} for part in (one.words[:at], one.words[at:])
            )
            if "wo" in one.words[:at]:
                assert after <= present, one.text
            else:
                assert after <= past, one.text
                assert before <= past, one.text
            checked += 1
    assert checked > 200


def has(*relations: str) -> Callable[[Document], bool]:
    return lambda one: set(relations) <= set(columns(one)[2])


def lacks(*relations: str) -> Callable[[Document], bool]:
    return lambda one: not set(relations) & set(columns(one)[2])


def says(*forms: str) -> Callable[[Document], bool]:
    return lambda one: bool({word.lower() for word in one.words} & set(forms))


def attached(relation: str, governor: str, dependent: str = "") -> Callable[[Document], bool]:
    """An arc of this relation from a governor of this tag, to a dependent of this tag if one is asked for."""

    def found(one: Document) -> bool:
        tags, governors, relations, _ = columns(one)
        return any(
            r == relation and g >= 0 and tags[g] == governor and dependent in ("", tag)
            for tag, g, r in zip(tags, governors, relations, strict=True)
        )

    return found


def with_antecedent(one: Document) -> bool:
    return all(it.entity in {m.entity for m in earlier} for it, earlier in anaphora(one)) and bool(anaphora(one))


EVIDENCE: dict[str, list[Callable[[Document], bool]]] = {
    "intransitive": [attached("nsubj", "VERB")],
    "transitive": [attached("obj", "VERB"), attached("nsubj", "VERB")],
    "ditransitive": [attached("iobj", "VERB"), attached("obj", "VERB")],
    "prepositional_dative": [says("to"), attached("obj", "VERB"), attached("obl", "VERB")],
    "passive": [has("nsubj:pass", "aux:pass", "obl:agent"), says("by")],
    "agentless_passive": [has("nsubj:pass", "aux:pass"), lacks("obl:agent")],
    "particle_verb": [attached("compound:prt", "VERB", "ADP"), has("obj")],
    "adjective_predicate": [has("cop"), lambda one: one.relations is not None and "xcomp" not in one.relations],
    "noun_predicate": [lambda one: has("cop")(one) or says("became")(one)],
    "existential": [has("expl"), attached("nsubj", "VERB", "NOUN")],
    "negation": [says("n't", "not")],
    "people_and_places": [has("flat"), attached("case", "PROPN", "ADP")],
    "counting": [attached("nummod", "NOUN", "NUM")],
    "habit": [lambda one: not says("was", "were", "did", "had")(one), has("obj")],
    "noun_attachment": [attached("nmod", "NOUN", "NOUN")],
    "verb_attachment": [says("with"), attached("obl", "VERB", "NOUN")],
    "agreement_across_attractor": [attached("nmod", "NOUN", "NOUN")],
    "noun_coordination": [lambda one: any(attached("conj", tag)(one) for tag in ("NOUN", "PROPN")), has("cc")],
    "verb_coordination": [attached("conj", "VERB", "VERB"), has("cc")],
    "possessive": [has("nmod:poss"), says("'s", "'")],
    "yes_no_question": [lambda one: one.text.endswith("?") and columns(one)[0][0] == "AUX"],
    "subject_question": [lambda one: one.words[0] == "Who" and columns(one)[2][0] == "nsubj"],
    "object_question": [lambda one: one.words[0] in ("What", "Which"), has("obj", "aux")],
    "adverb_question": [lambda one: one.words[0] in ("Where", "When", "Why", "How"), has("aux")],
    "subject_relative": [has("acl:relcl"), says("who")],
    "object_relative_clause": [has("acl:relcl"), says("had")],
    "person_relative_clause": [has("acl:relcl"), says("had")],
    "reduced_relative": [attached("acl", "NOUN", "VERB"), has("obl:agent")],
    "clause_coordination": [attached("conj", "VERB", "VERB"), says(",")],
    "complement_clause": [lambda one: has("ccomp")(one)],
    "subject_control": [attached("xcomp", "VERB", "VERB"), says("to")],
    "object_control": [attached("xcomp", "VERB", "VERB"), lambda one: has("iobj")(one) or says("want", "wanted")(one)],
    "adverbial_clause": [lambda one: attached("advcl", "VERB")(one)],
    "two_events": [attached("advcl", "VERB", "VERB"), says("when", "while", "before", "after")],
    "purpose_clause": [attached("advcl", "VERB", "VERB"), says("to")],
    "embedded_question": [has("ccomp"), says("whether", "where", "when", "why")],
    "seeming": [attached("xcomp", "VERB", "ADJ")],
    "nested_report": [has("ccomp"), lambda one: has("xcomp")(one) or has("advcl")(one)],
    "thing_reason": [says("because"), with_antecedent],
    "person_reason": [says("because"), with_antecedent],
    "object_reason": [says("because"), says("it"), with_antecedent],
    "animal_reason": [says("because"), with_antecedent],
    "encounter": [has("advcl"), with_antecedent],
    "answer": [says("and", "but"), has("conj"), with_antecedent],
    "reported_speech": [has("iobj", "ccomp"), with_antecedent],
    "distant_report": [has("acl:relcl", "ccomp"), with_antecedent],
    "family_question": [has("nmod:poss"), with_antecedent],
    "attention": [says("him", "her", "them"), with_antecedent],
    "repeated_noun": [says("until"), lambda one: len({m.entity for m in columns(one)[3]}) < len(columns(one)[3])],
}


@pytest.mark.parametrize("construction", CONSTRUCTIONS, ids=lambda construction: construction.__name__)
def test_each_construction_is_what_it_is_called(construction: Callable[[Random], Node]) -> None:
    draw = Random(11)
    assert construction.__doc__
    for _ in range(60):
        one = document(construction(draw), "?" if construction.__module__.endswith(".questions") else ".")
        validate(one)
        for evidence in EVIDENCE[construction.__name__]:
            assert evidence(one), one.text


def test_all_constructions_occur(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    assert {construction.__name__ for construction in CONSTRUCTIONS} == set(EVIDENCE)
    used: Counter[str] = Counter()

    def counted(construction: Callable[[Random], Node]) -> Callable[[Random], Node]:
        def drawn(draw: Random) -> Node:
            used[construction.__name__] += 1
            return construction(draw)

        drawn.__module__ = construction.__module__
        return drawn

    monkeypatch.setattr(package, "CONSTRUCTIONS", {counted(c): weight for c, weight in CONSTRUCTIONS.items()})
    assert [one.text for one in grammar()] == [one.text for one in corpus]
    assert set(used) == set(EVIDENCE)
    assert min(used.values()) >= 5


@pytest.mark.parametrize(
    ("base", "forms"),
    [
        ("carry", "carries carried carried carrying"),
        ("play", "plays played played playing"),
        ("drop", "drops dropped dropped dropping"),
        ("write", "writes wrote written writing"),
        ("bake", "bakes baked baked baking"),
        ("agree", "agrees agreed agreed agreeing"),
        ("lie", "lies lay lain lying"),
        ("watch", "watches watched watched watching"),
        ("have", "has had had having"),
        ("go", "goes went gone going"),
        ("visit", "visits visited visited visiting"),
    ],
)
def test_verbs_are_inflected(base: str, forms: str) -> None:
    assert verb(base) == (base, *forms.split())


def test_nouns_are_inflected() -> None:
    many = "boxes cities keys buses children wolves shelves radios quizzes churches"
    assert [plural(noun) for noun in words("box city key bus child wolf shelf radio quiz church")] == words(many)
    following = words("apple honest university hour key old")
    assert [indefinite(word) for word in following] == words("an an a an a an")


def test_the_person_addressed_is_an_indirect_object() -> None:
    friend = noun_phrase(["a", "friend"])
    owner = Entity("PERSON", "plural")
    assert [node.relation for node in complements("tell", ["_", "about own dog"], friend, owner)] == ["iobj", "obl"]
    assert [node.relation for node in complements("tell", ["a funny story"])] == ["obj"]
    assert [node.relation for node in complements("give", ["_", "a book"], friend)] == ["iobj", "obj"]
    assert [node.relation for node in complements("help", ["_", "yesterday"], friend)] == ["obj", "obl:unmarked"]


def test_shorthand_that_makes_no_sense_is_refused() -> None:
    with pytest.raises(ValueError, match="not in the lexicon"):
        noun_phrase(["the", "quzi"])
    with pytest.raises(ValueError, match="nothing to put there"):
        adjunct("to _")
    with pytest.raises(ValueError, match="needs a subject"):
        adjunct("about own sister")
