"""Heads of every site laid open: encoder-decoders and one's own modules, against named weights and numpy."""

from collections.abc import Iterator
from functools import cache, partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import interp
from experiments import anatomy as experiment
from interp import plots
from interp.corpora.batching import Group
from interp.corpora.encoding import encode
from interp.corpora.reversal import reversal
from interp.corpora.text import text_document
from interp.errors import ModelError
from interp.models import circuits
from interp.models.head_weights import LayerSlices, head_weights, lay_open
from interp.models.loading import from_transformers
from interp.models.recurrent import recurrent
from interp.models.torch_modules import slices as torch_slices
from interp.models.torch_modules.model import from_module
from interp.tallies.contributions import measure_contributions
from interp.types import Corpus, Head, Output
from tests.conftest import TEXTS, byte_level_tokenizer, corpus_of, seeded
from tests.models import test_encoder_decoders
from tests.models.hugging_face import test_families
from tests.models.test_encoder_decoders import SITES, SOURCES
from tests.models.torch_modules import test_model as test_multihead
from tests.models.torch_modules.test_model import HEADS, WIDTH

pytestmark = pytest.mark.filterwarnings("ignore:The PyTorch API of nested tensors")

close = partial(pytest.approx, abs=1e-5, rel=1e-4)
Pair = test_encoder_decoders.Case
Own = test_multihead.Case


@pytest.fixture(scope="module", params=test_encoder_decoders.FAMILIES)
def pair(request: pytest.FixtureRequest) -> Pair:
    return Pair(request.param)


@pytest.fixture(scope="module", params=test_multihead.KINDS)
def own(request: pytest.FixtureRequest) -> Own:
    return Own(request.param)


@cache
def table_of(case: Pair | Own) -> Any:
    return interp.anatomy(case.model, case.encoded.corpus)


def array(tensor: Tensor) -> np.ndarray:
    return tensor.detach().double().numpy()


def softmax(scores: np.ndarray) -> np.ndarray:
    powers = np.exp(scores - scores.max(-1, keepdims=True))
    return powers / powers.sum(-1, keepdims=True)


# Encoder-decoders


def modules_of(case: Pair, site: str, layer: int) -> dict[str, Any]:
    """The projections of one layer in plain transformers, by the names that each family gives them."""
    attention = test_encoder_decoders.parent_of(case.plain, case.projections(site)[layer])
    t5 = case.plain.config.model_type == "t5"
    names = ("q", "k", "v", "o") if t5 else ("q_proj", "k_proj", "v_proj", "out_proj")
    return {kind: getattr(attention, name) for kind, name in zip("qkvo", names, strict=True)}


def sliced(case: Pair, head: Head) -> dict[str, Any]:
    """The slices of one head, cut out of the modules' own weights."""
    modules = modules_of(case, head.site, head.layer)
    count = sum((one.site, one.layer) == (head.site, head.layer) for one in case.model.heads)
    size = modules["q"].weight.shape[0] // count
    rows = slice(head.head * size, (head.head + 1) * size)
    found: dict[str, Any] = {"output": modules["o"].weight.T[rows]}
    for kind, name in (("q", "query"), ("k", "key"), ("v", "value")):
        bias = modules[kind].bias
        found |= {name: modules[kind].weight[rows].T, f"{name}_bias": None if bias is None else bias[rows]}
    return found


def test_slices_are_the_modules_own_weights_at_every_site(pair: Pair) -> None:
    t5 = pair.plain.config.model_type == "t5"
    assert {head.site for head in pair.model.heads} == set(SITES)
    for head in pair.model.heads:
        found = head_weights(pair.model, head)
        for name, expected in sliced(pair, head).items():
            mine = getattr(found, name)
            assert (mine is None) == (expected is None)
            assert expected is None or torch.equal(mine, expected), (head, name)
        assert found.scaling == pytest.approx(1.0 if t5 else found.query.shape[1] ** -0.5)


@torch.inference_mode()
def read_by(case: Pair, number: int) -> dict[tuple[str, int], dict[str, np.ndarray]]:
    """What the maps of queries and of values read in every layer, of one document alone, from plain transformers."""
    found: dict[tuple[str, int], dict[str, np.ndarray]] = {}
    handles = []
    for site in SITES:
        for layer in range(len(case.projections(site))):
            modules = modules_of(case, site, layer)
            for kind in ("q", "v"):

                def keep(_m: Any, args: Any, _out: Any, at: Any = (site, layer), kind: str = kind) -> None:
                    found.setdefault(at, {})[kind] = array(args[0][0])

                handles.append(modules[kind].register_forward_hook(keep))
    case.plain(**case.one(number))
    for handle in handles:
        handle.remove()
    return found


