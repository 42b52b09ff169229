"""Encoder-decoders through the seam: every site against plain transformers, one document at a time where it matters."""

from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from functools import cache, partial
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor, nn
from torch.nn.functional import cross_entropy

from experiments import sentence
from interp import load_model, metrics, prove, roles
from interp.ablation import replacements
from interp.ablation.effects import measure_effects
from interp.ablation.fast_engine import measure_fast
from interp.ablation.plain_engine import measure_plain
from interp.ablation.plan import Plan
from interp.ablation.pruning import halves
from interp.ablation.sweep import runs_fast
from interp.api import tally_roles
from interp.attention.visibility import visible_keys
from interp.corpora.batching import Group
from interp.corpora.encoding import encode
from interp.corpora.text import text_document
from interp.errors import InterpError, ModelError
from interp.models.hugging_face.model import AttentionModel
from interp.models.loading import from_transformers
from interp.tallies.spread import ShapeTally
from interp.tallies.stream import stream
from interp.types import Batch, Corpus, Head, Site
from tests.conftest import assert_close, byte_level_tokenizer, seeded

SOURCES = ("The cat sat on the mat.", "There was a park.", "The dog saw the cat, and the cat saw the dog.")
TARGETS = ("A cat sat.", "There was one park here.", "Dogs see cats.")
BART: dict[str, Any] = {
    "d_model": 32, "encoder_layers": 2, "decoder_layers": 3, "encoder_attention_heads": 4, "decoder_attention_heads": 2,
    "encoder_ffn_dim": 64, "decoder_ffn_dim": 64, "max_position_embeddings": 64, "init_std": 0.3, "pad_token_id": 1,
    "bos_token_id": 0, "eos_token_id": 2, "decoder_start_token_id": 2, "forced_eos_token_id": None,
}  # fmt: skip
T5: dict[str, Any] = {
    "d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_decoder_layers": 3, "num_heads": 4,
    "relative_attention_num_buckets": 8, "pad_token_id": 1, "eos_token_id": 2, "decoder_start_token_id": 1,
    "initializer_factor": 1.0, "n_positions": 64,
}  # fmt: skip
FAMILIES = {
    "bart": (transformers.BartForConditionalGeneration, transformers.BartConfig, BART),
    "marian": (transformers.MarianMTModel, transformers.MarianConfig, BART),
    "blenderbot": (transformers.BlenderbotForConditionalGeneration, transformers.BlenderbotConfig, BART),
    "t5": (transformers.T5ForConditionalGeneration, transformers.T5Config, T5),
}
SITES = ("encoder", "decoder", "cross")


class Case:
    """A model behind the seam, and the same weights in plain transformers."""

    def __init__(self, name: str) -> None:
        kind, configuration, options = FAMILIES[name]
        tokenizer = byte_level_tokenizer()
        given, self.plain = (seeded(kind, configuration(vocab_size=len(tokenizer), **options)) for _ in range(2))
        model = from_transformers(given, tokenizer, name=name)
        assert isinstance(model, AttentionModel)
        self.model = model
        self.encoded = encode(model, corpus())
        self.batch = Group(self.encoded, model, (0, 1, 2)).batch()

    @torch.inference_mode()
    def attentions(self, number: int) -> dict[str, list[np.ndarray]]:
        """Every layer's attention of one document alone, by site: [head, query, key]."""
        out = self.plain(**self.one(number), output_attentions=True)
        found = {"encoder": out.encoder_attentions, "decoder": out.decoder_attentions, "cross": out.cross_attentions}
        return {site: [layer[0].numpy() for layer in layers] for site, layers in found.items()}

    def one(self, number: int) -> dict[str, Any]:
        """What plain transformers is called with for one document."""
        target = self.encoded.target
        assert target is not None
        source, written = (
            torch.from_numpy(one.encodings[number].tokens).long()[None] for one in (self.encoded, target)
        )
        return {"input_ids": source, "decoder_input_ids": written, "use_cache": False}

    @torch.inference_mode()
    def log_probability(self, number: int) -> float:
        inputs = self.one(number)
        logits = self.plain(**inputs).logits
        return -cross_entropy(logits[0, :-1], inputs["decoder_input_ids"][0, 1:]).item()

    def projections(self, site: str) -> list[nn.Linear]:
        """The output projections of a site, by the names that plain transformers gives them."""
        if self.plain.config.model_type == "t5":
            side, place, name = {
                "encoder": ("encoder", 0, "SelfAttention"),
                "decoder": ("decoder", 0, "SelfAttention"),
                "cross": ("decoder", 1, "EncDecAttention"),
            }[site]
            return [getattr(block.layer[place], name).o for block in getattr(self.plain, side).block]
        side = "encoder" if site == "encoder" else "decoder"
        name = "encoder_attn" if site == "cross" else "self_attn"
        return [getattr(layer, name).out_proj for layer in getattr(self.plain.model, side).layers]

    @contextmanager
    def without(self, site: str, layer: int, head: int, value: Any = 0.0) -> Iterator[None]:
        """Plain transformers with the z of one head at `value`."""
        count = sum((one.site, one.layer) == (site, layer) for one in self.model.heads)

        def substitute(_module: nn.Module, args: tuple[torch.Tensor]) -> tuple[torch.Tensor]:
            z = args[0].unflatten(-1, (count, -1)).clone()
            z[:, :, head] = value
            return (z.flatten(-2),)

        handle = self.projections(site)[layer].register_forward_pre_hook(substitute)
        try:
            yield
        finally:
            handle.remove()


