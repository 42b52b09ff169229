"""What a model does not read of its texts as they are written: counted, said, and never said of what is read well."""

import json
import unicodedata
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import transformers
from tokenizers import normalizers

from interp import score
from interp.corpora.batching import collate
from interp.corpora.conllu import read_conllu
from interp.corpora.encoding import encode
from interp.corpora.text import text_document
from interp.models.gate import check, insist
from interp.models.inputs.text import decoded, encodings
from interp.models.loading import Model, from_transformers
from interp.results import read_manifest
from interp.text.spelling import letters, losses
from interp.types import Corpus, Document, EncodedCorpus
from tests.conftest import (
    TEXTS,
    Case,
    bert_config,
    byte_level_tokenizer,
    corpus_of,
    metaspace_tokenizer,
    seeded,
    word_piece_tokenizer,
)

pytest_plugins = ("tests.support.command_line",)


def with_normalizer(*more: Any, decodes: bool = True) -> Model:
    """A BERT whose tokenizer rewrites texts before it cuts them; with a decoder, or only with pieces that spell."""
    tokenizer = word_piece_tokenizer()
    raw = tokenizer.backend_tokenizer
    raw.normalizer = normalizers.Sequence([*more, raw.normalizer])
    if not decodes:
        raw.decoder = None
    return from_transformers(seeded(transformers.BertForMaskedLM, bert_config(len(tokenizer))), tokenizer, name="bert")


REWRITERS = {
    "another word": normalizers.Replace("happy", "was"),
    "of the same length": normalizers.Replace("happy", "there"),
    "nothing": normalizers.Replace("happy", ""),
    "one letter": normalizers.Replace("happy", "hapy"),
    "more": normalizers.Replace("happy", "happy happy"),
}


def spoiled(encoded: EncodedCorpus) -> list[str]:
    return [note for note in encoded.notes if "do not spell" in note]


# Words without a token, and unknown ones


def test_unaligned_and_unknown_are_counted_of_how_many(tiny_bert: Case) -> None:
    """No text that the tokenizer was trained on has a `z`: a word with one is unknown."""
    spans = np.array([(0, 3), (4, 7), (7, 8), (-1, -1), (9, 12)], dtype=np.int32)
    told = Document("s", "the zzz! cat", ("the", "zzz", "!", "", "cat"), spans)
    encoded = encode(tiny_bert.model, Corpus("c", (told,), "none"))
    tokens = tiny_bert.tokenizer.tokenize(told.text)
    unknown = tokens.count("[UNK]")
    assert unknown == 2, "neither zzz nor ! was ever seen"
    assert encoded.skipped["unaligned_words"] == 1
    (note,) = encoded.notes
    assert "1 of 5 words (20.0%) own no token (unaligned, 1 of them parts of multiword tokens" in note
    assert "2 of 5 words (40.0%) are unknown to the tokenizer" in note
    assert f"2 of {len(tokens)} tokens" in note
    assert note.startswith("Warning: ")


@pytest.mark.parametrize(("words", "is_much"), [(19, True), (20, True), (21, False), (400, False)])
def test_a_warning_from_one_word_in_twenty(tiny_bert: Case, words: int, is_much: bool) -> None:
    (note,) = encode(tiny_bert.model, corpus_of(("zzz", *["cat"] * (words - 1)))).notes
    assert f"1 of {words} words" in note
    assert note.startswith("Warning: ") == is_much


def test_parts_of_multiword_tokens_are_no_loss_of_the_model(tmp_path: Path, tiny_bert: Case) -> None:
    """French *du* is `de` and `le`, and one of them stands for both: one word in four, in every model."""
    rows = ["1\tthe\t_\tX\t_\t_\t0\troot\t_\t_", "2-3\tcat" + "\t_" * 8]
    rows += [f"{n}\t{form}\t_\tX\t_\t_\t1\tdep\t_\t_" for n, form in ((2, "ca"), (3, "at"), (4, "sat"))]
    path = tmp_path / "a.conllu"
    path.write_text("\n".join([*rows, "", ""]) * 3)
    (note,) = encode(tiny_bert.model, read_conllu(path)).notes
    assert note.startswith("In the documents 3 of 12 words (25.0%) own no token (unaligned, 3 of them parts of ")
    assert "corpus.multiword" in note and "A model whose tokenizer" not in note


def test_a_word_is_unknown_only_where_all_its_tokens_are(tiny_llama: Case) -> None:
    """A character for character tokenizer knows the rest of the word."""
    (note,) = encode(tiny_llama.model, corpus_of(("the cat zcat sat",))).notes
    assert "words" not in note
    assert "1 of" in note and "the tokenizer's unknown" in note