def test_the_corpus_columns_are_those_of_one_document_at_a_time(pair: Pair) -> None:
    """Shares, norms and norm-weighted attention in numpy, from plain transformers' attention and inputs."""
    table = table_of(pair).set_index(["site", "layer", "head"])
    assert list(table.index) == [tuple(head) for head in pair.model.heads]
    assert pair.encoded.target is not None
    sides = {"encoder": pair.encoded, "decoder": pair.encoded.target, "cross": pair.encoded.target}
    counts = {site: sum(len(one.tokens) for one in side.encodings) for site, side in sides.items()}
    norms, parts = ({tuple(head): 0.0 for head in pair.model.heads} for _ in range(2))
    masses: dict[Any, dict[str, list[float]]] = {tuple(head): {} for head in pair.model.heads}
    for number in range(len(SOURCES)):
        attention, reads = pair.attentions(number), read_by(pair, number)
        for (site, layer), read in reads.items():
            heads = [head for head in pair.model.heads if (head.site, head.layer) == (site, layer)]
            written, looks = [], []
            for head in heads:
                w = {name: None if one is None else array(one) for name, one in sliced(pair, head).items()}
                f = (read["v"] @ w["value"] + (0 if w["value_bias"] is None else w["value_bias"])) @ w["output"]
                pattern = attention[site][layer][head.head].astype(float)
                written.append(pattern @ f)
                by_norm = pattern * np.linalg.norm(f, axis=-1)
                looks.append({"": pattern, "_by_norm": by_norm / by_norm.sum(-1, keepdims=True)})
            together = np.sum(written, axis=0)
            for head, one, look in zip(heads, written, looks, strict=True):
                norms[tuple(head)] += np.linalg.norm(one, axis=-1).sum()
                parts[tuple(head)] += ((one * together).sum(-1) / (together**2).sum(-1)).sum()
                special = sides[site].encodings[number].special
                source_special = pair.encoded.encodings[number].special
                for name, keys_of in asked_places(site, special, source_special).items():
                    for query, keys in keys_of.items():
                        for kind, weights in look.items():
                            masses[tuple(head)].setdefault(name + kind, []).append(weights[query, keys].sum())
    columns = {"previous", "self", "first", "separator", "diagonal", "source_first", "source_end", "aligned"}
    for one in pair.model.heads:
        head: Any = tuple(one)
        row: Any = table.loc[head]
        assert row.n == counts[head[0]]
        assert (row.written, row.share) == close((norms[head] / row.n, parts[head] / row.n))
        for column in columns:
            for name in (column, f"{column}_by_norm"):
                if name in masses[head]:
                    assert row[name] == close(np.mean(masses[head][name])), (head, name)
                else:
                    assert np.isnan(row[name]), (head, name)
    cross = table[table.index.get_level_values("site") == "cross"]
    assert cross.diagonal.notna().all()
    assert (cross.source_first - cross.source_first_by_norm).abs().max() > 1e-3


def asked_places(site: str, special: np.ndarray, source_special: np.ndarray) -> dict[str, dict[int, list[int]]]:
    """Per place, which keys answer which query of one document."""
    asked: dict[str, dict[int, list[int]]] = {}
    if site == "cross":
        text, own = np.flatnonzero(~source_special).tolist(), np.flatnonzero(~special).tolist()
        for nth, t in enumerate(own):  # the token at t is written by the query at t − 1
            asked.setdefault("source_first", {})[t - 1] = [0]
            asked.setdefault("source_end", {})[t - 1] = [len(source_special) - 1]
            asked.setdefault("diagonal", {})[t - 1] = [text[int((nth + 0.5) * len(text) / len(own))]]
        return asked
    for query in np.flatnonzero(~special).tolist():
        seen = range(query + 1) if site == "decoder" else range(len(special))
        if len(seen) < 2:
            continue
        asked.setdefault("self", {})[query] = [query]
        if query:
            asked.setdefault("previous", {})[query] = [query - 1]
            asked.setdefault("first", {})[query] = [0]
        if later := [key for key in seen if special[key] and key != 0]:
            asked.setdefault("separator", {})[query] = later
    return asked


