"""Heads laid open, against the state dict, dense matrices in numpy and plain transformers one sentence at a time."""

import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import pytest
import torch
import transformers

import interp as package
from experiments import anatomy as experiment
from interp import plots
from interp.corpora.encoding import encode
from interp.errors import InterpError, ModelError
from interp.models import circuits
from interp.models.head_weights import HeadWeights, head_weights, lay_open
from interp.models.loading import from_transformers
from interp.roles import positional
from interp.statistics import bootstrap_interval
from interp.tables import anatomy_table
from interp.tables.anatomy import PLACES
from interp.tallies.contributions import measure_contributions, shares
from interp.types import Head
from tests.conftest import (
    HEADS,
    LAYERS,
    TEXTS,
    WIDTH,
    Case,
    batch_of,
    bert_config,
    byte_level_tokenizer,
    corpus_of,
    gpt2_config,
    grouped_query_config,
    output_projections,
    plain_inputs,
    plain_values,
    seeded,
    tiny,
    word_piece_tokenizer,
)
from tests.models.hugging_face.test_families import FAMILIES
from tests.support.fakes import FakeModel, uniform

if TYPE_CHECKING:
    from tests.support.command_line import Outcome

pytest_plugins = ("tests.support.command_line",)

D_HEAD = WIDTH // HEADS
CASES = ["tiny_gpt2", "tiny_bert", "tiny_llama", "tiny_neox"]
MANY = tuple(f"{start} {end}" for start in ("The cat sat.", "Go!", "A dog.") for end in TEXTS)

close = partial(pytest.approx, abs=1e-5, rel=1e-5)


@pytest.fixture(params=CASES)
def case(request: pytest.FixtureRequest) -> Case:
    return request.getfixturevalue(request.param)


# Slices