def corpus() -> Corpus:
    documents = tuple(
        replace(text_document(source, f"s{number}"), target=text_document(target, f"s{number}"))
        for number, (source, target) in enumerate(zip(SOURCES, TARGETS, strict=True))
    )
    return Corpus("pairs", documents, "none")


@pytest.fixture(scope="module", params=FAMILIES)
def case(request: pytest.FixtureRequest) -> Case:
    return Case(request.param)


def test_the_decoder_reads_its_start_the_target_and_the_end(case: Case) -> None:
    target = case.encoded.target
    assert target is not None
    config = case.plain.config
    for text, encoding in zip(TARGETS, target.encodings, strict=True):
        own = case.model.tokenizer(text)["input_ids"]
        assert encoding.tokens.tolist() == [config.decoder_start_token_id, *own, config.eos_token_id]
        assert encoding.special.tolist() == [True, *[False] * len(own), True]


def test_every_site_is_that_of_one_document_alone_in_plain_transformers(case: Case) -> None:
    seen: dict[tuple[str, int], np.ndarray] = {}
    output = case.model.run(case.batch, pattern=lambda site, layer, p: seen.update({(site, layer): p.numpy().copy()}))
    assert {site for site, _ in seen} == set(SITES)
    for number in range(len(SOURCES)):
        for site, layers in case.attentions(number).items():
            for layer, expected in enumerate(layers):
                _, queries, keys = expected.shape
                found = seen[site, layer][number]
                np.testing.assert_allclose(found[:, :queries, :keys], expected, atol=1e-5)
                assert np.abs(found[:, :queries, keys:]).max(initial=0) == 0
        with torch.inference_mode():
            logits = case.plain(**case.one(number)).logits[0]
        assert output.logits is not None
        assert_close(output.logits[number, : len(logits)], logits)


def test_attention_is_spent_on_what_is_visible_and_nothing_else(case: Case) -> None:
    visible = visible_keys(case.model, case.batch)

    def check(site: Any, layer: int, pattern: torch.Tensor) -> None:
        seen = visible[site, 0]
        asking = case.batch.query_side(site).mask
        assert torch.equal((pattern > 0).any(1)[asking], seen[asking])

    case.model.run(case.batch, pattern=check)


def test_what_the_heads_contribute_adds_up_to_what_the_projection_gives(case: Case) -> None:
    z: dict[tuple[Site, int], torch.Tensor] = {}
    given: dict[tuple[Site, int], torch.Tensor] = {}

    def keep(module: Any, _args: Any, output: torch.Tensor, at: tuple[Site, int]) -> None:
        given[at] = output if module.bias is None else output - module.bias

    handles = [
        layer.projection.register_forward_hook(partial(keep, at=(layer.site, layer.number)))
        for layer in case.model.layers
    ]
    case.model.run(case.batch, z=lambda site, layer, one: z.update({(site, layer): one}))
    for handle in handles:
        handle.remove()
    assert len(z) == len(case.model.layers)
    for (site, layer), one in z.items():
        assert_close(case.model.contribution(layer, one, site).sum(2), given[site, layer])


