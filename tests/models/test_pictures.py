"""Vision transformers: pictures as documents, against plain transformers, and neighbours of patches as roles."""

import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import torch
import transformers
from PIL import Image
from safetensors.torch import load_file, save_file
from torch import Tensor

import interp
from interp import roles
from interp.corpora.batching import Group
from interp.corpora.drawings import drawings
from interp.corpora.encoding import encode
from interp.corpora.picture_patches import patches
from interp.corpora.pictures import picture_document, read_pictures
from interp.corpora.validation import validate
from interp.errors import CorpusError, InterpError, ModelError
from interp.metrics import language
from interp.models.hugging_face.model import AttentionModel
from interp.models.inputs.pictures import PictureReader
from interp.results import read_manifest
from interp.roles.pictures import NEIGHBOURS, neighbour
from interp.types import Batch, Corpus, Encoding, Head, HeadModel, Site
from tests.conftest import Case, assert_close, corpus_of, seeded
from tests.support.command_line import run_in
from tests.support.fakes import FakeModel, uniform

HEIGHT, WIDTH, PATCH = 24, 32, 8
ROWS, COLUMNS = HEIGHT // PATCH, WIDTH // PATCH
TOKENS = 1 + ROWS * COLUMNS
MEAN, STD = (0.4, 0.5, 0.6), (0.2, 0.3, 0.25)
KINDS = (transformers.ViTModel, transformers.ViTForImageClassification)


def config(**options: Any) -> Any:
    sizes: dict[str, Any] = {
        "hidden_size": 32, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 64,
        "image_size": [HEIGHT, WIDTH], "patch_size": PATCH, "initializer_range": 0.3,
    }  # fmt: skip
    return transformers.ViTConfig(**sizes | options)


def processor(height: int = HEIGHT, width: int = WIDTH) -> Any:
    size = {"height": height, "width": width}
    return transformers.ViTImageProcessorPil(size=size, image_mean=list(MEAN), image_std=list(STD))


def wrap(network: Any, **options: Any) -> AttentionModel:
    model = interp.from_transformers(network, processor(), name="vit", **options)
    assert isinstance(model, AttentionModel)
    return model


def prepared(corpus: Corpus) -> Tensor:
    """Pixels as the network was trained to read them, by PIL and numpy alone."""
    made = []
    for document in corpus:
        assert document.picture is not None
        resized = Image.fromarray(document.picture).resize((WIDTH, HEIGHT), Image.Resampling.BILINEAR)
        made.append(((np.asarray(resized) / 255 - MEAN) / STD).transpose(2, 0, 1))
    return torch.tensor(np.stack(made), dtype=torch.float32)


def whole_batch(model: HeadModel, corpus: Corpus) -> Batch:
    return Group(encode(model, corpus), model, tuple(range(len(corpus)))).batch()


@pytest.fixture(scope="module")
def corpus() -> Corpus:
    return drawings(6, seed=3)


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def case(request: pytest.FixtureRequest) -> Case:
    """The model through `from_transformers`, and the same weights that never meet `interp`."""
    given, plain = (seeded(request.param, config()) for _ in range(2))
    return Case(wrap(given), plain, None)


# Against plain transformers


def test_patterns_and_hidden_states_are_those_of_the_untouched_model(case: Case, corpus: Corpus) -> None:
    with torch.inference_mode():
        expected = case.plain.base_model(prepared(corpus), output_attentions=True)
    batch = whole_batch(case.model, corpus)
    kept: list[tuple[Site, int, Tensor]] = []
    output = case.model.run(batch, pattern=lambda site, layer, pattern: kept.append((site, layer, pattern)))
    assert batch.tokens.shape == (6, TOKENS)
    assert [(site, layer) for site, layer, _ in kept] == [("self", 0), ("self", 1)]
    assert output.logits is None
    assert_close(output.hidden, expected.last_hidden_state)
    for (_, _, pattern), attention in zip(kept, expected.attentions, strict=True):
        assert_close(pattern, attention)
    watched: list[Tensor] = []
    assert isinstance(case.model, AttentionModel)
    case.model.watch(batch, lambda _site, _layer, _first, _query, pattern: watched.append(pattern.clone()))
    assert_close(torch.cat(watched, dim=1), torch.cat(expected.attentions, dim=1))