def slices_by_hand(plain: Any, layer: int, head: int) -> dict[str, Any]:
    """The slices of one head from the state dict, as each family's own code cuts them."""
    state, kind = plain.base_model.state_dict(), plain.config.model_type
    rows = slice(head * D_HEAD, (head + 1) * D_HEAD)
    if kind == "gpt2":
        weight, bias = state[f"h.{layer}.attn.c_attn.weight"].T, state[f"h.{layer}.attn.c_attn.bias"]
        parts = [(weight[i * WIDTH :][rows].T, bias[i * WIDTH :][rows]) for i in range(3)]
        output = state[f"h.{layer}.attn.c_proj.weight"][rows]
    elif kind == "bert":
        stem = f"encoder.layer.{layer}.attention"
        names = [f"{stem}.self.{name}" for name in ("query", "key", "value")]
        parts = [(state[f"{name}.weight"][rows].T, state[f"{name}.bias"][rows]) for name in names]
        output = state[f"{stem}.output.dense.weight"].T[rows]
    elif kind == "gpt_neox":
        stem = f"layers.{layer}.attention"
        weight = state[f"{stem}.query_key_value.weight"].view(HEADS, 3, D_HEAD, WIDTH)
        bias = state[f"{stem}.query_key_value.bias"].view(HEADS, 3, D_HEAD)
        parts = [(weight[head, i].T, bias[head, i]) for i in range(3)]
        output = state[f"{stem}.dense.weight"].T[rows]
    else:
        group = slice(head // 2 * D_HEAD, (head // 2 + 1) * D_HEAD)
        stem = f"layers.{layer}.self_attn"
        cuts = {"q_proj": rows, "k_proj": group, "v_proj": group}
        parts = [(state[f"{stem}.{name}.weight"][cut].T, None) for name, cut in cuts.items()]
        output = state[f"{stem}.o_proj.weight"].T[rows]
    named = zip(("query", "key", "value"), parts, strict=True)
    by_hand = {key: part for name, both in named for key, part in zip((name, f"{name}_bias"), both, strict=True)}
    return {**by_hand, "output": output}


def test_the_slices_are_those_of_the_state_dict(case: Case) -> None:
    for head in case.model.heads:
        found = head_weights(case.model, head)
        for name, expected in slices_by_hand(case.plain, head.layer, head.head).items():
            mine = getattr(found, name)
            if expected is None:
                assert mine is None, name
            else:
                assert mine.shape == expected.shape
                assert torch.equal(mine, expected), (head, name)
        assert found.scaling == D_HEAD**-0.5


@pytest.mark.parametrize("kind", [transformers.BertModel, transformers.GPT2Model])
def test_slices_are_told_apart_in_low_precision_and_where_weights_are_equal(kind: Any) -> None:
    """In bfloat16 different columns often give the same numbers; here all of layer 1 do, its weights being zero."""
    tokenizer = byte_level_tokenizer()
    make = bert_config if kind is transformers.BertModel else gpt2_config
    given = seeded(kind, make(len(tokenizer))).bfloat16()
    for name, parameter in given.named_parameters():
        if ".1." in f".{name}" and "att" in name:
            parameter.data.zero_()
    model = from_transformers(given, tokenizer, name="low")
    for head in model.heads:
        found = head_weights(model, head)
        for name, expected in slices_by_hand(given, head.layer, head.head).items():
            assert torch.equal(getattr(found, name), expected), (head, name)
    read = {columns.columns.tolist()[0] for layer in lay_open(model).slices().values() for columns in layer.key}
    assert read == {head * D_HEAD + (WIDTH if kind is transformers.GPT2Model else 0) for head in range(HEADS)}


@pytest.mark.parametrize("number", [float("nan"), float("inf")])
def test_slices_are_found_where_the_embedding_of_a_probe_is_broken(number: float) -> None:
    """The probes are tokens like any other: what they make of the residual stream decides nothing."""
    tokenizer = word_piece_tokenizer()
    network = seeded(transformers.BertForMaskedLM, bert_config(len(tokenizer), tie_word_embeddings=False))
    intact = from_transformers(network, tokenizer)
    with torch.no_grad():
        # every token that is not one of the first two, with which a network is opened
        network.get_input_embeddings().weight[2:] = number
    broken = from_transformers(network, tokenizer)
    for head in intact.heads:
        one, other = head_weights(broken, head), head_weights(intact, head)
        for part in ("query", "key", "value", "output"):
            assert torch.equal(getattr(one, part), getattr(other, part))


def test_what_scales_rotary_embeddings_is_part_of_the_scaling() -> None:
    tokenizer = byte_level_tokenizer()
    rope = {"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 12, "rope_theta": 1e4}
    config = grouped_query_config(transformers.LlamaConfig, len(tokenizer), rope_parameters=rope)
    model = from_transformers(seeded(transformers.LlamaForCausalLM, config), tokenizer, name="yarn")
    scaling = head_weights(model, model.heads[0]).scaling
    assert scaling == pytest.approx(D_HEAD**-0.5 * (0.1 * np.log(4) + 1) ** 2)


def test_grouped_heads_share_keys_and_values_and_nothing_else(tiny_llama: Case) -> None:
    first, second, third = (head_weights(tiny_llama.model, Head("self", 1, head)) for head in range(3))
    assert torch.equal(first.key, second.key)
    assert torch.equal(first.value, second.value)
    assert not torch.equal(first.query, second.query)
    assert not torch.equal(second.key, third.key)


@pytest.fixture(scope="module")
def tiny_opt() -> Case:
    """Scales its queries before the attention function does."""
    kind, make = FAMILIES["opt"]
    return tiny(kind, make, byte_level_tokenizer())


@pytest.mark.parametrize("name", ["tiny_opt", "tiny_gpt2", "tiny_bert"])
def test_patterns_and_outputs_follow_from_the_weights(name: str, request: pytest.FixtureRequest) -> None:
    """The second layer by hand: softmax of scaling · q · k, then Σ_h a v W_O + b_O, against plain transformers."""
    case: Case = request.getfixturevalue(name)
    batch = batch_of(case.model, TEXTS[1:2])
    seen: list[torch.Tensor] = []
    base: Any = case.plain.base_model
    if name == "tiny_opt":
        attention, projection = base.decoder.layers[1].self_attn, base.decoder.layers[1].self_attn.out_proj
        reads = attention.q_proj
    elif name == "tiny_gpt2":
        reads, projection = base.h[1].attn.c_attn, base.h[1].attn.c_proj
    else:
        reads, projection = base.encoder.layer[1].attention.self.query, base.encoder.layer[1].attention.output.dense
    handles = [
        reads.register_forward_hook(lambda _module, args, _out: seen.append(args[0])),
        projection.register_forward_hook(lambda _module, _args, out: seen.append(out)),
    ]
    with torch.inference_mode():
        attentions = case.plain(**plain_inputs(case.model, batch), output_attentions=True).attentions[1][0]
    for handle in handles:
        handle.remove()
    x, written = (tensor.reshape(batch.tokens.shape[1], -1) for tensor in seen)
    summed = projection.bias.clone()
    for head in range(HEADS):
        w = head_weights(case.model, Head("self", 1, head))
        assert w.query_bias is not None
        assert w.key_bias is not None
        assert w.value_bias is not None
        scores = w.scaling * (x @ w.query + w.query_bias) @ (x @ w.key + w.key_bias).T
        if case.model.causal:
            scores = scores.masked_fill(~torch.ones_like(scores, dtype=torch.bool).tril(), -torch.inf)
        pattern = scores.softmax(-1)
        torch.testing.assert_close(pattern, attentions[head], atol=1e-5, rtol=1e-4)
        summed = summed + pattern @ (x @ w.value + w.value_bias) @ w.output
    torch.testing.assert_close(summed, written, atol=1e-4, rtol=1e-4)


def test_what_cannot_be_proven_is_refused_by_name(tiny_gpt2: Case) -> None:
    kind, make = FAMILIES["qwen3"]
    tokenizer = byte_level_tokenizer()
    normed = from_transformers(seeded(kind, make(len(tokenizer))), tokenizer, name="normed")
    with pytest.raises(ModelError, match=r"queries in layer 0 \(self\) of 'normed' are no linear map.*Allowed: models"):
        head_weights(normed, normed.heads[0])
    given = from_transformers(tiny_gpt2.plain, tiny_gpt2.tokenizer, name="bridged", backend="bridge")
    with pytest.raises(ModelError, match=r"'bridged' .*BridgeModel.*model\.backend=attention"):
        head_weights(given, given.heads[0])
    with pytest.raises(ModelError, match=r"no head \('self', 2, 0\).*\('self', 0, 0\) to \('self', 1, 3\)"):
        head_weights(tiny_gpt2.model, Head("self", 2, 0))
    with pytest.raises(ModelError, match=r"'fake'.*FakeModel"):
        package.anatomy(FakeModel(uniform, 1), corpus_of())


# Circuits, planted


def random_matrix(rows: int, columns: int, seed: int = 0) -> torch.Tensor:
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(rows, columns))).float()


