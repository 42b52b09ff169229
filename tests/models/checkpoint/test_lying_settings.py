"""A config.json that says other sizes, heads or kinds than the weights beside it have: refused by what differs."""

import json
import shutil
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import transformers

from interp.errors import ModelError
from interp.models import loading
from tests.conftest import (
    HEADS,
    LAYERS,
    bert_config,
    byte_level_tokenizer,
    gpt2_config,
    grouped_query_config,
    metaspace_tokenizer,
    seeded,
    word_piece_tokenizer,
)

KINDS: dict[str, tuple[Any, Callable[[int], Any], Callable[[], Any]]] = {
    "llama": (
        transformers.LlamaForCausalLM,
        partial(grouped_query_config, transformers.LlamaConfig),
        metaspace_tokenizer,
    ),
    "bert": (transformers.BertForMaskedLM, bert_config, word_piece_tokenizer),
    "gpt2": (transformers.GPT2LMHeadModel, gpt2_config, byte_level_tokenizer),
}

SIZES = {
    "llama": (
        "num_key_value_heads",
        "num_attention_heads",
        "head_dim",
        "hidden_size",
        "intermediate_size",
        "vocab_size",
    ),
    "bert": ("hidden_size", "intermediate_size", "vocab_size", "max_position_embeddings", "type_vocab_size"),
    "gpt2": ("n_embd", "vocab_size", "n_positions"),
}
"""What the shapes of the weights say as well."""

LAYER_COUNTS = {"llama": "num_hidden_layers", "bert": "num_hidden_layers", "gpt2": "n_layer"}
HEAD_COUNTS = {"llama": "num_attention_heads", "bert": "num_attention_heads", "gpt2": "n_head"}


@pytest.fixture(scope="module")
def folders(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A directory of each kind, as it was saved."""
    found: dict[str, Path] = {}
    for kind, (network, config, make) in KINDS.items():
        found[kind] = tmp_path_factory.mktemp("models") / kind
        tokenizer = make()
        seeded(network, config(len(tokenizer))).save_pretrained(found[kind])
        tokenizer.save_pretrained(found[kind])
    return found


def lying(folder: Path, to: Path, **changes: Any) -> Path:
    """A copy of the directory whose config.json says something else."""
    copy = Path(shutil.copytree(folder, to / folder.name, dirs_exist_ok=True))
    config = json.loads((copy / "config.json").read_text())
    assert all(config.get(name) != value for name, value in changes.items())
    (copy / "config.json").write_text(json.dumps(config | changes))
    return copy


def size(folder: Path, name: str) -> int:
    return json.loads((folder / "config.json").read_text())[name]


@pytest.mark.parametrize("change", [lambda n: n // 2, lambda n: 2 * n], ids=["half", "double"])
@pytest.mark.parametrize(("kind", "name"), [(kind, name) for kind, names in SIZES.items() for name in names])
def test_another_size_than_the_weights_have_is_refused_with_both(
    kind: str, name: str, change: Callable[[int], int], folders: dict[str, Path], tmp_path: Path
) -> None:
    folder = lying(folders[kind], tmp_path, **{name: change(size(folders[kind], name))})
    with pytest.raises(ModelError, match=r"weights of another shape than config\.json asks for \(.* is \[\d+.*Mend"):
        loading.local(folder)


@pytest.mark.parametrize("kind", KINDS)
def test_another_number_of_layers_is_refused_by_the_weights_that_are_left_over_or_absent(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    with pytest.raises(ModelError, match=r"holds \d+ weights that .* does not use \(.*\.1\."):
        loading.local(lying(folders[kind], tmp_path, **{LAYER_COUNTS[kind]: LAYERS - 1}))
    with pytest.raises(ModelError, match=r"lacks \d+ of the weights that its config\.json asks for \(.*\.2\."):
        loading.local(lying(folders[kind], tmp_path, **{LAYER_COUNTS[kind]: LAYERS + 1}))


@pytest.mark.parametrize("kind", KINDS)
def test_heads_that_do_not_divide_the_width_are_refused(kind: str, folders: dict[str, Path], tmp_path: Path) -> None:
    with pytest.raises(ModelError, match=r"multiple of the number of attention|divisible by num_heads"):
        loading.local(lying(folders[kind], tmp_path, **{HEAD_COUNTS[kind]: HEADS + 1}))


@pytest.mark.parametrize("kind", ["bert", "gpt2"])
def test_heads_that_divide_the_width_are_taken_as_said_where_no_weight_tells(
    kind: str, folders: dict[str, Path], tmp_path: Path
) -> None:
    """BERT's and GPT-2's weights have the same shapes for any number of heads: here config.json is all there is."""
    model = loading.local(lying(folders[kind], tmp_path, **{HEAD_COUNTS[kind]: 2 * HEADS}))
    assert len(model.heads) == LAYERS * 2 * HEADS


@pytest.mark.parametrize("said", ["gpt2", "bert", "llama", "mistral", "opt", "gpt_neox", "roberta"])
@pytest.mark.parametrize("kind", KINDS)
def test_another_kind_of_model_is_refused(kind: str, said: str, folders: dict[str, Path], tmp_path: Path) -> None:
    if said == kind:
        return
    with pytest.raises(ModelError, match=rf"its model_type is {said}|could not be read as a model"):
        loading.local(lying(folders[kind], tmp_path, model_type=said))


def test_a_tokenizer_with_more_tokens_than_the_network_is_refused_where_a_text_has_one(
    folders: dict[str, Path], tmp_path: Path
) -> None:
    copy = Path(shutil.copytree(folders["gpt2"], tmp_path / "gpt2"))
    tokenizer = transformers.AutoTokenizer.from_pretrained(copy)
    tokenizer.add_tokens(["wolf"])
    tokenizer.save_pretrained(copy)
    model = loading.local(copy)
    assert len(model.encode(["The cat sat."])) == 1
    with pytest.raises(ModelError, match=r"'wolf' the id 300, and the network has embeddings for 300 \(0 to 299\)"):
        model.encode(["The wolf sat."])
