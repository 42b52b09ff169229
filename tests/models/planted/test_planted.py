"""Planted models do what they are defined to do, pass the gate, and are found out; nothing else is."""

import numpy as np
import pandas as pd
import pytest
import torch

import interp
from experiments import known_answers
from experiments.known_answers import asked_of
from interp.ablation.plan import Plan
from interp.api import tally_roles
from interp.corpora.batching import collate
from interp.corpora.encoding import encode
from interp.corpora.repeats import repeats
from interp.errors import ModelError
from interp.metrics import LOG_PROB
from interp.models.planted import PlantedModel, layout, planted
from interp.models.planted import heads as plans
from interp.models.planted.ideal import Ideal
from interp.models.planted.networks import gpt2
from interp.models.planted.stream import CLASSES, HEADS, LAYERS, class_of_token, class_of_word, tokenizer
from interp.roles.copying import duplicate, induction
from interp.roles.lexical import punctuation, same_tag
from interp.statistics.criteria import Criteria
from interp.tables import mark, precision_recall, true_lifts
from interp.types import Batch, Corpus, Head

KINDS = ("causal", "encoder")
CLASSIFY = Criteria(margin=0.10, alpha=0.05, min_queries=50, min_blocks=12, min_word_mass=0.10)


@pytest.fixture(scope="module", params=[(kind, seed) for kind in KINDS for seed in (0, 1)], ids=str)
def model(request: pytest.FixtureRequest) -> PlantedModel:
    kind, seed = request.param
    return planted(kind=kind, seed=seed, device="cpu")


@pytest.fixture(scope="module")
def grammar() -> Corpus:
    return interp.grammar(documents=300)


def some_batch(model: PlantedModel, corpus: Corpus, count: int = 12) -> Batch:
    return collate(encode(model, corpus), range(count), model)


def patterns(model: PlantedModel, batch: Batch) -> dict[int, torch.Tensor]:
    seen: dict[int, torch.Tensor] = {}
    model.run(batch, pattern=lambda _site, layer, pattern: seen.__setitem__(layer, pattern.clone()), logits=False)
    return seen


def of_plan(model: PlantedModel, name: str) -> Head:
    return next(head for head, plan in model.plans.items() if plan.name == name)


def least_of(model: PlantedModel) -> int:
    """The earliest place of the head `halfway`: where its weights send the queries just after it."""
    looks = [plan.look for plan in model.plans.values() if plan.name == "halfway"]
    return int(looks[0][7].argmax()) if looks else 0