def test_a_head_that_is_silenced_is_silent_in_the_untouched_model_too(case: Case, corpus: Corpus) -> None:
    def without(_module: Any, args: tuple[Tensor]) -> tuple[Tensor]:
        z = args[0].unflatten(-1, (4, -1)).clone()
        z[:, :, 2] = 0
        return (z.flatten(-2),)

    plain: Any = case.plain.base_model
    handle = plain.layers[0].attention.o_proj.register_forward_pre_hook(without)
    with torch.inference_mode():
        expected = plain(prepared(corpus)).last_hidden_state
    handle.remove()

    def substitute(_site: Site, layer: int, z: Tensor) -> Tensor | None:
        return z * (torch.arange(4) != 2)[:, None] if layer == 0 else None

    found = case.model.run(whole_batch(case.model, corpus), z=substitute).hidden
    assert_close(found, expected)


def test_contributions_and_the_bias_are_what_the_projection_gives(case: Case, corpus: Corpus) -> None:
    given: list[Tensor] = []
    plain: Any = case.plain.base_model
    projection = plain.layers[1].attention.o_proj
    handle = projection.register_forward_hook(lambda _module, _args, out: given.append(out))
    with torch.inference_mode():
        plain(prepared(corpus))
    handle.remove()
    kept: dict[int, Tensor] = {}
    case.model.run(whole_batch(case.model, corpus), z=lambda _site, layer, z: kept.update({layer: z}))
    assert_close(case.model.contribution(1, kept[1]).sum(2) + projection.bias, given[0])


def test_the_first_tokens_of_a_picture_are_run_as_if_there_were_no_others(case: Case, corpus: Corpus) -> None:
    plain: Any = case.plain.base_model
    with torch.inference_mode():
        states = plain.embeddings(prepared(corpus))[:2, :7]
        for layer in plain.layers:
            states = layer(states)
        expected = plain.layernorm(states)
    whole = whole_batch(case.model, corpus)
    lengths = torch.tensor([7, 9])
    cut = whole.rows([0, 1]).shortened(0, lambda _lengths: lengths)
    alone = whole.rows([0, 1]).shortened(0, lambda kept: kept.clamp(max=7))
    assert cut.tokens.shape == (2, 9) and alone.tokens.shape == (2, 7)
    assert_close(case.model.run(alone).hidden, expected)
    assert_close(case.model.run(cut).hidden[0, :7], expected[0])


def test_a_token_is_the_patch_that_its_word_names(corpus: Corpus) -> None:
    model = wrap(seeded(transformers.ViTModel, config()))
    picture = np.random.default_rng(0).integers(256, size=(HEIGHT, WIDTH, 3), dtype=np.uint8)
    other = picture.copy()
    other[2 * PATCH + 3, 1 * PATCH + 5] ^= 255
    pair = Corpus("pair", tuple(picture_document(one, str(i)) for i, one in enumerate((picture, other))), "none")
    encoded = encode(model, pair)
    batch = whole_batch(model, pair)
    read = model.remember(batch).before["self", 0]
    changed = (read[0] != read[1]).any(-1).nonzero().flatten().tolist()
    assert len(changed) == 1
    assert encoded.corpus.documents[0].words[int(batch.word[0, changed[0]])] == "2,1"


def test_silencing_costs_what_plain_transformers_says(case: Case, corpus: Corpus) -> None:
    effects = interp.ablate(case.model, corpus, replacement="zero")
    pixels, plain = prepared(corpus), cast(Any, case.plain.base_model)
    assert set(effects.metric) == {"embedding_cosine"}
    with torch.inference_mode():
        intact = plain(pixels).last_hidden_state.mean(1)
        for layer, head, effect in zip(effects.layer, effects["head"], effects.effect, strict=True):

            def without(_module: Any, args: tuple[Tensor], head: int = head) -> tuple[Tensor]:
                z = args[0].unflatten(-1, (4, -1)).clone()
                z[:, :, head] = 0
                return (z.flatten(-2),)

            projection = plain.layers[layer].attention.o_proj
            handle = projection.register_forward_pre_hook(without)
            ablated = plain(pixels).last_hidden_state.mean(1)
            handle.remove()
            cosine = torch.cosine_similarity(intact.double(), ablated.double(), dim=-1).mean()
            assert effect == pytest.approx(1 - float(cosine), abs=1e-5)
            assert effect > 1e-3