def test_effective_rank_is_that_of_the_dense_product() -> None:
    left, right = random_matrix(20, 5, 1), random_matrix(5, 30, 2)
    dense = np.linalg.svd((left @ right).numpy(), compute_uv=False)
    values = circuits.singular_values(left, right)
    assert values == pytest.approx(dense[:5], rel=1e-4)
    assert dense[5:] == pytest.approx(0, abs=1e-4)
    share = values / values.sum()
    assert circuits.effective_rank(values) == pytest.approx(np.prod(share**-share))


def test_planted_ranks() -> None:
    orthogonal = torch.linalg.qr(random_matrix(12, 4)).Q
    same = circuits.singular_values(orthogonal, orthogonal.T)
    assert circuits.effective_rank(same) == pytest.approx(4, rel=1e-6)
    alone = orthogonal * torch.tensor([3.0, 0, 0, 0])
    assert circuits.effective_rank(circuits.singular_values(alone, orthogonal.T)) == pytest.approx(1, rel=1e-6)
    assert circuits.effective_rank(np.zeros(4)) == 0


def test_planted_copying() -> None:
    """A projection copies, its negative reverses, a quarter turn does neither, and one of two each way cancels."""
    basis = torch.linalg.qr(random_matrix(12, 4)).Q
    assert circuits.copying(basis, basis.T) == pytest.approx(1)
    assert circuits.copying(basis, -basis.T) == pytest.approx(-1)
    turn = torch.block_diag(*[torch.tensor([[0.0, -1.0], [1.0, 0.0]])] * 2)
    assert circuits.copying(basis, turn @ basis.T) == pytest.approx(0, abs=1e-6)
    assert circuits.copying(basis, torch.diag(torch.tensor([1.0, 1, -1, 0])) @ basis.T) == pytest.approx(1 / 3)
    assert np.isnan(circuits.copying(basis, 0 * basis.T))