def test_shares_of_every_layer_sum_to_the_tokens_that_ask(pair: Pair) -> None:
    sums = measure_contributions(pair.model, pair.encoded)
    for site, layer in dict.fromkeys(head[:2] for head in sums.heads):
        rows = [number for number, head in enumerate(sums.heads) if head[:2] == (site, layer)]
        assert sums.share[rows].sum(0) == close(sums.n[rows[0]])
        asking = pair.batch.query_side(site).mask.sum().item()  # pyright: ignore[reportArgumentType]
        assert sums.n[rows].sum(1).tolist() == [asking] * len(rows)


def copying_by_hand(*matrices: np.ndarray) -> float:
    eigenvalues = np.linalg.eigvals(np.linalg.multi_dot(matrices))
    return eigenvalues.real.sum() / np.abs(eigenvalues).sum()


def test_circuits_of_every_site_by_hand(pair: Pair) -> None:
    """Ranks and norms from dense products; copying through the shared vocabulary but at `encoder`."""
    table = table_of(pair)
    embedding = array(pair.plain.get_input_embeddings().weight)
    unembedding = array(pair.plain.get_output_embeddings().weight)
    for row in table.to_dict("records"):
        w = sliced(pair, Head(row["site"], row["layer"], row["head"]))
        query, key, value, output = (array(w[name]) for name in ("query", "key", "value", "output"))
        assert (row["qk_norm"], row["ov_norm"]) == close(
            (np.linalg.norm(query @ key.T), np.linalg.norm(value @ output))
        )
        for name, dense in (("qk_rank", query @ key.T), ("ov_rank", value @ output)):
            share = (values := np.linalg.svd(dense, compute_uv=False)[: query.shape[1]]) / values.sum()
            assert row[name] == close(np.exp(-(share * np.log(share)).sum()))
        if row["site"] == "encoder":
            assert row["copying_space"] == "residual"
            assert row["copying"] == pytest.approx(copying_by_hand(value, output), abs=1e-3)
        else:
            assert row["copying_space"] == "vocabulary"
            expected = copying_by_hand(embedding, value, output, unembedding.T)
            assert row["copying"] == pytest.approx(expected, abs=1e-3)


def test_without_one_table_of_embeddings_cross_attention_copies_nothing() -> None:
    """The decoder's own vocabulary stays its own; that of the source says nothing of it."""
    kind, configuration, options = test_encoder_decoders.FAMILIES["marian"]
    tokenizer = byte_level_tokenizer()
    config = configuration(
        vocab_size=len(tokenizer), decoder_vocab_size=len(tokenizer), share_encoder_decoder_embeddings=False,
        tie_word_embeddings=False, **options,
    )  # fmt: skip
    model = from_transformers(seeded(kind, config), tokenizer, name="apart")
    table: Any = circuits.circuit_table(model).set_index("site")
    assert (table.loc["cross", "copying_space"] == "none").all()
    assert table.loc["cross", "copying"].isna().all()
    assert (table.loc["decoder", "copying_space"] == "vocabulary").all()
    said = experiment.run(model, test_encoder_decoders.corpus()).notes
    assert any("another stream than they read at cross" in line for line in said)


def test_each_side_reads_its_own_positions_and_cross_none(pair: Pair) -> None:
    """Layer 0 by hand: what stands in front of it reads the side's own table of positions."""
    table = table_of(pair).set_index(["site", "layer", "head"])
    assert table[table.index.get_level_values("site") == "cross"].position_mass.isna().all()
    said = experiment.what_is_missing(table_of(pair))
    if pair.plain.config.model_type == "t5":
        assert table.position_mass.isna().all()
        assert said[0].startswith("No absolute positions")
        return
    assert said[0].startswith("At cross the columns position_")
    tables = [array(getattr(pair.plain.model, side).embed_positions.weight) for side in ("encoder", "decoder")]
    # Marian's are sinusoids; learned ones differ, so that a mix-up shows
    assert np.array_equal(tables[0], tables[1]) == (pair.plain.config.model_type == "marian")
    for site in ("encoder", "decoder"):
        side = getattr(pair.plain.model, site)
        positions = side.embed_positions.weight[-64:]  # BART's begin with two that are not used
        norms = {"bart": getattr(side, "layernorm_embedding", None), "blenderbot": side.layers[0].self_attn_layer_norm}
        norm = norms.get(pair.plain.config.model_type)
        read = array(positions if norm is None else norm(positions))
        for head in (one for one in pair.model.heads if (one.site, one.layer) == (site, 0)):
            w = {name: array(one) for name, one in sliced(pair, head).items()}
            scores = (read @ w["query"] + w["query_bias"]) @ (read @ w["key"] + w["key_bias"]).T
            scores *= w["query"].shape[1] ** -0.5
            if site == "decoder":
                scores[np.triu_indices(64, 1)] = -np.inf
            previous = np.diagonal(softmax(scores), -1).mean()
            assert table.loc[tuple(head), "position_previous"] == close(previous)