@pytest.mark.parametrize("replacement", ["zero", "mean", "resample", "uniform"])
def test_effects_are_those_of_plain_transformers(replacement: str, case: Case) -> None:
    table = measure_effects(case.model, case.encoded, Plan(replacement=replacement), metrics=[metrics.LOG_PROB]).table
    assert set(table.site) == set(SITES)
    table = table.groupby(["site", "layer"]).nth([0, -1])  # all heads would take a minute
    intact = [case.log_probability(number) for number in range(len(SOURCES))]
    means = means_of(case)
    for row in table.itertuples():
        site, layer, head = str(row.site), int(row.layer), int(row.head)  # pyright: ignore[reportArgumentType]
        ablated = []
        for number in range(len(SOURCES)):
            value = replaced(case, replacement, means, number, site, layer, head)
            with case.without(site, layer, head, value):
                ablated.append(case.log_probability(number))
        assert row.effect == pytest.approx(np.mean(np.subtract(intact, ablated)), abs=1e-5), (site, layer, head)


TOGETHER = (
    (Head("encoder", 1, 0), Head("encoder", 1, 2)),
    (Head("decoder", 0, 1), Head("cross", 0, 1)),
    (Head("cross", 2, 0), Head("decoder", 1, 0)),
    (Head("cross", 1, 1), Head("encoder", 0, 3), Head("decoder", 2, 1)),
)
"""Heads of one site and of several, the first of them not always the first to run."""


def test_heads_of_several_sites_together_are_those_of_plain_transformers(case: Case) -> None:
    assert runs_fast(case.model)
    before, after = measured(case, measure_fast, "zero", TOGETHER)
    for number in range(len(SOURCES)):
        assert before[0, number].item() == pytest.approx(case.log_probability(number), abs=1e-5)
        for row, heads in enumerate(TOGETHER):
            with ExitStack() as stack:
                for head in heads:
                    stack.enter_context(case.without(*head))
                expected = case.log_probability(number)
            assert after[0, row, number].item() == pytest.approx(expected, abs=1e-5), heads


@pytest.mark.parametrize("replacement", ["zero", "mean", "resample", "uniform"])
def test_the_fast_engine_does_what_the_plain_one_does(replacement: str, case: Case) -> None:
    sets = (*TOGETHER, tuple(case.model.heads), *((head,) for head in case.model.heads))
    expected = measured(case, measure_plain, replacement, sets)
    # three sets at a time, the last of them alone
    found = measured(case, measure_fast, replacement, sets, tokens=3 * case.batch.tokens.numel())
    for one, other in zip(found, expected, strict=True):
        assert_close(one, other)
    assert (found[1][0] - found[0][0]).abs().sum(-1).min() > 1e-6


def measured(case: Case, measure: Any, replacement: str, sets: Any, **options: Any) -> tuple[Tensor, Tensor]:
    substitution = getattr(replacements, replacement)(case.model, case.encoded, 0)(case.batch)
    return measure(case.model, case.batch, substitution, sets, [metrics.LOG_PROB, metrics.KL], **options)


def test_what_runs_before_a_place_is_not_run_again(case: Case) -> None:
    ran: list[tuple[str, int]] = []
    clean = case.model.remember(case.batch)
    assert list(clean.z) == [
        *[("encoder", layer) for layer in range(2)],
        *[(site, layer) for layer in range(3) for site in ("decoder", "cross")],
    ]
    maps = {place: case.model.network.get_submodule(path) for place, path in value_maps(case).items()}
    handles = [
        module.register_forward_hook(lambda *_, place=place: ran.append(place)) for place, module in maps.items()
    ]
    for place in clean.z:
        ran.clear()
        case.model.resume(clean, place, clean.attention_output[place][None])
        order = list(clean.z)
        later = order[order.index(place) + 1 :]
        # the attention itself is answered where that ends in the projection, as it does in all of these
        assert sorted(ran) == sorted(later), place
    for handle in handles:
        handle.remove()


def value_maps(case: Case) -> dict[tuple[str, int], str]:
    """Where each attention layer's map to v is."""
    paths = {id(module): path for path, module in case.plain.named_modules()}
    name = "v" if case.plain.config.model_type == "t5" else "v_proj"
    return {
        (site, layer): f"{paths[id(projection)].rpartition('.')[0]}.{name}"
        for site in SITES
        for layer, projection in enumerate(case.projections(site))
    }