def test_copying_through_the_vocabulary_is_that_of_the_dense_product() -> None:
    embedding, unembedding = random_matrix(25, 12, 3), random_matrix(12, 25, 4)
    value, output = random_matrix(12, 4, 5), random_matrix(4, 12, 6)
    dense = np.linalg.eigvals((embedding @ value @ output @ unembedding).double().numpy())
    expected = dense.real.sum() / np.abs(dense).sum()
    assert abs(expected) < 0.9
    assert circuits.copying(value, output, unembedding @ embedding) == pytest.approx(expected, abs=1e-3)
    assert circuits.copying(value, output) != pytest.approx(expected, abs=1e-2)


def test_a_planted_head_of_position_looks_at_the_token_before() -> None:
    """Positions are unit vectors; W_Q moves each to the one before it."""
    size, strength = 10, 40.0
    shift = torch.diag(torch.ones(size - 1), diagonal=-1)
    same = torch.eye(size)
    weights = HeadWeights(shift, same, same, same, None, None, None, strength)
    visible = np.tri(size, dtype=bool)
    pattern = circuits.positional_pattern(weights, torch.eye(size), visible)
    masses = circuits.offset_masses(pattern, visible)
    assert masses[circuits.OFFSETS.index(-1)] == pytest.approx(1)
    assert np.isnan(masses[circuits.OFFSETS.index(1)])
    assert masses[circuits.OFFSETS.index(0)] == pytest.approx(1 / size)  # the first sees only itself


# Circuits of whole models


def test_the_circuits_of_gpt2_by_hand(tiny_gpt2: Case) -> None:
    table = circuits.circuit_table(tiny_gpt2.model)
    assert [tuple(row) for row in table[["site", "layer", "head"]].to_numpy()] == list(tiny_gpt2.model.heads)
    base: Any = tiny_gpt2.plain.base_model
    embedding, length = base.wte.weight.detach().numpy().astype(float), base.wpe.weight.shape[0]
    for row in table.to_dict("records"):
        parts = slices_by_hand(tiny_gpt2.plain, row["layer"], row["head"])
        w = {name: part.numpy().astype(float) for name, part in parts.items()}
        qk, ov = w["query"] @ w["key"].T, w["value"] @ w["output"]
        for name in ("query", "key", "value", "output"):
            assert row[f"{name}_norm"] == pytest.approx(np.linalg.norm(w[name]))
        assert (row["qk_norm"], row["ov_norm"]) == close((np.linalg.norm(qk), np.linalg.norm(ov)))
        for name, dense in (("qk_rank", qk), ("ov_rank", ov)):
            values = np.linalg.svd(dense, compute_uv=False)[:D_HEAD]
            share = values / values.sum()
            assert row[name] == pytest.approx(np.exp(-(share * np.log(share)).sum()))
        eigenvalues = np.linalg.eigvals(embedding @ ov @ embedding.T)
        assert row["copying"] == pytest.approx(eigenvalues.real.sum() / np.abs(eigenvalues).sum(), abs=1e-3)
        with torch.no_grad():
            read = base.h[row["layer"]].ln_1(base.wpe.weight).numpy().astype(float)
        looks = np.zeros((length, length))
        for query in range(length):
            scores = [
                (read[query] @ w["query"] + w["query_bias"]) @ (read[key] @ w["key"] + w["key_bias"]) / D_HEAD**0.5
                for key in range(query + 1)
            ]
            looks[query, : query + 1] = np.exp(scores) / np.exp(scores).sum()
        masses = {by: np.mean([looks[query, query + by] for query in range(-by, length)]) for by in (-3, -2, -1, 0)}
        best = max(masses, key=lambda by: masses[by])
        assert row["position_previous"] == pytest.approx(masses[-1], rel=1e-4)
        assert (row["position_offset"], row["position_mass"]) == (best, pytest.approx(masses[best], rel=1e-4))
    assert (table.copying_space == "vocabulary").all()
    assert len(set(table.position_offset)) > 1


