"""Tokens find their words, gold finds its tensors."""

import numpy as np
import pytest

from interp.corpora.batching import batches, collate, evenly_spaced
from interp.corpora.encoding import align, encode
from interp.corpora.mentions import antecedents, head_word, nearest_mentions
from interp.errors import CorpusError
from interp.types import Corpus, Document, Encoding, Mention
from tests.support.fakes import FakeModel, document, random_documents, uniform


def encoding(offsets: list[tuple[int, int]], special: list[bool] | None = None) -> Encoding:
    count = len(offsets)
    flags = np.array(special if special is not None else [False] * count)
    return Encoding(np.zeros(count, dtype=np.int32), np.array(offsets, dtype=np.int32).reshape(-1, 2), flags)


def test_a_token_belongs_to_the_word_of_its_first_letter() -> None:
    text = "I can't  go"
    spans = np.array([(0, 1), (2, 4), (4, 7), (9, 11)], dtype=np.int32)
    told = Document("s", text, ("I", "ca", "n't", "go"), spans)
    # start token · I · " can" (across two words, its first letter in the first) · ' · t · two spaces · go
    tokens = encoding([(0, 0), (0, 1), (1, 5), (5, 6), (6, 7), (7, 9), (8, 11)], [True] + [False] * 6)
    assert align(told, tokens).tolist() == [-1, 0, 1, 2, 2, -1, 3]


def test_a_word_that_shares_its_only_token_is_unaligned_and_counted() -> None:
    spans = np.array([(0, 1), (1, 3), (-1, -1)], dtype=np.int32)
    told = Document("s", "abc", ("a", "bc", "d"), spans)
    assert align(told, encoding([(0, 3)])).tolist() == [0]
    model = FakeModel(uniform, 1)
    encoded = encode(model, Corpus("c", (told,), "none"))
    assert encoded.skipped == {"truncated_documents": 0, "unaligned_words": 2}


def test_characters_of_several_tokens_share_their_word() -> None:
    """A byte-level tokenizer gives several tokens the same span where one character is several bytes."""
    told = Document("s", "é!", ("é", "!"), np.array([(0, 1), (1, 2)], dtype=np.int32))
    assert align(told, encoding([(0, 1), (0, 1), (1, 2)])).tolist() == [0, 0, 1]


def test_batches_hold_every_document_once_within_the_budget() -> None:
    model = FakeModel(uniform, 1)
    encoded = encode(model, Corpus("c", tuple(random_documents(100)), "none"))
    groups = batches(encoded, model, tokens=120)
    assert sorted(i for group in groups for i in group.documents) == list(range(100))
    for group in groups:
        batch = group.batch()
        assert batch.tokens.numel() <= 120 or len(group.documents) == 1
        assert batch.document.tolist() == list(group.documents)


def test_gold_and_padding() -> None:
    long = document(["aa", "bbbb", "c", "dd"], [1, -1, 1, 2], ["nsubj", "root", "obj:x", "det"], "one")
    short = document(["e", "f"], [1, -1], ["det", "root"], "two")
    model = FakeModel(uniform, 1)
    encoded = encode(model, Corpus("c", (long, short), "none"))
    batch = collate(encoded, [0, 1], model)
    assert batch.relations == ("det", "nsubj", "obj")
    assert batch.governor.tolist() == [[1, -1, 1, 2], [1, -1, -1, -1]]
    assert batch.relation.tolist() == [[1, -1, 2, 0], [0, -1, -1, -1]]
    assert batch.mask.sum(1).tolist() == [7, 4]
    assert batch.word.tolist() == [[-1, 0, 1, 1, 2, 3, -1], [-1, 0, 1, -1, -1, -1, -1]]
    assert batch.special.sum(1).tolist() == [2, 2]
    assert batch.block.tolist() == [long.block, short.block]


def test_relations_fold_unless_subtypes_are_kept() -> None:
    told = document(["a", "b", "c", "d"], [1, -1, 1, 1], ["nsubj:pass", "root", "punct", "obj"], "s")
    assert Corpus("c", (told,), "none").relations == ("nsubj", "obj")
    assert Corpus("c", (told,), "none", subtypes=True).relations == ("nsubj:pass", "obj")


def test_evenly_spaced() -> None:
    assert evenly_spaced(10, None) == list(range(10))
    assert evenly_spaced(10, 20) == list(range(10))
    assert evenly_spaced(10, 5) == [0, 2, 4, 6, 8]
    assert len(set(evenly_spaced(2001, 500))) == 500


def test_an_empty_corpus_is_refused() -> None:
    with pytest.raises(CorpusError, match="no document"):
        encode(FakeModel(uniform, 1), Corpus("nothing", (), "none"))


def test_mentions() -> None:
    """[[Her] brother]₁ saw [the dog that bit [him]₁]₂ and [it]₂ …: nested mentions, heads by syntax."""
    words = ["Her", "brother", "saw", "the", "dog", "that", "bit", "him", "and", "it", "ran"]
    governors = [1, 2, -1, 4, 2, 6, 4, 6, 10, 10, 2]
    mentions = (Mention(0, 1, 0), Mention(0, 2, 1), Mention(3, 8, 2), Mention(7, 8, 1), Mention(9, 10, 2))
    spans = document(words, governors, ["x"] * 11, "s").spans
    told = Document("s", " ".join(words), tuple(words), spans, None, tuple(governors), None, mentions)
    assert [head_word(told, mention) for mention in mentions] == [0, 1, 4, 7, 9]
    assert antecedents(told) == [(7, 1), (9, 4)]
    assert nearest_mentions(told) == [-1, 0, 1, 1, 1, 4, 4, 4, 7, 7, 9]
    bare = Document("s", told.text, told.words, spans, mentions=mentions)
    assert head_word(bare, mentions[2]) == 7
    # what a reader has chosen stands for the mention unless syntax says otherwise
    assert head_word(bare, mentions[2]._replace(head=4)) == 4
    assert head_word(told, mentions[2]._replace(head=3)) == 4
    assert Corpus("c", (bare,), "none").has_mentions
    assert not Corpus("c", (document(["a"], [-1], ["root"], "s"),), "none").has_mentions


def test_blocks_follow_the_source() -> None:
    """blake2b with an eight-byte digest, big-endian, modulo 64: values computed once by hand with hashlib."""
    from hashlib import blake2b

    told = document(["a"], [-1], ["root"], "weblog-1")
    assert told.block == int(blake2b(b"weblog-1", digest_size=8).hexdigest(), 16) % 64


def test_words_beyond_the_model_s_context_take_no_room() -> None:
    long = document(["ab"] * 900, [-1, *range(899)], ["root"] + ["dep"] * 899, "long")
    model = FakeModel(uniform, 1)
    encoded = encode(model, Corpus("c", (long,), "none"))
    batch = collate(encoded, [0], model)
    kept = int(batch.word.max()) + 1
    assert kept == 510 and encoded.skipped == {"truncated_documents": 1, "unaligned_words": 390}
    assert batch.governor.shape == (1, kept)
    assert batch.governor[0].tolist() == [-1, *range(kept - 1)]