@cache
def heads_z(case: Case, number: int) -> dict[tuple[str, int], np.ndarray]:
    """z of one document alone, from plain transformers: [query, head, d_head]."""
    found: dict[tuple[str, int], np.ndarray] = {}
    handles = []
    for site in SITES:
        for layer, projection in enumerate(case.projections(site)):
            heads = sum((one.site, one.layer) == (site, layer) for one in case.model.heads)

            def keep(_module: Any, args: Any, at: tuple[str, int] = (site, layer), heads: int = heads) -> None:
                found[at] = args[0][0].unflatten(-1, (heads, -1)).numpy().copy()

            handles.append(projection.register_forward_pre_hook(keep))
    with torch.inference_mode():
        case.plain(**case.one(number))
    for handle in handles:
        handle.remove()
    return found


def means_of(case: Case) -> dict[tuple[str, int], np.ndarray]:
    every = [heads_z(case, number) for number in range(len(SOURCES))]
    return {at: np.concatenate([one[at] for one in every]).mean(0) for at in every[0]}


def replaced(
    case: Case,
    replacement: str,
    means: dict[tuple[str, int], np.ndarray],
    number: int,
    site: str,
    layer: int,
    head: int,
) -> Any:
    own = heads_z(case, number)[site, layer][:, head]
    if replacement == "zero":
        return 0.0
    if replacement == "mean":
        return torch.from_numpy(means[site, layer][head])
    if replacement == "resample":
        cycle = np.random.default_rng(0).permutation(len(SOURCES)).tolist()
        donor = heads_z(case, cycle[(cycle.index(number) + 1) % len(cycle)])[site, layer][:, head]
        return torch.from_numpy(np.stack([donor[t % len(donor)] for t in range(len(own))]))
    # uniform: the mean of v over what each query can see; v is solved for from the attention of all queries at once
    return uniform_z(case, number, site, layer, head)


@torch.inference_mode()
def uniform_z(case: Case, number: int, site: str, layer: int, head: int) -> torch.Tensor:
    attention = parent_of(case.plain, case.projections(site)[layer])
    name = "v" if case.plain.config.model_type == "t5" else "v_proj"
    values: list[torch.Tensor] = []
    handle = getattr(attention, name).register_forward_hook(lambda _m, _a, out: values.append(out))
    case.plain(**case.one(number))
    handle.remove()
    count = sum((one.site, one.layer) == (site, layer) for one in case.model.heads)
    value = values[-1][0].unflatten(-1, (count, -1))[:, head]
    if site == "decoder":
        return value.cumsum(0) / torch.arange(1, len(value) + 1)[:, None]
    queries = case.one(number)["decoder_input_ids" if site == "cross" else "input_ids"].shape[1]
    return value.mean(0).expand(queries, -1)


def parent_of(network: nn.Module, module: nn.Module) -> nn.Module:
    path = next(path for path, one in network.named_modules() if one is module)
    return network.get_submodule(path.rpartition(".")[0])


# Roles


def test_cross_roles_are_those_of_a_count_by_hand(case: Case) -> None:
    """One document, one head and one query at a time, in plain Python."""
    sums = tally_roles(case.model, case.encoded, roles.cross())
    every = [case.attentions(number) for number in range(len(SOURCES))]
    assert case.encoded.target is not None
    for role in ("diagonal-1", "diagonal", "diagonal+1", "source-first", "source-end"):
        row = [label.name for label in sums.roles].index(role)
        for column, head in enumerate(sums.heads):
            if head[0] != "cross":
                assert not sums.applies[row, column]
                continue
            mass, hits, count = 0.0, 0.0, 0
            for number in range(len(SOURCES)):
                attention = every[number]["cross"][head[1]][head[2]]
                text = ~case.encoded.encodings[number].special
                written = ~case.encoded.target.encodings[number].special
                # the token at t is written by the query at t − 1
                for nth, t in enumerate(np.flatnonzero(written)):
                    by = {"diagonal-1": -1, "diagonal": 0, "diagonal+1": 1}.get(role)
                    if by is not None:
                        place = int((nth + 0.5) * text.sum() / written.sum()) + by
                        keys = np.flatnonzero(text)[[place]] if 0 <= place < text.sum() else []
                    elif role == "source-first":
                        keys = [0]
                    else:
                        keys = [len(text) - 1]  # this tokenizer ends a source with nothing of its own
                    if len(keys):
                        mass += attention[t - 1, keys].sum()
                        hits += float(attention[t - 1].argmax() in keys)
                        count += 1
            assert sums.n[row].sum() == count > 0
            assert sums.mass[row, column].sum() == pytest.approx(mass, abs=1e-4)
            assert sums.hit[row, column].sum() == pytest.approx(hits, abs=1e-4)