def test_heads_are_laid_open(case: Case) -> None:
    plain: Any = case.plain.base_model
    layer = plain.layers[1].attention
    weights = interp.head_weights(case.model, Head("self", 1, 3))
    part = slice(24, 32)
    assert_close(weights.query, layer.q_proj.weight[part].T)
    assert_close(weights.key, layer.k_proj.weight[part].T)
    assert_close(weights.value, layer.v_proj.weight[part].T)
    assert_close(weights.output, layer.o_proj.weight[:, part].T)


def test_position_alone_is_what_the_positions_say(corpus: Corpus) -> None:
    network = seeded(transformers.ViTModel, config())
    with torch.no_grad():
        read = network.layers[0].layernorm_before(network.embeddings.position_embeddings[0])
        attention = network.layers[0].attention
        query, key = (getattr(attention, f"{name}_proj")(read)[:, :8] for name in "qk")
        pattern = (query @ key.T / 8**0.5).softmax(-1)
    table = interp.anatomy(wrap(network), corpus)
    assert table.position_previous.iloc[0] == pytest.approx(float(pattern.diagonal(-1).mean()), abs=1e-5)


# The gate


def test_the_gate_passes_and_says_what_it_could_not_ask(case: Case, corpus: Corpus) -> None:
    checks = {check.name: check for check in interp.prove(case.model, corpus)}
    assert [name for name, check in checks.items() if check.deviation is None] == ["tokens_are_the_text"]
    assert "spell no text" in checks["tokens_are_the_text"].detail
    assert {"padding_changes_nothing", "resumed_is_run", "same_as_unhooked", "parts_are_the_whole"} <= set(checks)


def test_the_gate_sees_that_pictures_are_mixed_up(corpus: Corpus, monkeypatch: pytest.MonkeyPatch) -> None:
    model = wrap(seeded(transformers.ViTModel, config()))
    inputs = PictureReader.inputs

    def mixed_up(self: PictureReader, batch: Batch) -> dict[str, Any]:
        given = inputs(self, batch)
        return given | {"pixel_values": given["pixel_values"].roll(1, 0)}

    monkeypatch.setattr(PictureReader, "inputs", mixed_up)
    with pytest.raises(ModelError, match="order_changes_nothing"):
        interp.prove(model, corpus)