def expected(name: str, words: list[str], tags: list[str], query: int, *, causal: bool, least: int) -> dict[int, float]:
    """What a head looks at from a word, written out by hand; `words` are tokens, the special ones among them."""
    there = range(query + 1) if causal else range(len(words))
    others = [key for key in there if key != query]

    def shared(keys: list[int]) -> dict[int, float]:
        return {key: 1 / len(keys) for key in keys}

    if name == "previous":
        return {query - 1: 1.0}
    if name.startswith("offset"):
        key = query + int(name.removeprefix("offset"))
        return {key: 1.0} if key in there else shared(list(there))
    if name == "first":
        return {0: 1.0}
    if name == "separator":
        return {len(words) - 1: 1.0}
    if name == "punctuation":
        marks = [key for key in others if tags[key] == "PUNCT"]
        return shared(marks or others)
    if name == "same_class":
        same = [key for key in others if tags[key] == tags[query] != ""]
        return shared(same or others)
    if name == "duplicate":
        return shared([key for key in others if words[key] == words[query]] or [0])
    if name == "induction":
        return shared([key for key in there if key > 0 and words[key - 1] == words[query]] or [0])
    if name == "halfway":
        return {key: 1.0} if (key := max(query // 2, least)) in there else shared(list(there))
    if name == "even":
        return shared(list(there))
    nouns = [key for key in range(query + 1, len(words)) if tags[key] == "NOUN"]
    if name == "determiner_to_noun":
        if tags[query] not in ("DET", ""):
            return {0: 1.0}
        return {nouns[0] if nouns and tags[query] else query + 1: 1.0}
    raise KeyError(name)


BY_HAND = ("previous", "offset-1", "offset+1", "offset-2", "offset-3", "offset+2", "offset+3", "first", "separator")
BY_HAND = (*BY_HAND, "punctuation", "same_class", "duplicate", "induction", "halfway", "even", "determiner_to_noun")


def test_every_head_looks_where_its_definition_says(model: PlantedModel, grammar: Corpus) -> None:
    """Held against a definition written out here, word by word, on grammar and on repeated words."""
    known, about = class_of_word(), {"causal": model.causal, "least": least_of(model)}
    for corpus in (grammar, repeats(12, documents=12, seed=3)):
        batch = some_batch(model, corpus)
        seen = patterns(model, batch)
        for head, plan in model.plans.items():
            if plan.name not in BY_HAND:
                continue
            apart: dict[bool, list[float]] = {True: [], False: []}
            for row, length in enumerate(batch.mask.sum(1).tolist()):
                words = model.tokenizer.convert_ids_to_tokens(batch.tokens[row, :length].tolist())
                tags = [known.get(str(word), "") for word in words]
                for query in np.flatnonzero(~batch.special[row, :length].numpy()):
                    looked = seen[head.layer][row, head.head, query].double().numpy()
                    aim = np.zeros(len(looked))
                    for key, share in expected(plan.name, words, tags, int(query), **about).items():
                        aim[key] = share
                    apart[aim.max() == 1].append(np.abs(looked - aim).sum() / 2)
            # to one key by sharpness; among several, noise moves shares about
            assert np.quantile(apart[True] or [0.0], 0.97) < 0.05, plan.name
            assert np.mean(apart[False] or [0.0]) < 0.15, plan.name


def test_the_ideal_of_a_head_is_its_definition(model: PlantedModel, grammar: Corpus) -> None:
    """`Ideal`, which says what follows from a definition, is the same definition: exactly."""
    known, ideal = class_of_word(), Ideal(model)
    about = {"causal": model.causal, "least": least_of(model)}
    for corpus in (grammar, repeats(12, documents=12, seed=3)):
        batch = some_batch(model, corpus)
        for head, plan in model.plans.items():
            if plan.name not in BY_HAND:
                continue
            pattern = ideal.pattern(head.layer, ideal.sentences(batch), batch)[:, head.head]
            for row, length in enumerate(batch.mask.sum(1).tolist()):
                words = model.tokenizer.convert_ids_to_tokens(batch.tokens[row, :length].tolist())
                tags = [known.get(str(word), "") for word in words]
                for query in np.flatnonzero(~batch.special[row, :length].numpy()):
                    aim = expected(plan.name, words, tags, int(query), **about)
                    found = {key: share for key, share in enumerate(pattern[row, query].tolist()) if share}
                    assert found == pytest.approx(aim), (plan.name, words, int(query))


def test_half_strength_is_half_and_a_mixture_is_two_halves(grammar: Corpus) -> None:
    model = planted(seed=2, device="cpu")
    batch = some_batch(model, grammar)
    seen = patterns(model, batch)
    half = of_plan(model, "half_strength")
    by = int(model.plans[half].roles[0][0].removeprefix("offset"))
    queries = range(max(2, -by), int(batch.mask.sum(1).min()))
    on_target = torch.stack([seen[half.layer][:, half.head, query, query + by] for query in queries])
    torch.testing.assert_close(on_target, torch.full_like(on_target, 0.5), atol=0.1, rtol=0)
    assert float(on_target.mean()) == pytest.approx(0.5, abs=0.03)
    mixed = of_plan(model, "mixture")
    shares = torch.stack([seen[mixed.layer][:, mixed.head, query, [0, query - 1]] for query in queries])
    # noise lifts one word over another, and evens out
    assert float((shares - 0.5).abs().max()) < 0.25 and float((shares.mean() - 0.5).abs()) < 0.01


def test_the_gate_lets_planted_models_pass(model: PlantedModel, grammar: Corpus) -> None:
    checks = interp.prove(model, grammar)
    assert {"heads_add_up", "same_as_unhooked", "resumed_is_run"} <= {one.name for one in checks}


def test_the_network_is_transformers_own(grammar: Corpus) -> None:
    """What the taps see is what an untouched network of the same weights gives."""
    model = planted(seed=4, device="cpu")
    batch = some_batch(model, grammar)
    random = np.random.default_rng(4)
    plain = gpt2(model.tokenizer, layout.causal(random), random)
    assert type(plain).__module__.startswith("transformers.")
    with torch.inference_mode():
        out = plain(batch.tokens, attention_mask=batch.mask.long(), output_attentions=True)
    there = batch.mask[:, None, :, None]
    for layer, pattern in patterns(model, batch).items():
        torch.testing.assert_close(pattern * there, out.attentions[layer] * there, atol=1e-6, rtol=1e-5)


@pytest.mark.parametrize("kind", KINDS)
def test_layer_norms_change_nothing(kind: str, grammar: Corpus) -> None:
    """Vectors go through every norm as they are: to 1e-5 of their length."""
    model, seen = planted(kind=kind, seed=0, device="cpu"), []
    for norm in model.modules():
        if isinstance(norm, torch.nn.LayerNorm):
            norm.register_forward_hook(lambda _module, given, out: seen.append((given[0], out)))
    model.run(some_batch(model, grammar), logits=False)
    assert len(seen) >= 2 * LAYERS
    for given, out in seen:
        assert float((out - given).norm() / given.norm()) < 1e-5


def test_places_differ_by_seed_and_weights_do_not_otherwise() -> None:
    one, same, other = (planted(seed=seed, device="cpu") for seed in (5, 5, 6))
    assert one.truth == same.truth
    for a, b in zip(one.network.parameters(), same.network.parameters(), strict=True):
        assert torch.equal(a, b)
    assert one.truth != other.truth
    assert len(one.heads) == LAYERS * HEADS == len(one.plans)


def test_the_induction_head_builds_on_an_earlier_layer() -> None:
    for seed in range(12):
        placed = {plan.name: layer for (layer, _), plan in layout.causal(np.random.default_rng(seed)).items()}
        assert placed["previous"] < placed["induction"]


def test_without_the_previous_head_induction_is_lost() -> None:
    """Composition over two layers: the induction head's pattern falls apart when the other head writes nothing."""
    model = planted(seed=0, device="cpu")
    corpus = repeats(12, documents=8)
    batch = some_batch(model, corpus, 8)
    writer, reader = of_plan(model, "previous"), of_plan(model, "induction")
    targets = induction().targets(batch)

    def on_target(silent: Head | None) -> float:
        seen: dict[int, torch.Tensor] = {}

        def substitute(_site: str, layer: int, z: torch.Tensor) -> torch.Tensor | None:
            if silent is None or layer != silent.layer:
                return None
            z = z.clone()
            z[:, :, silent.head] = 0.0
            return z

        model.run(batch, pattern=lambda _s, layer, p: seen.__setitem__(layer, p.clone()), z=substitute, logits=False)
        pattern = seen[reader.layer][:, reader.head]
        return float((pattern * targets).sum() / targets.any(-1).sum())

    assert on_target(None) > 0.95
    assert on_target(writer) < 0.02
    bystander = next(h for h in model.heads if h.layer == writer.layer and h not in (writer, reader))
    assert on_target(bystander) == pytest.approx(on_target(None), abs=1e-6)


def test_silencing_induction_costs_repetition_and_a_distractor_nothing() -> None:
    model = planted(seed=1, device="cpu")
    table = interp.ablate(model, repeats(12, documents=12), metrics=[LOG_PROB], replacement="zero")
    effect = {Head(*row[:3]): row[3] for row in table[["site", "layer", "head", "effect"]].itertuples(index=False)}
    costly = {head for head, value in effect.items() if value > 1.0}
    assert costly == {of_plan(model, "previous"), of_plan(model, "induction")}
    assert max(abs(value) for head, value in effect.items() if head not in costly) < 1e-5
    # half of the words can be told: the loss of guessing is the logarithm of the vocabulary
    assert float(table.ablated.min()) == pytest.approx(-np.log(len(model.tokenizer) - 2), abs=0.05)


def test_words_have_the_class_that_the_grammar_gives_them() -> None:
    known = class_of_word()
    pairs = [(w, t) for d in interp.grammar(documents=500, seed=77) for w, t in zip(d.words, d.tags or (), strict=True)]
    assert np.mean([known.get(word) == tag for word, tag in pairs]) > 0.97
    words = tokenizer(encoder=True)
    classes = class_of_token(words)
    assert CLASSES[classes[words.convert_tokens_to_ids("the")]] == "DET"
    assert classes[words.cls_token_id] == -1


def test_the_nearest_later_noun_is_a_determiners_governor() -> None:
    """What `det.to_governor` is planted on: how often it holds in the corpus."""
    held = []
    for document in interp.grammar(documents=500):
        tags, relations, governors = document.tags or (), document.relations or (), document.governors or ()
        for place, relation in enumerate(relations):
            if relation.split(":")[0] == "det":
                noun = next((at for at in range(place + 1, len(tags)) if tags[at] == "NOUN"), None)
                held.append(noun == governors[place])
    assert np.mean(held) > 0.95


def test_targets_of_the_roles_asked_of_planted_models() -> None:
    """Against loops over the words of a few sentences."""
    model = planted(kind="encoder", device="cpu")
    batch = some_batch(model, interp.grammar(documents=6), 6)
    over_tokens = [role.targets(batch) for role in (duplicate(), induction())]
    over_words = [role.targets(batch) for role in (punctuation(), same_tag())]
    for row, length in enumerate(batch.mask.sum(1).tolist()):
        tokens, word = batch.tokens[row].tolist(), batch.word[row].tolist()
        tags = [batch.tags[batch.tag[row, w]] if w >= 0 else None for w in word]
        for q in range(1, length - 1):
            for k in range(1, length - 1):
                found = [bool(one[row, q, k]) for one in over_tokens]
                found += [bool(one[row, word[q], word[k]]) for one in over_words]
                after = k > 1 and tokens[k - 1] == tokens[q] and k - 1 < q
                same = tags[q] == tags[k]
                assert found == [tokens[k] == tokens[q] and k < q, after, tags[k] == "PUNCT", same], (q, k)


def test_marking_counts_what_is_found_missed_false_and_implied() -> None:
    roles = pd.DataFrame(
        [("self", 0, h, role, 0.9, 0.5, 0.01) for h, role in ((0, "a"), (0, "b"), (1, "c"), (2, "unclassified"))],
        columns=["site", "layer", "head", "role", "mass", "lift", "q"],
    ).assign(n=100, p=0.001, ci_low=0.4, ci_high=0.6)
    ideal = pd.DataFrame(
        [
            ("self", 0, 0, "a", 0.9, 0.5),
            ("self", 0, 0, "b", 0.4, 0.2),
            ("self", 0, 1, "c", 0.1, 0.05),
            ("self", 0, 2, "a", 0.9, 0.5),
            ("self", 0, 2, "d", 0.0, 0.0),
        ],
        columns=["site", "layer", "head", "role", "mass", "true_lift"],
    )
    wanted = [("self", 0, 0, "a"), ("self", 0, 2, "a"), ("self", 0, 2, "d"), ("self", 0, 1, "rare")]
    table = mark(roles, wanted, ideal, {"a", "b", "c", "d"}, margin=0.1)
    verdicts = dict(zip(zip(table["head"], table.role, strict=True), table.verdict, strict=True))
    assert verdicts == {
        (0, "a"): "found",
        (0, "b"): "implied",
        (1, "c"): "false",
        (2, "a"): "missed",
        (2, "d"): "absent",
        (1, "rare"): "untestable",
    }
    every = precision_recall(table.assign(kind="x", role="all", has_role=table["head"] != 1), ["kind", "role"]).iloc[0]
    assert (every.found, every.missed, every.false, every.no_role) == (1, 1, 1, 1)
    assert every.precision == every.recall == 0.5
    # Clopper and Pearson's interval of 1 in 2: the ends where a binomial tail is 2.5 %
    assert (every.recall_low, every.recall_high) == pytest.approx((1 - 0.975**0.5, 0.975**0.5), abs=1e-6)


def test_what_follows_from_a_definition_is_its_lift_over_the_best_baseline(grammar: Corpus) -> None:
    """Against loops over the sentences, for one role judged by mass and one by hits."""
    model = planted(kind="encoder", seed=0, device="cpu")
    head, ideal = of_plan(model, "determiner_to_noun"), Ideal(model)
    encoded = encode(model, grammar)
    lifts = true_lifts(tally_roles(ideal, encoded, asked_of(grammar))).set_index(["role", "layer", "head"])
    hits, nexts, first = [], [], []
    for document in grammar:
        tags = ["", *(class_of_word().get(word, "") for word in document.words), ""]
        for place, relation in enumerate(document.relations or ()):
            size = len(document.words) + 2
            first.append((tags[place + 1] not in ("DET", "")) - 1 / size)
            if relation.split(":")[0] == "det" and len(document.words) > 2:
                noun = next((at for at in range(place + 2, size) if tags[at] == "NOUN"), place + 2) - 1
                hits.append(tags[place + 1] == "DET" and noun == (document.governors or ())[place])
                nexts.append(place + 1 == (document.governors or ())[place])
    assert lifts.loc[("first", *head[1:]), "true_lift"] == pytest.approx(np.mean(first), abs=2e-3)
    measured = lifts.loc[("det.to_governor", *head[1:]), "true_lift"]
    assert measured == pytest.approx(np.mean(hits) - np.mean(nexts), abs=5e-3)


def test_every_planted_role_is_found_and_nothing_else() -> None:
    model = planted(device="cpu")
    corpus = interp.grammar(documents=250)
    findings = known_answers.run(
        model,
        corpus,
        plant=lambda **options: planted(**options, device="cpu"),
        criteria=CLASSIFY,
        plan=Plan("mean", limit=16),
        seeds=1,
        repeats=50,
        seed=8,
    )
    table = findings.tables["known_answers"]
    every = table[table.role == "all"]
    assert list(every.kind) == ["causal", "encoder"]
    assert (every.found >= 15).all() and not every[["missed", "false", "no_role"]].to_numpy().any()
    half = findings.tables["planted_strength"].query("plan == 'half_strength'").iloc[0]
    assert abs(half.measured - 0.5) <= 0.05 and half.ci_high - half.ci_low < 0.05
    costs = findings.tables["planted_effects"]
    assert set(costs[(costs.q < 0.05) & (costs.effect > 0.01)].plan) == {"previous", "induction"}
    assert known_answers.draw(findings.tables)["known_answers"].axes
    assert "0 missed, 0 false positives" in known_answers.summarise(findings.tables)[0]


def test_with_random_weights_nothing_is_planted(grammar: Corpus) -> None:
    model = planted(init="random", seed=3, device="cpu")
    assert model.truth == () and model.name == "planted-causal-random" and len(model.heads) == LAYERS * HEADS
    assert float(patterns(model, some_batch(model, grammar))[0][:, :, 5, :6].max()) < 0.5
    interp.prove(model, grammar)


def test_an_unknown_kind_is_refused() -> None:
    with pytest.raises(ModelError, match=r"model\.kind=decoder"):
        planted(kind="decoder")


def test_plans_outside_the_positions_leave_nothing() -> None:
    look = plans.by_place(lambda query: {query - 1: 3.0})
    assert not look[0].any() and look[5, 4] == 3.0