def test_roles_within_one_side_are_asked_of_its_own_tokens(case: Case) -> None:
    sums = tally_roles(case.model, case.encoded, roles.positional())
    rows = {
        (label.name, Head(*sums.heads[sums.applies[row].argmax()]).site): row for row, label in enumerate(sums.roles)
    }
    assert {site for _, site in rows} == {"encoder", "decoder"}
    every = [case.attentions(number) for number in range(len(SOURCES))]
    sides = {"encoder": case.encoded, "decoder": case.encoded.target}
    for site, side in sides.items():
        assert side is not None
        row = rows["offset-1", site]
        for column, (at, layer, head) in enumerate(sums.heads):
            assert sums.applies[row, column] == (at == site)
            if at == site:
                mass = 0.0
                for number, encoding in enumerate(side.encodings):
                    attention = every[number][site][layer][head]
                    mass += sum(attention[t, t - 1] for t in np.flatnonzero(~encoding.special) if t > 0)
                assert sums.mass[row, column].sum() == pytest.approx(mass, abs=1e-4)


def test_gold_alignments_are_asked_of_whole_words() -> None:
    case = Case("bart")
    documents = tuple(
        replace(document, alignment=((0, 1), (2, 0), (2, 3))) if number == 0 else document
        for number, document in enumerate(corpus().documents)
    )
    encoded = encode(case.model, Corpus("aligned", documents, "none"))
    sums = tally_roles(case.model, encoded, roles.cross)
    row = [label.name for label in sums.roles].index("aligned")
    assert sums.n[row].sum() == 2
    assert encoded.target is not None
    read, written = encoded.words[0], encoded.target.words[0]
    attention = case.attentions(0)["cross"]
    for column, (site, layer, head) in enumerate(sums.heads):
        if site != "cross":
            continue
        mass, hits = 0.0, 0.0
        for word, targets in ((0, [1]), (2, [0, 3])):
            on_words = np.zeros(read.max() + 1)
            queries = np.flatnonzero(written == word) - 1
            for key, owner in enumerate(read):
                if owner >= 0:
                    on_words[owner] += attention[layer][head][queries, key].mean()
            mass += on_words[targets].sum()
            hits += float(on_words.argmax() in targets)
        assert sums.mass[row, column].sum() == pytest.approx(mass, abs=1e-4)
        assert sums.hit[row, column].sum() == pytest.approx(hits, abs=1e-4)


def test_entropy_and_distance_are_counted_on_each_side() -> None:
    case = Case("bart")
    shape = ShapeTally(case.model.heads)
    stream(case.model, [case.batch], shape)
    entropy, distance = shape.means()
    assert case.encoded.target is not None
    for number, head in enumerate(case.model.heads):
        asking = case.encoded if head.site == "encoder" else case.encoded.target
        rows = [
            (t, case.attentions(i)[head.site][head.layer][head.head][t])
            for i in range(len(SOURCES))
            for t in np.flatnonzero(~asking.encodings[i].special)
        ]
        by_hand = [-(row[row > 0] * np.log(row[row > 0])).sum() for _, row in rows]
        away = [(row * np.abs(np.arange(len(row)) - t)).sum() for t, row in rows]
        assert entropy[number] == pytest.approx(np.mean(by_hand), abs=1e-4)
        assert distance[number] == pytest.approx(np.mean(away), abs=1e-4)


# What it writes