def test_the_maps_leave_out_what_a_site_has_not(pair: Pair) -> None:
    table = table_of(pair)
    figure = plots.anatomy_maps(table)
    titles = {axes.get_title(loc="left") for axes in figure.axes}
    placed = {f"attention by position alone, {site}" for site in ("encoder", "decoder")}
    assert titles & {f"attention by position alone, {site}" for site in SITES} == (
        set() if pair.plain.config.model_type == "t5" else placed
    )
    assert {f"share of the layer's output, {site}" for site in SITES} <= titles
    note = " ".join(text.get_text() for text in figure.texts)
    assert "eigenvalues of W_V W_O (encoder); eigenvalues of W_E W_V W_O W_U (decoder, cross)" in note.replace(
        "\n", " "
    )
    lines = "\n".join(" ".join(line.split()) for line in experiment.summarise({"anatomy": table}))
    assert "tokens at encoder" in lines
    assert "cross diagonal" in lines
    assert "decoder previous" in lines


def test_a_real_model(shared: Path) -> None:
    """Its slices are those of the plain modules, and its own numbering of two vocabularies joins nothing."""
    model = interp.load_model(shared / "models" / "aren-transliteration")
    documents = tuple(map(text_document, ("بغداد", "القاهرة", "محمد")))
    table: Any = interp.anatomy(model, Corpus("names", documents, "none"))
    assert len(table) == 144
    assert table.groupby(["site", "layer"]).share.sum().to_numpy() == close(np.ones(18))
    network: Any = model.network
    layer = network.model.decoder.layers[4]
    found = head_weights(model, Head("cross", 4, 3))
    assert torch.equal(found.query, layer.encoder_attn.q_proj.weight[12:16].T)
    assert torch.equal(found.value, layer.encoder_attn.v_proj.weight[12:16].T)
    assert torch.equal(found.output, layer.encoder_attn.out_proj.weight[:, 12:16].T)
    spaces = table.groupby("site").copying_space.unique().map(list).to_dict()
    assert spaces == {"encoder": ["residual"], "decoder": ["vocabulary"], "cross": ["none"]}


# One's own modules


def pieces(attention: nn.MultiheadAttention) -> tuple[list[np.ndarray], list[np.ndarray | None]]:
    """W_Q, W_K and W_V as torch keeps them, [d_model, d_in], and their biases."""
    if attention.in_proj_weight is not None:
        packed = array(attention.in_proj_weight)
        weights = [packed[:WIDTH], packed[WIDTH : 2 * WIDTH], packed[2 * WIDTH :]]
    else:
        weights = [array(getattr(attention, f"{kind}_proj_weight")) for kind in "qkv"]
    bias = attention.in_proj_bias
    return weights, [None] * 3 if bias is None else list(array(bias).reshape(3, WIDTH))


def test_slices_of_torchs_attention_are_its_rows(own: Own) -> None:
    size = WIDTH // HEADS
    for head in own.model.heads:
        attention = own.attentions[head.site, head.layer]
        weights, biases = pieces(attention)
        found = head_weights(own.model, head)
        rows = slice(head.head * size, (head.head + 1) * size)
        mine = ((found.query, found.query_bias), (found.key, found.key_bias), (found.value, found.value_bias))
        for (weight, bias), expected, offset in zip(mine, weights, biases, strict=True):
            np.testing.assert_array_equal(array(weight), expected[rows].T)
            assert (bias is None) == (offset is None)
            assert bias is None or offset is None or np.array_equal(array(bias), offset[rows])
        np.testing.assert_array_equal(array(found.output), array(attention.out_proj.weight)[:, rows].T)
        assert found.scaling == size**-0.5
        assert not found.query.requires_grad