@pytest.mark.parametrize("make", [byte_level_tokenizer, word_piece_tokenizer, metaspace_tokenizer])
def test_the_name_of_a_special_token_in_a_text_is_not_unknown(make: Callable[[], Any]) -> None:
    tokenizer = make()
    tokenizer.unk_token = tokenizer.unk_token or "<|endoftext|>"
    model = from_transformers(seeded(transformers.BertModel, bert_config(len(tokenizer))), tokenizer, name="b")
    encoded = encode(model, corpus_of((f"the cat {tokenizer.unk_token} the dog",)))
    assert not any("unknown" in note for note in encoded.notes)


def test_nothing_is_said_where_all_is_read(tiny_bert: Case, tiny_gpt2: Case, tiny_llama: Case) -> None:
    for case in (tiny_bert, tiny_gpt2, tiny_llama):
        assert encode(case.model, corpus_of((TEXTS[0], TEXTS[2]))).notes == ()


def test_what_is_cut_off_is_told_apart(tiny_bert: Case) -> None:
    encoded = encode(tiny_bert.model, corpus_of((" ".join(["cat"] * 100),)))
    read = sum(not one for one in encoded.encodings[0].special)
    (note,) = encoded.notes
    assert f"{100 - read} of 100 words" in note and f"{100 - read} of them cut off" in note
    assert "Shorter documents" in note


def test_the_tables_of_python_come_with_the_warning(tiny_bert: Case) -> None:
    with pytest.warns(UserWarning, match="1 of 3 words"):
        score(tiny_bert.model, corpus_of(("the cat zzz",)), roles="positional")
    score(tiny_bert.model, corpus_of(TEXTS[:1]), roles="positional")


# Texts that tokens do not spell


@pytest.mark.parametrize("rewriter", REWRITERS.values(), ids=list(REWRITERS))
@pytest.mark.parametrize("decodes", [True, False])
def test_a_rewritten_word_is_counted_wherever_it_stands(rewriter: Any, decodes: bool) -> None:
    model = with_normalizer(rewriter, decodes=decodes)
    texts = (*TEXTS[:3], "the cat was Happy", "a happy dog", "the big park", "happy")
    (note,) = spoiled(encode(model, corpus_of(texts)))
    # `Happy` is not what the normalizer replaces
    assert note.startswith("Warning: ") and "2 of 7 documents" in note
    assert "'ahappydog' came back as" in note and "in 'a happy dog'" in note, "the first, and where it stands"


def test_the_gate_does_not_see_what_its_documents_do_not_hold_and_the_run_says_it() -> None:
    model = with_normalizer(REWRITERS["another word"])
    corpus = corpus_of((*TEXTS[:3], "the dog was very happy, and the little cat saw that the park was big " * 2))
    clean = encode(model, corpus_of(TEXTS[:3]))
    insist(model, check(model, clean, collate(clean, range(3), model)))
    (note,) = spoiled(encode(model, corpus))
    assert "1 of 4 documents" in note


def test_the_other_sentence_of_a_minimal_pair_is_proved_too() -> None:
    model = with_normalizer(REWRITERS["one letter"])
    pair = replace(text_document("the dog was very big"), alternative="the dog was very happy zzz")
    notes = encode(model, Corpus("pairs", (pair, text_document("the cat")), "none")).notes
    assert any("1 of 1 alternative sentences" in note for note in notes)
    tokens = len(model.tokenizer.tokenize(pair.alternative))
    assert any(f"In the alternative sentences 1 of {tokens} tokens" in note for note in notes)


def test_targets_are_proved_too() -> None:
    tokenizer = byte_level_tokenizer()
    tokenizer.backend_tokenizer.normalizer = normalizers.Replace("happy", "was")
    config = transformers.BartConfig(
        vocab_size=len(tokenizer), d_model=16, encoder_layers=1, decoder_layers=1, encoder_attention_heads=2,
        decoder_attention_heads=2, encoder_ffn_dim=16, decoder_ffn_dim=16, max_position_embeddings=64, pad_token_id=1,
        bos_token_id=0, eos_token_id=2, decoder_start_token_id=2,
    )  # fmt: skip
    model = from_transformers(seeded(transformers.BartForConditionalGeneration, config), tokenizer, name="bart")
    texts = [("the cat", "the dog was happy"), ("the dog", "the cat was big")]
    told = tuple(replace(text_document(one), target=text_document(other)) for one, other in texts)
    (note,) = spoiled(encode(model, Corpus("translated", told, "none")))
    assert "1 of 2 targets" in note


def test_a_decoder_that_puts_a_space_between_two_quotes_loses_nothing() -> None:
    assert letters("he said' '") == letters('he said"') == letters("he said''")


@pytest.mark.parametrize("text", ["ᾳ", "τῷ θεῷ", "ᾼ", "ᾄδειν ΐ", "İstanbul", "Straße", "ﬁn"])
def test_marks_go_before_case_does(text: str) -> None:
    """What a tokenizer makes of it that drops marks, and one that drops case, in either order, is as good."""
    bare = "".join(c for c in unicodedata.normalize("NFKD", text) if not unicodedata.combining(c))
    assert letters(text) == letters(bare) == letters(bare.casefold()) == letters(unicodedata.normalize("NFD", text))
    assert letters("ᾳ") == letters("α") != letters("αι")