def test_what_a_model_has_not_is_empty(
    tiny_llama: Case, tiny_neox: Case, tiny_bert: Case, tiny_bert_base: Case
) -> None:
    """Rotary models have no positions of their own; BERT's language head is no linear map of the residual stream."""
    for case in (tiny_llama, tiny_neox):
        table = circuits.circuit_table(case.model)
        assert table[["position_previous", "position_offset", "position_mass"]].isna().all(axis=None)
        assert (table.copying_space == "vocabulary").all()
        assert any(
            "No absolute positions of the model are known" in line
            for line in experiment.run(case.model, corpus_of()).notes
        )
    for case in (tiny_bert, tiny_bert_base):
        table = circuits.circuit_table(case.model)
        assert table.position_mass.notna().all()
        assert (table.position_offset > 0).any()
        assert (table.copying_space == "residual").all()
        for row in table.to_dict("records"):
            parts = slices_by_hand(case.plain, row["layer"], row["head"])
            eigenvalues = np.linalg.eigvals((parts["value"] @ parts["output"]).double().numpy())
            assert row["copying"] == pytest.approx(eigenvalues.real.sum() / np.abs(eigenvalues).sum(), abs=1e-3)


def test_bert_reads_its_positions_through_the_norm_in_front_of_each_layer(tiny_bert_base: Case) -> None:
    base: Any = tiny_bert_base.plain.base_model
    table = circuits.circuit_table(tiny_bert_base.model).set_index(["layer", "head"])
    norms = [base.embeddings.LayerNorm, base.encoder.layer[0].output.LayerNorm]
    for layer, norm in enumerate(norms):
        with torch.no_grad():
            read = norm(base.embeddings.position_embeddings.weight)
        for head in range(HEADS):
            w = slices_by_hand(tiny_bert_base.plain, layer, head)
            scores = (read @ w["query"] + w["query_bias"]) @ (read @ w["key"] + w["key_bias"]).T / D_HEAD**0.5
            previous = scores.softmax(-1).diagonal(-1).mean().item()
            assert table.loc[(layer, head), "position_previous"] == pytest.approx(previous, rel=1e-4)


# On a corpus


def one_sentence(case: Case, text: str) -> list[dict[str, Any]]:
    """Per layer, in numpy from plain transformers: attention, the vectors f(x_j), and what each head writes."""
    batch = batch_of(case.model, [text])
    with torch.inference_mode():
        attentions = case.plain(**plain_inputs(case.model, batch), output_attentions=True).attentions
    layers = []
    for layer in range(LAYERS):
        output = np.stack([slices_by_hand(case.plain, layer, head)["output"].numpy() for head in range(HEADS)])
        value = plain_values(case, batch, layer)[0].numpy()
        f = np.einsum("hkd,hdm->hkm", value, output).astype(float)
        pattern = attentions[layer][0].numpy().astype(float)
        layers.append({"pattern": pattern, "f": f, "written": np.einsum("hqk,hkm->hqm", pattern, f)})
    special = batch.special[0].numpy()
    return [{**layer, "special": special} for layer in layers]


def places_asked(query: int, special: np.ndarray, causal: bool) -> dict[str, list[int]]:
    """What the token `query` is asked about, and where that is."""
    seen = range(query + 1) if causal else range(len(special))
    if special[query] or len(seen) < 2:
        return {}
    asked = {
        "previous": [query - 1] if query else [],
        "self": [query],
        "first": [0] if query else [],
        "separator": [key for key in seen if special[key] and key != 0],
    }
    return {name: keys for name, keys in asked.items() if keys}


