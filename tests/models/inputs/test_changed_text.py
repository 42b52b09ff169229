"""Tokenizers that change the text: each token belongs to the word whose letters it covers, whatever it spells."""

from typing import Any

import pytest
import transformers
from tokenizers import AddedToken, Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from interp.corpora.encoding import encode
from interp.errors import ModelError
from interp.models import loading
from tests.conftest import TEXTS, corpus_of, grouped_query_config, metaspace_tokenizer, seeded, word_piece_tokenizer

TEXT = "The ﬁsh ½ İs É e\u0301 漢字 😀 CAT sat on DOG"
WORDS = ("The", "ﬁsh", "½", "İs", "É", "e\u0301", "漢字", "😀", "CAT", "sat", "on", "DOG")
NORMALIZERS = {
    "NFKC": lambda: normalizers.Sequence([normalizers.NFKC(), normalizers.Lowercase()]),
    "NFD without accents": lambda: normalizers.Sequence([normalizers.NFD(), normalizers.StripAccents()]),
    "byte fallback": lambda: normalizers.Sequence([]),
    "prepended": lambda: normalizers.Sequence([normalizers.Prepend("▁"), normalizers.Replace(" ", "▁")]),
}


def llama_like(normalizer: Any, *, pre_tokenizer: Any = None) -> Any:
    """Pieces of the texts, and the bytes of whatever else there is."""
    raw = Tokenizer(models.BPE(unk_token="<unk>", byte_fallback=True))
    raw.normalizer = normalizer
    if pre_tokenizer is not None:
        raw.pre_tokenizer = pre_tokenizer
    raw.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    special = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256))]
    raw.train_from_iterator(TEXTS, trainers.BpeTrainer(show_progress=False, special_tokens=special, vocab_size=400))
    start = raw.token_to_id("<s>")
    raw.post_processor = processors.TemplateProcessing(single="<s> $A", special_tokens=[("<s>", start)])
    return transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, bos_token="<s>", eos_token="</s>", unk_token="<unk>"
    )


def model_of(tokenizer: Any) -> loading.Model:
    config = grouped_query_config(transformers.LlamaConfig, len(tokenizer))
    config.max_position_embeddings = 200
    return loading.from_transformers(seeded(transformers.LlamaForCausalLM, config), tokenizer)


def words_of_tokens(tokenizer: Any, text: str) -> dict[str, set[str]]:
    """For each word the characters of the text that its tokens cover."""
    encoded = encode(model_of(tokenizer), corpus_of([text]))
    (document,) = encoded.corpus.documents
    (encoding,), (owners,) = encoded.encodings, encoded.words
    assert encoded.skipped == {"truncated_documents": 0, "unaligned_words": 0}
    found: dict[str, set[str]] = {}
    for (start, end), owner in zip(encoding.offsets.tolist(), owners.tolist(), strict=True):
        if owner >= 0:
            found.setdefault(document.words[owner], set()).update(text[start:end].strip())
    return found


@pytest.mark.parametrize("name", NORMALIZERS)
def test_every_word_owns_the_tokens_of_its_letters_and_no_others(name: str) -> None:
    own = None if name == "prepended" else pre_tokenizers.Metaspace()
    found = words_of_tokens(llama_like(NORMALIZERS[name](), pre_tokenizer=own), TEXT)
    assert tuple(found) == WORDS
    for word, letters in found.items():
        # an accent that became one with its letter, or was left out, is covered by no token of its own
        assert letters <= set(word)
        assert set(word) - letters <= {"\u0301"}


def test_lower_case_moves_no_word() -> None:
    text = "THE CAT İ Sat ON THE MAT."
    found = words_of_tokens(word_piece_tokenizer(), text)
    assert found == {word: set(word) for word in ("THE", "CAT", "İ", "Sat", "ON", "MAT", ".")}


def test_an_added_token_belongs_to_the_word_that_it_begins_in() -> None:
    tokenizer = metaspace_tokenizer()
    tokenizer.add_tokens(["cat sat", AddedToken("dog", lstrip=True, rstrip=True)])
    encoded = encode(model_of(tokenizer), corpus_of(["The cat sat on the dog and the mat."]))
    (document,), (encoding,), (owners,) = encoded.corpus.documents, encoded.encodings, encoded.words
    pieces = tokenizer.convert_ids_to_tokens(encoding.tokens.tolist())
    owner = {piece: document.words[owner] for piece, owner in zip(pieces, owners.tolist(), strict=True) if owner >= 0}
    assert owner["cat sat"] == "cat" and owner["dog"] == "dog"
    # `sat` has no token of its own, which is counted and said
    assert set(range(len(document.words))) - set(owners.tolist()) == {2}
    assert encoded.skipped["unaligned_words"] == 1
    assert "1 of 10 words (10.0%) own no token" in encoded.said[0]


def test_what_a_tokenizer_panics_at_is_a_refusal(monkeypatch: pytest.MonkeyPatch) -> None:
    tokenizer = metaspace_tokenizer()
    model = model_of(tokenizer)
    panic = type("PanicException", (BaseException,), {})

    def fail(*_args: Any, **_options: Any) -> None:
        raise panic("no entry found for key \ud800")

    monkeypatch.setattr(type(model.reader.tokenizer), "__call__", fail)  # pyright: ignore[reportAttributeAccessIssue]
    said = r"^The tokenizer \(\w+, of /there\) could not cut 1 texts: no entry found for key \\ud800 \(PanicException\)"
    tokenizer.name_or_path = "/there"
    with pytest.raises(ModelError, match=said):
        encode(model, corpus_of(["The cat."]))


def test_ten_thousand_words_are_cut_where_the_model_ends_and_said() -> None:
    encoded = encode(model_of(metaspace_tokenizer()), corpus_of([" ".join(["The cat sat on the mat."] * 1700)]))
    assert len(encoded.corpus.documents[0].words) == 11_900
    assert encoded.skipped["truncated_documents"] == 1
    owned = len(set(encoded.words[0].tolist()) - {-1})
    assert encoded.skipped["unaligned_words"] == 11_900 - owned
    assert f"{11_900 - owned:,} of them cut off" in encoded.said[0]