def given_to(case: Own, number: int) -> Iterator[tuple[Any, list[np.ndarray], np.ndarray]]:
    """What each attention was given of one document alone, documents first, and the weights that torch gives."""
    batch = Group(case.encoded, case.model, (number,)).batch()
    given: dict[Any, list[np.ndarray]] = {}
    handles = []
    for place, attention in case.attentions.items():

        def keep(module: Any, args: Any, place: Any = place) -> None:
            given[place] = [array(one if module.batch_first else one.transpose(0, 1))[0] for one in args[:3]]

        handles.append(attention.register_forward_pre_hook(keep))
    found: dict[Any, Tensor] = {}
    with torch.inference_mode(), torch_slices.slow_path(), test_multihead.asking_for_weights(case.attentions, found):
        case.plain(batch)
    for handle in handles:
        handle.remove()
    for place, inputs in given.items():
        yield place, inputs, array(found[place])


def test_what_own_modules_write_and_weigh_one_document_at_a_time(own: Own) -> None:
    """Learned keys count by the vector learned with them, keys of zeros by nothing; neither is a token to look at."""
    table = table_of(own).set_index(["site", "layer", "head"])
    size = WIDTH // HEADS
    norms, parts, asked = (dict.fromkeys(map(tuple, own.model.heads), 0.0) for _ in range(3))
    first: dict[Any, dict[str, list[float]]] = {tuple(head): {"": [], "_by_norm": []} for head in own.model.heads}
    for number in range(len(TEXTS)):
        for place, (_, _, v), weights in given_to(own, number):
            attention = own.attentions[place]
            (_, _, w_v), (_, _, b_v) = pieces(attention)
            values = v @ w_v.T + (0 if b_v is None else b_v)
            tokens = len(values)
            if attention.bias_v is not None:
                values = np.concatenate([values, array(attention.bias_v)[0]])
            values = np.concatenate([values, np.zeros((weights.shape[-1] - len(values), WIDTH))])
            w_o = array(attention.out_proj.weight)
            f = np.stack([values[:, h * size :][:, :size] @ w_o[:, h * size :][:, :size].T for h in range(HEADS)])
            written = np.einsum("hqk,hkm->hqm", weights, f)
            together = written.sum(0)
            by_norm = weights * np.linalg.norm(f, axis=-1)[:, None]
            by_norm /= by_norm.sum(-1, keepdims=True)
            special = own.encoded.encodings[number].special
            for h in range(HEADS):
                at = (*place, h)
                norms[at] += np.linalg.norm(written[h], axis=-1).sum()
                parts[at] += ((written[h] * together).sum(-1) / (together**2).sum(-1)).sum()
                asked[at] += len(written[h])
                if place[0] == "self":
                    assert tokens == len(special)
                    queries = [query for query in np.flatnonzero(~special) if query > 0]
                    first[at][""] += weights[h, queries, 0].tolist()
                    first[at]["_by_norm"] += by_norm[h, queries, 0].tolist()
    for at in map(tuple, own.model.heads):
        row: Any = table.loc[at]
        assert (row.n, row.written, row.share) == close((asked[at], norms[at] / asked[at], parts[at] / asked[at]))
        if at[0] == "self":
            assert (row["first"], row.first_by_norm) == close([np.mean(first[at][kind]) for kind in ("", "_by_norm")])
    assert table.groupby(["site", "layer"]).share.sum().to_numpy() == close(np.ones(len(own.attentions)))


def test_what_is_not_known_of_own_modules_is_empty(own: Own) -> None:
    """Copying is seen in the residual stream where a head reads and writes one; positions never."""
    table = table_of(own)
    assert table.position_mass.isna().all()
    for row in table.to_dict("records"):
        (_, _, w_v), _ = pieces(own.attentions[row["site"], row["layer"]])
        if row["site"] == "cross":
            assert row["copying_space"] == "none"
            assert np.isnan(row["copying"])
            continue
        rows = slice(row["head"] * 4, row["head"] * 4 + 4)
        w_o = array(own.attentions[row["site"], row["layer"]].out_proj.weight)
        assert row["copying_space"] == "residual"
        assert row["copying"] == pytest.approx(copying_by_hand(w_v[rows].T, w_o[:, rows].T), abs=1e-3)


class Wider(test_multihead.Network):
    """Its heads read values of another width than they write."""

    def __init__(self) -> None:
        super().__init__()
        self.values = nn.Linear(WIDTH, 10)
        self.look = nn.MultiheadAttention(WIDTH, HEADS, vdim=10, batch_first=True)

    def forward(self, batch: Any) -> Tensor:
        hidden = self.embed(batch.tokens)
        return hidden + self.look(hidden, hidden, self.values(hidden), key_padding_mask=~batch.mask)[0]