def test_norms_shares_and_weighted_attention_one_sentence_at_a_time(case: Case) -> None:
    table = package.anatomy(case.model, corpus_of()).set_index(["layer", "head"])
    norms, parts = np.zeros((LAYERS, HEADS)), np.zeros((LAYERS, HEADS))
    masses: dict[str, list[np.ndarray]] = {}
    tokens = 0
    for text in TEXTS:
        sentence = one_sentence(case, text)
        tokens += len(sentence[0]["special"])
        looks: dict[str, np.ndarray] = {"": np.stack([layer["pattern"] for layer in sentence])}
        weighted = np.stack(
            [np.linalg.norm(layer["pattern"][..., None] * layer["f"][:, None], axis=-1) for layer in sentence]
        )
        looks["_by_norm"] = weighted / weighted.sum(-1, keepdims=True)
        for number, layer in enumerate(sentence):
            together = layer["written"].sum(0)
            norms[number] += np.linalg.norm(layer["written"], axis=-1).sum(-1)
            dots = (layer["written"] * together).sum(-1)
            parts[number] += (dots / (together**2).sum(-1)).sum(-1)
        special = sentence[0]["special"]
        for query in range(len(special)):
            for place, keys in places_asked(query, special, case.model.causal).items():
                for kind, look in looks.items():
                    masses.setdefault(place + kind, []).append(look[:, :, query, keys].sum(-1))
    assert (table.n == tokens).all()
    for row in table.itertuples():
        at: Any = row.Index
        assert (row.written, row.share) == close((norms[at] / tokens, parts[at] / tokens))
        for column, values in masses.items():
            assert getattr(row, column) == close(np.mean(values, axis=0)[at]), (column, at)
    has_separator = case.tokenizer.sep_token is not None
    assert ("separator" in masses) == has_separator
    assert table.separator.notna().all() == table.separator_by_norm.notna().all() == has_separator
    assert (table["first"] - table["first_by_norm"]).abs().max() > 0.01, "or the test could not tell them apart"


def test_shares_sum_to_one_and_heads_and_bias_to_the_layers_output(case: Case) -> None:
    sums = measure_contributions(case.model, encode(case.model, corpus_of()))
    assert sums.share.reshape(LAYERS, HEADS, -1).sum(1) == close(sums.n.reshape(LAYERS, HEADS, -1)[:, 0])
    outputs: list[torch.Tensor] = []
    projections: list[Any] = output_projections(case.plain)
    handles = [
        module.register_forward_hook(lambda _module, _args, out: outputs.append(out[0].detach()))
        for module in projections
    ]
    sentence = one_sentence(case, TEXTS[1])
    for handle in handles:
        handle.remove()
    for layer, out, module in zip(sentence, outputs, projections, strict=False):
        bias = 0 if module.bias is None else module.bias.detach().numpy()
        assert layer["written"].sum(0) + bias == pytest.approx(out.numpy(), abs=1e-4)


def test_planted_shares() -> None:
    """One head writes 3, one 1, one −1 along the same direction; a layer that writes nothing has no shares."""
    z = torch.tensor([3.0, 1.0, -1.0]).view(1, 1, 3, 1)
    output = torch.tensor([[0.0, 2.0]]).expand(3, 1, 2)
    assert shares(z, output)[0, 0].tolist() == close([1.0, 1 / 3, -1 / 3])
    assert shares(0 * z, output)[0, 0].tolist() == [0, 0, 0]


def test_raw_attention_is_the_mass_of_the_roles(tiny_bert: Case) -> None:
    corpus = corpus_of(MANY)
    table = package.anatomy(tiny_bert.model, corpus)
    scores = package.score(tiny_bert.model, corpus, roles=positional(), min_blocks=2).query("split == 'all'")
    for role, column in (("offset-1", "previous"), ("self", "self"), ("first", "first"), ("separator", "separator")):
        assert table[column].to_numpy() == close(scores[scores.role == role].mass.to_numpy())


def test_intervals_resample_blocks(tiny_gpt2: Case) -> None:
    encoded = encode(tiny_gpt2.model, corpus_of(MANY))
    sums = measure_contributions(tiny_gpt2.model, encoded)
    filled = int((sums.n[0] > 0).sum())
    assert filled >= 8
    table = anatomy_table(circuits.circuit_table(tiny_gpt2.model), sums, seed=3, min_blocks=filled)
    for name, totals in (("share", sums.share), ("written", sums.norm)):
        low, high = bootstrap_interval(totals, sums.n[0], seed=3, min_blocks=filled)
        assert table[f"{name}_ci_low"].to_numpy() == pytest.approx(low)
        assert table[f"{name}_ci_high"].to_numpy() == pytest.approx(high)
        assert (table[f"{name}_ci_low"] <= table[name]).all()
    few = anatomy_table(circuits.circuit_table(tiny_gpt2.model), sums, seed=3, min_blocks=filled + 1)
    assert few[["share_ci_low", "written_ci_high"]].isna().all(axis=None)