MERGING = {
    "quotes": ([normalizers.Replace("``", '"'), normalizers.Replace("''", '"')], "the `` cat '' sat"),
    "Hangul": ([normalizers.NFC()], unicodedata.normalize("NFD", "the 한국 cat 어 sat")),
}


@pytest.mark.parametrize(("merging", "text"), MERGING.values(), ids=MERGING)
@pytest.mark.parametrize("make", [byte_level_tokenizer, metaspace_tokenizer])
def test_two_characters_that_a_tokenizer_makes_one_are_not_lost(
    make: Callable[[], Any], merging: list[Any], text: str
) -> None:
    """All bytes are known to the one, and no such letter to the other."""
    tokenizer = make()
    raw = tokenizer.backend_tokenizer
    raw.normalizer = normalizers.Sequence([*merging, *([raw.normalizer] if raw.normalizer else [])])
    decode = lambda tokens: decoded(tokenizer, tokens)  # noqa: E731
    (read,) = encodings(tokenizer, [text], 10**9)
    assert list(losses([text], [read], decode, tokenizer.unk_token_id)) == [None]
    covered = {place for start, end in read.offsets.tolist() for place in range(start, end)}
    assert len(covered) < len(text), "some lie in no token"
    (lost,) = losses([f"{text}z"], [read], decode, tokenizer.unk_token_id)
    assert lost is not None


def test_a_long_text_is_proved_as_a_short_one() -> None:
    """Many megabytes a second; what grows with the square would take minutes."""
    tokenizer = metaspace_tokenizer()
    text = "the cat sat on the mat é " * 12_000
    read = encodings(tokenizer, [text, text.replace("é", "")], 10**9)
    decode = lambda tokens: decoded(tokenizer, tokens)  # noqa: E731
    assert list(losses([text, text.replace("é", "")], read, decode, tokenizer.unk_token_id)) == [None, None]
    (lost,) = losses([text[:-3] + "a"], read[:1], decode, tokenizer.unk_token_id)
    assert lost is not None


@pytest.mark.real
def test_minilm_spells_the_whole_english_web_treebank(minilm: Model, shared: Path) -> None:
    for split in ("dev.conllu", "test.conllu", "train.conllu.gz"):
        corpus = read_conllu(shared / "corpora" / "ud_english_ewt" / f"en_ewt-ud-{split}")
        encoded = encode(minilm, corpus)
        assert spoiled(encoded) == []
        # counted again, one word after another: the first character of some token that is no space lies in it
        if split.startswith("train"):
            continue
        owned = 0
        for document, encoding in zip(corpus, encoded.encodings, strict=True):
            firsts = {int(start) for start, _ in encoding.offsets[~encoding.special]}
            owned += sum(any(place in firsts for place in range(*span)) for span in document.spans.tolist())
        words = sum(len(document.words) for document in corpus)
        assert encoded.skipped["unaligned_words"] == words - owned > 0
        (note,) = encoded.notes
        assert note.startswith(f"In the documents {words - owned} of {words:,} words")


# In a run


def test_a_run_says_what_its_model_cannot_read(interp: Callable[..., Any], tmp_path: Path, tiny_folder: Path) -> None:
    folder = tmp_path / "rewriting"
    folder.mkdir()
    for file in tiny_folder.iterdir():
        (folder / file.name).write_bytes(file.read_bytes())
    tokenizer = json.loads((folder / "tokenizer.json").read_text(encoding="utf-8"))
    tokenizer["normalizer"] = {"type": "Replace", "pattern": {"String": "student"}, "content": "quiz"}
    (folder / "tokenizer.json").write_text(json.dumps(tokenizer), encoding="utf-8")
    seen_by_gate = ["a cat saw the dog because it saw", "the cat saw it because she saw", "she saw the dog saw it"]
    lines = [*seen_by_gate * 4, "because the student saw the cat 東 ." * 2]
    (tmp_path / "texts.txt").write_text("\n".join(lines), encoding="utf-8")
    outcome = interp(
        "experiment=head_roles", "model=local", f"model.path={folder}", "corpus=text", "corpus.path=texts.txt",
        "hydra.run.dir=run",
    )  # fmt: skip
    assert outcome.code == 0, outcome.err
    (rewritten,) = (line for line in outcome.out.splitlines() if "do not spell" in line)
    assert rewritten.startswith("Warning: the tokens of 1 of 13 documents")
    assert "'becausethestudentsawth' came back as 'becausethequizsawtheca'" in rewritten
    (unknown,) = (line for line in outcome.out.splitlines() if "unknown" in line)
    assert "2 of" in unknown
    manifest = read_manifest(tmp_path / "run") or {}
    assert rewritten in manifest["said"]
    assert any("2 of" in said and "the tokenizer's unknown" in said for said in manifest["said"])