def test_values_of_another_width_are_not_copied() -> None:
    model = from_module(Wider(), test_multihead.TOKENIZER, test_multihead.call, positions=64)
    table: Any = interp.anatomy(model, corpus_of(TEXTS))
    assert (table.copying_space == "none").all()
    assert table.copying.isna().all()
    assert table.ov_rank.notna().all()
    assert head_weights(model, model.heads[0]).value.shape == (10, 4)


@pytest.mark.parametrize("kind", ["queries", "keys", "values", "written"])
def test_slices_that_do_not_do_what_torch_does_are_refused(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    right = torch_slices.projections

    def wrong(attention: Any) -> Any:
        weights, biases = right(attention)
        number = {"queries": 0, "keys": 1, "values": 2}[kind]
        return [one.roll(4, 0) if i == number else one for i, one in enumerate(weights)], biases

    def flipped(query: Any, key: Any, value: Any, output: Tensor, *rest: Any) -> LayerSlices:
        return LayerSlices(query, key, value, output.flip(0), *rest)

    case = Own("encoder")
    if kind == "written":
        # the head map of the output projection: torch reads its columns in order
        monkeypatch.setattr(torch_slices, "LayerSlices", flipped)
    else:
        monkeypatch.setattr(torch_slices, "projections", wrong)
    with pytest.raises(ModelError, match=rf"'stack\.layers\.0\.self_attn' do not do what torch does: .*{kind}"):
        lay_open(case.model).slices()


def test_weights_that_a_module_uses_are_those_that_were_rewritten() -> None:
    """A network that copies by its attention, as pointer networks do, sees the pattern that a tap gives."""

    class Pointer(test_multihead.Network):
        def __init__(self) -> None:
            super().__init__()
            self.look = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)

        def forward(self, batch: Any) -> Tensor:
            hidden = self.embed(batch.tokens)
            return self.look(hidden, hidden, hidden, key_padding_mask=~batch.mask)[1] @ hidden

    model = from_module(Pointer(), test_multihead.TOKENIZER, lambda n, b: Output(n(b), None), positions=64)
    encoded = encode(model, corpus_of(TEXTS[:1]))
    batch = Group(encoded, model, (0,)).batch()
    rewritten = model.run(batch, pattern=lambda _s, _l, p: torch.eye(p.shape[-1]).expand_as(p)).hidden
    network: Any = model.network
    torch.testing.assert_close(rewritten, network.embed(batch.tokens))


@pytest.mark.parametrize("reader", ["gru", "transformer"])
def test_the_worked_example_is_laid_open(reader: str) -> None:
    model = recurrent(reader=reader)
    corpus = reversal(40)
    table: Any = interp.anatomy(model, corpus)
    assert table.groupby(["site", "layer"]).share.sum().to_numpy() == close(np.ones(1 if reader == "gru" else 3))
    scores = interp.score(model, corpus, roles="everything").query("split == 'all' and role == 'aligned'")
    cross = table[table.site == "cross"]
    assert cross.aligned.to_numpy() == close(scores.mass.to_numpy())
    assert cross.aligned_by_norm.notna().all()
    assert table[table.site != "cross"].aligned.isna().all()
    titles = {axes.get_title(loc="left") for axes in plots.anatomy_maps(table).axes}
    assert "share of the layer's output, cross" in titles
    assert not any(title.startswith("attention by position") for title in titles)
    drawn = {axes.get_title(loc="left") or axes.get_title() for axes in plots.attention_by_norm(table).axes}
    assert "on the words it is aligned with" in drawn


def test_heads_that_see_different_windows_are_asked_by_themselves() -> None:
    kind, make = test_families.FAMILIES["gemma2"]
    tokenizer = byte_level_tokenizer()
    model = from_transformers(seeded(kind, make(len(tokenizer))), tokenizer, name="windows")
    corpus = corpus_of(TEXTS)
    table: Any = interp.anatomy(model, corpus)
    scores = interp.score(model, corpus, roles="positional", min_blocks=2).query("split == 'all'")
    first = scores[scores.role == "first"].set_index(["layer", "head"]).mass
    assert len(set(scores[scores.role == "first"].n)) > 1, "or the windows do not differ"
    assert table["first"].to_numpy() == close(first.sort_index().to_numpy())