def test_without_targets_the_decoder_reads_what_the_model_writes() -> None:
    case = Case("bart")
    encoded = encode(case.model, Corpus("texts", tuple(map(text_document, SOURCES)), "none"))
    assert encoded.notes == (f"the model itself wrote the targets of {len(SOURCES)} of {len(SOURCES)} documents",)
    assert encoded.target is not None
    for number in range(len(SOURCES)):
        source = torch.from_numpy(encoded.encodings[number].tokens).long()[None]
        tokens = encoded.target.encodings[number].tokens.tolist()
        assert tokens[0] == case.plain.config.decoder_start_token_id
        # token by token, the likeliest after all before it
        with torch.inference_mode():
            logits = case.plain(input_ids=source, decoder_input_ids=torch.tensor([tokens[:-1]]), use_cache=False).logits
        own = tokens[1:] if not encoded.target.encodings[number].truncated else tokens[1:-1]
        assert logits[0, : len(own)].argmax(-1).tolist() == own


@pytest.mark.parametrize("settings", [
    {"return_dict_in_generate": True, "output_scores": True},
    {"penalty_alpha": 0.6, "top_k": 4},
    {"guidance_scale": 2.0},
    {"repetition_penalty": -1},
    {"stop_strings": ["a"]},
    {"prompt_lookup_num_tokens": 3},
    {"cache_implementation": "quantized"},
    {"dola_layers": "low"},
    {"num_beams": 4, "do_sample": True, "temperature": 2.0},
    {"decoder_start_token_id": 9999, "eos_token_id": 9999, "max_length": 1},
])  # fmt: skip
def test_what_is_written_does_not_depend_on_how_others_would_search(settings: dict[str, Any]) -> None:
    case = Case("bart")
    texts = Corpus("texts", tuple(map(text_document, SOURCES)), "none")
    expected = encode(case.model, texts).target
    own = case.model.network.generation_config = transformers.GenerationConfig(**settings)
    written = encode(case.model, texts).target
    assert expected is not None and written is not None
    assert [one.tokens.tolist() for one in written.encodings] == [one.tokens.tolist() for one in expected.encodings]
    assert case.model.network.generation_config is own


def test_tokens_that_the_settings_forbid_are_not_written() -> None:
    case = Case("bart")
    texts = Corpus("texts", tuple(map(text_document, SOURCES)), "none")
    first = encode(case.model, texts).target
    assert first is not None
    likeliest = int(first.encodings[0].tokens[1])
    case.model.network.generation_config = transformers.GenerationConfig(suppress_tokens=[likeliest])
    written = encode(case.model, texts).target
    assert written is not None and likeliest not in written.encodings[0].tokens[1:]


@pytest.mark.parametrize("settings", [{"forced_bos_token_id": 9999}, {"bad_words_ids": [[9999]]}])
def test_settings_by_which_nothing_can_be_written_are_a_refusal(settings: dict[str, Any]) -> None:
    case = Case("bart")
    case.model.network.generation_config = transformers.GenerationConfig(**settings)
    with pytest.raises(ModelError, match=r"could not write what its decoder is to read.*9999.*corpus\.target=FILE"):
        encode(case.model, Corpus("texts", (text_document("A cat."),), "none"))


@pytest.mark.parametrize("name", ["decoder_start_token_id", "eos_token_id"])
@pytest.mark.parametrize("token", [-1, 10**6])
def test_a_start_or_an_end_that_has_no_embedding_is_refused_by_name(name: str, token: int) -> None:
    case = Case("bart")
    setattr(case.model.network.config, name, token)
    for texts in (corpus(), Corpus("texts", (text_document("A cat."),), "none")):
        with pytest.raises(ModelError, match=rf"names {name}={token}, and its decoder has embeddings for \d+ tokens"):
            encode(case.model, texts)


def test_a_t5_with_more_layers_in_its_decoder_writes() -> None:
    case = Case("t5")
    encoded = encode(case.model, Corpus("texts", tuple(map(text_document, SOURCES)), "none"))
    assert encoded.target is not None
    for source, target in zip(encoded.encodings, encoded.target.encodings, strict=True):
        tokens = target.tokens.tolist()
        with torch.inference_mode():
            logits = case.plain(
                input_ids=torch.from_numpy(source.tokens).long()[None],
                decoder_input_ids=torch.tensor([tokens[:-1]]),
                use_cache=False,
            ).logits
        own = tokens[1:] if not target.truncated else tokens[1:-1]
        assert logits[0, : len(own)].argmax(-1).tolist() == own