def test_no_pass_leaves_anything_behind(tiny_gpt2: Case) -> None:
    package.anatomy(tiny_gpt2.model, corpus_of())
    network: Any = tiny_gpt2.model.network
    assert not any(module._forward_hooks for module in network.modules())
    assert not any("_interp_watch" in vars(module) for module in network.modules())


# Figures


@pytest.fixture(scope="module")
def table(tiny_bert: Case) -> pd.DataFrame:
    return package.anatomy(tiny_bert.model, corpus_of())


def test_the_maps_draw_every_number(table: pd.DataFrame) -> None:
    figure = plots.anatomy_maps(table)
    titled = {axes.get_title(loc="left"): axes for axes in figure.axes if axes.get_title(loc="left")}
    titles = {
        "share": "share of the layer's output", "written": "norm of what it writes", "qk_rank": "effective rank of QK",
        "ov_rank": "effective rank of OV", "copying": "OV copying, Σ Re λ / Σ |λ|",
        "position_mass": "attention by position alone",
    }  # fmt: skip
    assert set(titled) == set(titles.values())
    for column, title in titles.items():
        drawn = np.asarray(titled[title].collections[0].get_array())
        assert drawn == pytest.approx(table[column].to_numpy().reshape(LAYERS, HEADS))
    rotary = plots.anatomy_maps(table.assign(position_mass=np.nan, position_offset=np.nan, copying=np.nan))
    assert {axes.get_title(loc="left") for axes in rotary.axes} - {""} == set(titles.values()) - {
        titles["position_mass"], titles["copying"],
    }  # fmt: skip


def test_the_scatter_draws_every_head(table: pd.DataFrame) -> None:
    figure = plots.attention_by_norm(table)
    drawn = [axes for axes in figure.axes if axes.get_title(loc="left")]
    assert len(drawn) == 4
    for axes, place in zip(drawn, ["previous", "self", "first", "separator"], strict=True):
        points = np.asarray(axes.collections[0].get_offsets())
        assert points == pytest.approx(table[[place, f"{place}_by_norm"]].to_numpy())
    causal = plots.attention_by_norm(table.assign(separator=np.nan, separator_by_norm=np.nan))
    assert sum(axes.get_title(loc="left") != "" for axes in causal.axes) == 3
    nowhere = table.copy()
    nowhere[list(PLACES.values())] = np.nan
    empty = plots.attention_by_norm(nowhere)
    assert "nothing to show" in empty.texts[0].get_text()
    with pytest.raises(InterpError, match="lacks: self_by_norm"):
        plots.attention_by_norm(table.drop(columns="self_by_norm"))
    assert "nothing to show" in plots.anatomy_maps(table.head(0)).texts[0].get_text()


# As it is used


def test_the_command_line_writes_the_table_and_figures(
    interp: Callable[..., "Outcome"], tiny: tuple[str, str], corpus: tuple[str, str], tmp_path: Path
) -> None:
    outcome = interp("experiment=anatomy", *tiny, *corpus, "classify.min_blocks=3", "hydra.run.dir=run")
    assert outcome.code == 0, outcome.err
    assert "Largest shares of the layer's output, mean over" in outcome.out
    assert "Mean attention over heads, and the same weighted by norm:" in outcome.out
    assert "copying_space residual" in outcome.out
    manifest = json.loads((tmp_path / "run" / "manifest.json").read_text())
    assert manifest["status"] == "complete"
    assert manifest["tables"] == {"anatomy": 2}
    for name in ("anatomy", "attention_by_norm"):
        assert (tmp_path / "run" / "figures" / f"{name}.pdf").read_bytes().startswith(b"%PDF")
    written = pd.read_parquet(tmp_path / "run" / "anatomy.parquet")
    assert written[["model", "corpus", "seed"]].drop_duplicates().to_numpy().tolist() == [["tiny", "small", 0]]
    assert written[["share", "share_ci_low", "position_mass", "separator_by_norm"]].notna().all(axis=None)
    assert written.share.sum() == close(1)


def test_a_model_that_cannot_be_laid_open_is_refused(
    interp: Callable[..., "Outcome"], tiny: tuple[str, str], corpus: tuple[str, str]
) -> None:
    outcome = interp("experiment=anatomy", *tiny, *corpus, "model.backend=bridge")
    assert outcome.code != 0
    assert "model.backend=attention" in outcome.err