def test_the_gate_sees_that_patches_that_are_left_out_are_attended_to(
    corpus: Corpus, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = wrap(seeded(transformers.ViTModel, config()))

    def unmasked(_self: PictureReader, batch: Batch) -> dict[str, Any]:
        return {"pixel_values": batch.pixels, "attention_mask": torch.ones_like(batch.mask).long()}

    monkeypatch.setattr(PictureReader, "inputs", unmasked)
    with pytest.raises(ModelError, match=r"nothing_invisible_is_seen.*padding_changes_nothing"):
        interp.prove(model, corpus)


# Patches as words


def test_patches_are_named_in_the_order_of_reading() -> None:
    text, words, spans = patches((2, 11))
    assert text == "0,0 0,1 0,2 0,3 0,4 0,5 0,6 0,7 0,8 0,9 0,10 1,0 1,1 1,2 1,3 1,4 1,5 1,6 1,7 1,8 1,9 1,10"
    assert text.split(" ") == list(words)
    assert [text[start:end] for start, end in spans.tolist()] == list(words)


def test_documents_get_the_patches_of_the_model_that_reads_them(corpus: Corpus) -> None:
    fine, coarse = (wrap(seeded(transformers.ViTModel, config(patch_size=size))) for size in (4, 8))
    for model, grid in ((fine, (6, 8)), (coarse, (3, 4))):
        encoded = encode(model, corpus)
        for document in encoded.corpus:
            validate(document)
        assert model.grid == grid
        assert len(encoded.corpus.documents[0].words) == grid[0] * grid[1]
        assert encoded.words[0].tolist() == [-1, *range(grid[0] * grid[1])]
        assert encoded.skipped == {"truncated_documents": 0, "unaligned_words": 0}
        # those of another model are replaced
        assert len(encode(coarse, encoded.corpus).encodings[0].tokens) == TOKENS
    assert corpus.documents[0].words == ()


def test_every_batch_has_its_own_pixels(corpus: Corpus) -> None:
    model = wrap(seeded(transformers.ViTModel, config()))
    batch = Group(encode(model, corpus), model, (4, 1)).batch()
    assert batch.pixels is not None and batch.grid == (ROWS, COLUMNS)
    torch.testing.assert_close(batch.pixels, prepared(corpus)[[4, 1]])
    assert batch.special.tolist() == [[True] + [False] * (TOKENS - 1)] * 2


# Roles


class Planted(FakeModel):
    """Reads pictures and looks where it is told to."""

    def __init__(self, attend: Callable[[Batch], Tensor], heads: int) -> None:
        super().__init__(attend, heads)
        self.grid = (ROWS, COLUMNS)

    def pixels(self, pictures: Sequence[np.ndarray]) -> Tensor:
        return torch.zeros(len(pictures), 3, HEIGHT, WIDTH)

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        found = []
        for text in texts:
            ends = np.cumsum([len(word) + 1 for word in text.split()]) - 1
            starts = np.array([0, *(ends[:-1] + 1)])
            offsets = np.concatenate([[[0, 0]], np.stack([starts, ends], 1)]).astype(np.int32)
            found.append(Encoding(np.arange(TOKENS, dtype=np.int32), offsets, np.arange(TOKENS) == 0))
        return found


def neighbours() -> dict[str, list[tuple[int, int]]]:
    """(query, key) tokens of every role, by hand: token 0 is [CLS]."""

    def token(row: int, column: int) -> int:
        return 1 + row * COLUMNS + column

    every = [(row, column) for row in range(ROWS) for column in range(COLUMNS)]
    return {
        "above": [(token(r, c), token(r - 1, c)) for r, c in every if r > 0],
        "below": [(token(r, c), token(r + 1, c)) for r, c in every if r < ROWS - 1],
        "left": [(token(r, c), token(r, c - 1)) for r, c in every if c > 0],
        "right": [(token(r, c), token(r, c + 1)) for r, c in every if c < COLUMNS - 1],
    }


def planted(batch: Batch) -> Tensor:
    """A head for each neighbour, [CLS] where there is none; and one that always looks at the token before."""
    pattern = torch.zeros(len(batch.tokens), 5, TOKENS, TOKENS)
    pattern[:, :, :, 0] = 1
    for head, pairs in enumerate([*neighbours().values(), [(t, t - 1) for t in range(1, TOKENS)]]):
        for query, key in pairs:
            pattern[:, head, query, 0] = 0
            pattern[:, head, query, key] = 1
    return pattern


@pytest.mark.parametrize("name", NEIGHBOURS)
def test_targets_are_the_neighbours_and_none_lies_beyond_an_edge(name: str, corpus: Corpus) -> None:
    batch = whole_batch(Planted(planted, 5), corpus)
    expected = torch.zeros(TOKENS, TOKENS, dtype=torch.bool)
    for query, key in neighbours()[name]:
        expected[query, key] = True
    assert torch.equal(neighbour(name).targets(batch), expected.expand(6, -1, -1))
    cut = batch.rows([0]).shortened(0, lambda _lengths: torch.tensor([7]))
    assert torch.equal(neighbour(name).targets(cut), expected[None, :7, :7])


def test_planted_heads_are_found_and_only_they() -> None:
    corpus = drawings(40)
    scores = interp.score(Planted(planted, 5), corpus, roles=roles.everything)
    scores = scores[scores.split == "all"].set_index(["role", "head"])
    for head, (name, pairs) in enumerate(neighbours().items()):
        assert scores.loc[(name, head), "n"] == 40 * len(pairs)
        assert scores.loc[(name, head), "mass"] == 1
        assert scores.loc[(name, head), "baseline"] == pytest.approx(1 / TOKENS)
        others = {"left": [0, 1, 3], "right": [0, 1, 2], "above": [1, 2, 3], "below": [0, 2, 3]}[name]
        assert all(scores.loc[(name, other), "mass"] == 0 for other in others)
    # the head that always looks back wraps around; the one that looks left does not
    assert scores.loc[("left", 4), "mass"] == 1
    assert scores.loc[("offset-1", 4), "mass"] == 1
    assert scores.loc[("offset-1", 2), "mass"] == pytest.approx((ROWS * (COLUMNS - 1) + 1) / (TOKENS - 1))
    assert set(scores.loc[["above", "left"]].family) == {"pictures"}
    assert set(scores.loc[["above"]].definition) == {"pictures/above@1"}


def test_text_is_not_asked_for_neighbours() -> None:
    texts = corpus_of()
    assert roles.pictures(texts) == ()
    assert roles.pictures()(drawings(1)) != ()
    assert not {role.family for role in roles.everything(texts)} & {"pictures"}
    batch = whole_batch(FakeModel(uniform, 1), texts)
    assert not any(neighbour(name).targets(batch).any() for name in NEIGHBOURS)


# Reading pictures


def save(path: Path, colour: Sequence[int], mode: str = "RGB", **options: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.new(mode, (6, 4), tuple(colour) if len(colour) > 1 else colour[0]).save(path, **options)
    return path


def test_a_folder_is_read_in_the_order_of_its_names(tmp_path: Path) -> None:
    save(tmp_path / "b.PNG", (1, 2, 3))
    save(tmp_path / "a" / "z.jpg", (200, 200, 200))
    save(tmp_path / "c.png", (9, 8, 7, 0), "RGBA")
    save(tmp_path / "d.png", (50,), "L")
    save(tmp_path / ".hidden" / "x.png", (0, 0, 0))
    (tmp_path / "notes.txt").write_text("no picture")
    read = read_pictures(tmp_path)
    assert read.name == tmp_path.name
    assert [document.source for document in read] == ["a/z.jpg", "b.PNG", "c.png", "d.png"]
    pictures = [document.picture for document in read]
    assert [None if one is None else one.shape for one in pictures] == [(4, 6, 3)] * 4
    assert [one[0, 0].tolist() for one in pictures if one is not None][1:] == [[1, 2, 3], [9, 8, 7], [50, 50, 50]]
    assert read.notes == ("1 file skipped that are neither PNG nor JPEG",)
    assert read.has_pictures and not read.generated
    some = read_pictures(tmp_path, first=2)
    assert [document.source for document in some] == ["a/z.jpg", "b.PNG"]
    assert some.notes[0].startswith(f"the first 2 documents of {tmp_path}, ")
    assert [document.source for document in read_pictures(tmp_path / "c.png")] == ["c.png"]
    save(tmp_path / "d.png", (51,), "L")
    assert read_pictures(tmp_path).digest != read.digest != some.digest


def test_a_picture_is_turned_as_its_camera_says(tmp_path: Path) -> None:
    lying = Image.new("RGB", (6, 4))
    lying.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[0x0112] = 6  # the top of the scene is at the right
    lying.save(tmp_path / "turned.png", exif=exif)
    picture = read_pictures(tmp_path).documents[0].picture
    assert picture is not None
    assert picture.shape == (6, 4, 3)
    assert np.argwhere(picture[..., 0] == 255).tolist() == [[0, 3]]


def test_what_cannot_be_read_is_said(tmp_path: Path) -> None:
    save(tmp_path / "pictures" / "a.png", (1, 2, 3))
    with pytest.raises(CorpusError, match=r"pictured: there is no such folder.*Did you mean '.*pictures'"):
        read_pictures(tmp_path / "pictured")
    (tmp_path / "empty").mkdir()
    with pytest.raises(CorpusError, match=r"holds no picture; allowed are \*\.png, \*\.jpg, \*\.jpeg"):
        read_pictures(tmp_path / "empty")
    (tmp_path / "pictures" / "b.png").write_bytes(b"no picture")
    with pytest.raises(CorpusError, match=r"b\.png: it cannot be read as a picture"):
        read_pictures(tmp_path / "pictures")
    whole = (tmp_path / "pictures" / "a.png").read_bytes()
    (tmp_path / "pictures" / "b.png").write_bytes(whole[:-30])
    with pytest.raises(CorpusError, match=r"b\.png: it cannot be read as a picture"):
        read_pictures(tmp_path / "pictures")
    # a profile of colours without content, on which Pillow itself stumbles (found by the fuzzer)
    end = whole.index(b"IEND") - 4
    (tmp_path / "pictures" / "b.png").write_bytes(whole[:end] + b"\0\0\0\0iCCP" + whole[end + 4 :])
    with pytest.raises(CorpusError, match=r"b\.png: it cannot be read as a picture"):
        read_pictures(tmp_path / "pictures")
    with pytest.raises(InterpError, match="limit=0"):
        read_pictures(tmp_path / "pictures", limit=0)


def test_drawings_are_drawn_from_their_seed_and_cut_by_their_limit() -> None:
    whole, again, other = drawings(30), drawings(30), drawings(30, seed=1)
    assert whole.digest == again.digest == drawings(30, limit=3).digest != other.digest
    assert whole.generated
    assert len(drawings(30, limit=3)) == 3
    drawn = [document.picture for document in whole if document.picture is not None]
    assert len({picture.tobytes() for picture in drawn}) == 30
    assert all(2 <= len(np.unique(picture.reshape(-1, 3), axis=0)) <= 6 for picture in drawn)
    assert len({document.source for document in whole}) == 30
    with pytest.raises(InterpError, match="documents=0"):
        drawings(0)


# Loading, and what is refused


@pytest.fixture(params=KINDS, ids=lambda kind: kind.__name__)
def folder(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    seeded(request.param, config()).save_pretrained(tmp_path / "vit")
    processor().save_pretrained(tmp_path / "vit")
    return tmp_path / "vit"


def test_a_directory_is_loaded_with_its_own_preprocessing(folder: Path, corpus: Corpus) -> None:
    model = interp.load_model(folder)
    plain = transformers.AutoModel.from_pretrained(folder, attn_implementation="eager").eval()
    with torch.inference_mode():
        expected = plain(prepared(corpus)).last_hidden_state
    assert_close(model.run(whole_batch(model, corpus)).hidden, expected)
    assert not model.has_language_head
    assert len(model.provenance["preprocessor_sha256"]) == 64
    assert "tokenizer_sha256" not in model.provenance
    chance, same, other = (interp.load_model(folder, init="random", seed=seed) for seed in (1, 1, 2))
    hidden = [one.run(whole_batch(one, corpus)).hidden for one in (chance, same, other)]
    assert torch.equal(hidden[0], hidden[1])
    assert not torch.allclose(hidden[0], hidden[2])
    assert chance.name == "vit-random"


def test_weights_that_are_absent_are_named(folder: Path) -> None:
    weights = load_file(folder / "model.safetensors")
    lost = next(name for name in weights if name.endswith("layernorm.weight"))
    kept = {name: one for name, one in weights.items() if name != lost}
    save_file(kept, folder / "model.safetensors", {"format": "pt"})
    with pytest.raises(ModelError, match=r"lacks 1 of the weights .*layernorm\.weight"):
        interp.load_model(folder)


def test_a_directory_that_does_not_say_how_pictures_are_prepared(folder: Path) -> None:
    (folder / "preprocessor_config.json").unlink()
    with pytest.raises(ModelError, match=r"holds no preprocessor_config\.json"):
        interp.load_model(folder)


def test_the_bridge_knows_no_pictures(folder: Path) -> None:
    with pytest.raises(ModelError, match=r"is a model of pictures\. Allowed for it: model\.backend=attention"):
        interp.load_model(folder, backend="bridge")


def test_what_prepares_pictures_must_fit_the_network(corpus: Corpus, tiny_gpt2: Case) -> None:
    network = seeded(transformers.ViTModel, config())
    kind = type(tiny_gpt2.tokenizer).__name__
    with pytest.raises(ModelError, match=f"was given a {kind} to prepare them"):
        interp.from_transformers(network, tiny_gpt2.tokenizer, name="vit")
    larger = interp.from_transformers(network, processor(HEIGHT, 40), name="vit")
    with pytest.raises(ModelError, match=r"gives pictures of 3 × 24 × 40, and the network reads 3 × 24 × 32"):
        larger.run(whole_batch(larger, corpus))
    grey = seeded(transformers.ViTModel, config(num_channels=1))
    with pytest.raises(ModelError, match=r"of 1 channels\. Allowed: 3"):
        wrap(grey)


def test_text_for_pictures_and_pictures_for_text_are_refused(corpus: Corpus, tiny_gpt2: Case) -> None:
    model = wrap(seeded(transformers.ViTModel, config()))
    with pytest.raises(InterpError, match=r"'texts' is of text, and 'vit' reads pictures\. Allowed: corpus=pictures"):
        interp.score(model, corpus_of())
    with pytest.raises(InterpError, match=r"'drawings' is of pictures, and 'GPT2LMHeadModel' reads text\. Allowed: a"):
        interp.prove(tiny_gpt2.model, corpus)
    mixed = Corpus("mixed", (*corpus.documents, *corpus_of().documents), "none")
    for one in (model, tiny_gpt2.model):
        with pytest.raises(InterpError, match="'mixed' is of"):
            encode(one, mixed)
    with pytest.raises(ModelError, match=r"3 × 4 patches, and was given the text 'a cat' of 2 words"):
        model.encode(["a cat"])
    assert isinstance(tiny_gpt2.model, AttentionModel)
    with pytest.raises(ModelError, match="reads text and no pictures"):
        tiny_gpt2.model.pixels([np.zeros((2, 2, 3), dtype=np.uint8)])
    with pytest.raises(InterpError, match="metrics=language"):
        interp.ablate(model, corpus, metrics=language)


# The command line


def test_the_atlas_of_a_folder_of_pictures(folder: Path, tmp_path: Path) -> None:
    for number, document in enumerate(drawings(40)):
        assert document.picture is not None
        Image.fromarray(document.picture).save(tmp_path / f"{number}.png")
    pictures, out = tmp_path / "pictures", tmp_path / "run"
    pictures.mkdir()
    for file in tmp_path.glob("*.png"):
        file.rename(pictures / file.name)
    model = ("model=local", f"model.path={folder}")
    given = (*model, "corpus=pictures", f"corpus.path={pictures}", "classify.min_blocks=3", f"hydra.run.dir={out}")
    outcome = run_in(tmp_path, "experiment=atlas", *given)
    assert outcome.code == 0, outcome.err
    manifest = read_manifest(out)
    assert manifest is not None
    assert (manifest["status"], manifest["gate"]["status"]) == ("complete", "passed")
    assert list(manifest["gate"]["not_checked"]) == ["tokens_are_the_text"]
    assert manifest["corpus"]["documents"] == manifest["corpus"]["sources"] == 40
    runs = interp.load_runs(out)
    scores = runs["scores"]
    left = scores[(scores.role == "left") & (scores.split == "all")]
    assert left.n.tolist() == [40 * ROWS * (COLUMNS - 1)] * 8
    assert {"above", "below", "right", "first", "self", "offset-1"} <= set(scores.role)
    assert set(runs["effects"].metric) == {"embedding_cosine"}
    assert (runs["effects"].n == 40).all()
    assert len(runs["atlas"]) == 8
    assert (out / "figures" / "roles.png").is_file()


def test_generated_pictures_need_no_files_and_a_sentence_is_no_picture(folder: Path, tmp_path: Path) -> None:
    given = ("model=local", f"model.path={folder}", "corpus=drawings", "corpus.documents=30")
    outcome = run_in(tmp_path, "experiment=head_roles", "roles=pictures", "json=true", *given)
    assert outcome.code == 0, outcome.err
    assert json.loads(outcome.out)["corpus"]["name"] == "drawings"
    refused = run_in(tmp_path, "experiment=sentence", *given)
    assert refused.code == 1
    assert "'drawings' is of pictures, and experiment=sentence shows a sentence" in refused.err
    refused = run_in(tmp_path, "model=local", f"model.path={folder}", "corpus.documents=10")
    assert refused.code == 1
    assert "'grammar' is of text, and 'vit' reads pictures" in refused.err