def test_a_target_that_the_tokenizer_cannot_read_is_an_error(shared: Any) -> None:
    model = load_model(shared / "models" / "aren-transliteration")
    document = replace(text_document("بغداد"), target=text_document("baghdad"))
    with pytest.raises(ModelError, match="knows no letter of the target"):
        encode(model, Corpus("pair", (document,), "none"))


def test_a_real_model_writes_what_its_card_says_and_attends_as_transformers_says(shared: Any) -> None:
    folder = shared / "models" / "aren-transliteration"
    model = load_model(folder)
    assert len(model.heads) == 144
    texts = ("بغداد", "القاهرة", "محمد")
    encoded = encode(model, Corpus("names", tuple(map(text_document, texts)), "none"))
    assert encoded.target is not None
    plain = transformers.AutoModelForSeq2SeqLM.from_pretrained(folder, attn_implementation="eager").eval()
    sources = [torch.from_numpy(one.tokens).long()[None] for one in encoded.encodings]
    written = [plain.generate(one, num_beams=1, do_sample=False, max_new_tokens=40)[0].tolist() for one in sources]
    assert [one.tokens.tolist() for one in encoded.target.encodings] == written
    assert encoded.target.corpus.documents[0].text == "baghdad"
    batch = Group(encoded, model, (0, 1, 2)).batch()
    seen: dict[tuple[str, int], torch.Tensor] = {}
    model.run(batch, pattern=lambda site, layer, pattern: seen.update({(site, layer): pattern}))
    for number in range(len(texts)):
        source, written = (
            torch.from_numpy(one.encodings[number].tokens).long()[None] for one in (encoded, encoded.target)
        )
        with torch.inference_mode():
            out = plain(input_ids=source, decoder_input_ids=written, output_attentions=True, use_cache=False)
        expected = {"encoder": out.encoder_attentions, "decoder": out.decoder_attentions, "cross": out.cross_attentions}
        for (site, layer), pattern in seen.items():
            alone = expected[site][layer][0]
            torch.testing.assert_close(pattern[number, :, : alone.shape[1], : alone.shape[2]], alone, atol=1e-5, rtol=0)


def test_half_a_corpus_keeps_its_targets() -> None:
    """As `experiment=pruning_curve` needs it."""
    case = Case("bart")
    texts = [f"The cat sat {number} times." for number in range(8)]
    documents = tuple(replace(text_document(text), target=text_document(f"It is {text}")) for text in texts)
    for half in halves(encode(case.model, Corpus("texts", documents, "none"))):
        assert half.target is not None
        pairs = zip(half.corpus, half.target.corpus, strict=True)
        assert all(target.text == f"It is {document.text}" for document, target in pairs)
        assert len(half.target.encodings) == len(half.target.words) == len(half)


def test_a_sentence_of_one_word_has_nothing_to_show() -> None:
    case = Case("bart")
    with pytest.raises(InterpError, match="no word can attend to another"):
        sentence.run(case.model, Corpus("one", (text_document("Cats"),), "none"))


# The gate


def test_the_gate_proves_every_site(case: Case) -> None:
    checks = {check.name: check for check in prove(case.model, corpus())}
    assert all(check.deviation is not None and check.passed for check in checks.values())
    assert {"heads_add_up", "head_map", "same_as_unhooked", "padding_changes_nothing"} <= checks.keys()


@pytest.mark.parametrize("broken", SITES)
def test_the_gate_names_heads_that_are_mixed_up_at_one_site(broken: str, monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("marian")
    right = AttentionModel.contribution

    def wrong(self: AttentionModel, layer: int, z: torch.Tensor, site: Site = "self") -> torch.Tensor:
        return right(self, layer, z.flip(2) if site == broken else z, site)

    monkeypatch.setattr(AttentionModel, "contribution", wrong)
    with pytest.raises(ModelError, match=rf"heads_add_up \([^)]*\({broken}\)"):
        prove(case.model, corpus())


def test_the_gate_sees_attention_beyond_what_is_said_to_be_visible(monkeypatch: pytest.MonkeyPatch) -> None:
    case = Case("bart")
    right = AttentionModel.visible

    def wrong(self: AttentionModel, batch: Batch, site: Site = "self", layer: int = 0) -> torch.Tensor:
        return right(self, batch, site, layer).tril()

    monkeypatch.setattr(AttentionModel, "visible", wrong)
    with pytest.raises(ModelError, match="nothing_invisible_is_seen"):
        prove(case.model, corpus())
