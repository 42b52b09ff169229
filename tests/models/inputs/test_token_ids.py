"""Token ids beyond the embedding: any that exists does for padding, others are refused by name."""

from pathlib import Path
from typing import Any

import pytest
import torch
import transformers

import interp
from interp.api import prove
from interp.errors import ModelError
from interp.models import loading
from tests.conftest import TEXTS, assert_close, batch_of, corpus_of, seeded
from tests.models.test_loading import edit_config, save
from tests.support import tiny_architectures as tiny

SIZE = tiny.VOCABULARY


def llama(**options: Any) -> Any:
    return seeded(transformers.LlamaForCausalLM, tiny.configuration("llama", **options))


def roberta(**options: Any) -> Any:
    return seeded(transformers.RobertaForMaskedLM, tiny.configuration("roberta", **options))


def with_added(**tokens: str) -> Any:
    """A tokenizer with tokens that the network was never given: its vocabulary is full."""
    tokenizer = tiny.tokenizer()
    tokenizer.add_tokens([f"[{number}]" for number in range(SIZE - len(tokenizer))])
    tokenizer.add_special_tokens(tokens)
    return tokenizer


@pytest.mark.parametrize("backend", ["attention", "bridge"])
@pytest.mark.parametrize("pad", [SIZE, SIZE + 7, -1, None])
def test_any_id_that_exists_does_for_padding(pad: Any, backend: str) -> None:
    tokenizer, plain = with_added(pad_token="[PAD]"), llama()
    assert tokenizer.pad_token_id == SIZE
    given = llama()
    given.config.pad_token_id = pad  # as users set it after loading, without resizing
    model: Any = loading.from_transformers(given, tokenizer, backend=backend)
    assert 0 <= model.pad_token < SIZE
    batch = batch_of(model)
    with torch.inference_mode():
        for row, text in enumerate(TEXTS):
            tokens = torch.tensor([tokenizer(text)["input_ids"]])
            assert_close(model.run(batch).logits[row, : tokens.shape[1]], plain(tokens).logits[0])
    prove(model, corpus_of())


def test_a_directory_whose_padding_is_beyond_the_embedding(tmp_path: Path) -> None:
    folder = save(llama(), with_added(pad_token="[PAD]"), tmp_path)  # transformers itself builds no such embedding
    edit_config(folder, pad_token_id=SIZE)
    model = interp.load_model(folder)
    assert 0 <= model.pad_token < SIZE
    prove(model, corpus_of())


@pytest.mark.parametrize("backend", ["attention", "bridge"])
def test_other_ids_are_refused_by_name(backend: str) -> None:
    tokenizer = with_added(pad_token="[PAD]")
    tokenizer.add_tokens(["wombat"])
    model: Any = loading.from_transformers(llama(), tokenizer, backend=backend)
    assert model.encode(["The cat sat."])
    with pytest.raises(
        ModelError, match=rf"'wombat' the id {SIZE + 1}.*embeddings for {SIZE} .*resize_token_embeddings"
    ):
        model.encode(["The wombat sat."])


def test_tokens_that_are_drawn_all_exist() -> None:
    tokenizer = with_added(pad_token="[PAD]")
    tokenizer.add_tokens(["wombat", "lemur"])
    model: Any = loading.from_transformers(llama(), tokenizer)
    assert model.reader.vocabulary.alone.max() < SIZE


def test_a_mask_beyond_the_embedding_is_refused_where_it_is_needed() -> None:
    tokenizer = with_added(mask_token="[NEWMASK]")
    with pytest.raises(ModelError, match=rf"'\[NEWMASK\]' the id {SIZE}"):
        loading.from_transformers(roberta(), tokenizer)
    without_head = seeded(transformers.RobertaModel, tiny.configuration("roberta"))
    assert loading.from_transformers(without_head, tokenizer).mask_token is None
    assert loading.from_transformers(llama(), tokenizer).mask_token is None


def test_each_side_of_an_encoder_decoder_has_a_table_of_its_own() -> None:
    config = tiny.configuration("marian", decoder_vocab_size=SIZE - 4, share_encoder_decoder_embeddings=False)
    config.decoder_start_token_id = 1
    tokenizer = with_added()
    # the last four ids are the encoder's alone
    model: Any = loading.from_transformers(seeded(transformers.MarianMTModel, config), tokenizer)
    text = tokenizer.decode([SIZE - 1])
    assert tokenizer(text)["input_ids"] == [SIZE - 1]
    assert model.encode([text])[0].tokens.tolist() == [SIZE - 1]
    with pytest.raises(ModelError, match=rf"the id {SIZE - 1}, and the network has embeddings for {SIZE - 4}"):
        model.encode_targets([text])


@pytest.mark.parametrize("pad", [1, 7])
def test_padding_is_what_the_network_counts_its_positions_from(pad: int) -> None:
    """RoBERTa's network, built with one padding id, meets a tokenizer and a configuration that name others."""
    tokenizer = tiny.tokenizer()
    given, plain = (roberta(pad_token_id=pad) for _ in range(2))
    given.config.pad_token_id = 0
    tokenizer.pad_token = "</s>"
    model: Any = loading.from_transformers(given, tokenizer)
    assert model.pad_token == pad
    assert model.positions == tiny.POSITIONS - pad - 1
    batch = batch_of(model)
    with torch.inference_mode():
        expected = [plain(torch.tensor([tokenizer(text)["input_ids"][: model.positions]])).logits[0] for text in TEXTS]
    found = model.run(batch).logits
    for row, logits in enumerate(expected):
        assert_close(found[row, : len(logits)], logits)


def test_a_padding_that_only_the_encoder_has_an_embedding_for(tmp_path: Path) -> None:
    shapes = {"vocab_size": 320, "decoder_vocab_size": 310, "pad_token_id": 315}
    wide = tiny.configuration("marian", share_encoder_decoder_embeddings=False, tie_word_embeddings=False)
    for name, value in shapes.items():
        setattr(wide, name, value if name != "pad_token_id" else 1)
    folder = save(seeded(transformers.MarianMTModel, wide), tiny.tokenizer(), tmp_path / "wide")
    edit_config(folder, **shapes)
    model = loading.local(folder)
    assert 0 <= model.pad_token < 310
    prove(model, corpus_of(TEXTS[:2]))


@pytest.mark.parametrize("pad", [None, SIZE])
def test_positions_that_are_counted_from_a_padding_that_is_not_there(pad: Any, tmp_path: Path) -> None:
    folder = save(roberta(), tiny.tokenizer(), tmp_path)
    edit_config(folder, pad_token_id=pad)
    with pytest.raises(ModelError, match=r"numbers its positions from the padding token, and pad_token_id"):
        loading.local(folder)
