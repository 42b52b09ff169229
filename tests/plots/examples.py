"""Every figure at any size, from tables that nobody measured: `python -m tests.plots.examples FOLDER` draws them all.

    python -m tests.plots.examples FOLDER 48 16

writes each figure for a column and a page, in colours and in grey, for a model of 48 layers of 16 heads.
"""

import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pandas as pd
from matplotlib.figure import Figure
from PIL import Image

from interp import plots
from interp.examples import STEPS, Example, Examples, Marked, Side
from interp.heads import HEAD
from interp.plots.anatomy import PLACES
from interp.plots.style import Style
from tests.plots.test_plots import (
    RUN,
    assigned_roles,
    random_atlas,
    random_attention,
    random_candidates,
    random_effects,
    random_scores,
)

FAMILIES = {
    "positional": ["offset-1", "offset+1", "self", "first"],
    "copying": ["duplicate", "induction"],
    "syntax": [f"{name}.to_governor" for name in ("nsubj", "obj", "amod", "det", "case", "compound")],
    "coreference": ["coref.antecedent"],
    "lexical": ["tag.NOUN", "delimiter"],
}
TAGS = "ADJ ADP ADV AUX CCONJ DET INTJ NOUN NUM PART PRON PROPN PUNCT SCONJ SYM VERB X"
SAID = "the student did not like that book which her"
LONG = [f"{word}{number}" for number in range(7) for word in SAID.split(" ")]
LONG += ["of", "many", "extraordinarily", "patient", "teachers", "and", "two", "of", "them", "praised", "it", "."]


def heads_of(layers: int, heads: int) -> pd.DataFrame:
    places = [("self", layer, head) for layer in range(layers) for head in range(heads)]
    return pd.DataFrame(places, columns=HEAD).assign(**RUN)


def random_anatomy(layers: int, heads: int) -> pd.DataFrame:
    random, table = np.random.default_rng(4), heads_of(layers, heads)
    count, places = len(table), [*PLACES]
    numbers = {
        "share": random.normal(0.1, 0.1, count),
        "written": random.exponential(1.0, count),
        "copying": random.uniform(-1, 1, count),
        "qk_rank": random.uniform(10, 60, count),
        "ov_rank": random.uniform(10, 60, count),
        "position_mass": random.beta(0.5, 3, count),
        "position_offset": random.integers(-3, 4, count),
    }
    numbers |= {place: random.beta(0.6, 3, count) for place in places[:4]}
    numbers |= {f"{place}_by_norm": numbers[place] * random.uniform(0.5, 1.2, count) for place in places[:4]}
    numbers |= {name: np.full(count, np.nan) for place in places[4:] for name in (place, f"{place}_by_norm")}
    return pd.concat([table.assign(copying_space="residual", n=2146), pd.DataFrame(numbers)], axis=1)


def random_kernel(layers: int, heads: int, *, causal: bool, reach: int = 10) -> tuple[pd.DataFrame, pd.DataFrame]:
    random, table = np.random.default_rng(5), heads_of(layers, heads)
    offsets = np.arange(-reach, reach + 1)
    kernel = table.loc[table.index.repeat(len(offsets))].reset_index(drop=True)
    kernel["offset"] = np.tile(offsets, len(table))
    peak = np.repeat(random.integers(-reach, reach + 1, len(table)), len(offsets))
    mass = np.exp(-np.abs(kernel["offset"] - peak) / 1.5) * random.uniform(0.1, 0.6, len(kernel))
    kernel["value"] = np.where(causal & (kernel["offset"] > 0), np.nan, mass)
    value = random.beta(2, 2, len(table))
    shape = table.assign(definition="kernel/explained@1", value=value, ci_low=value - 0.05, ci_high=value + 0.05)
    return kernel.assign(n=1500), shape.assign(n=900)


def random_curves(metrics: tuple[str, ...] = ("log_prob",)) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Curve, areas and joint effects of three orders and five random ones."""
    random, rows, areas = np.random.default_rng(6), [], []
    share = np.linspace(1, 0, 11)
    orders = [("effect", None, 3.0), ("attribution", None, 2.2), ("obj.to_governor", None, 1.4), ("random", None, 1.0)]
    orders += [("random", seed, 1.0 + 0.1 * seed) for seed in range(5)]
    for metric in metrics:
        for order, seed, power in orders:
            one = RUN | {"order": order, "order_seed": seed, "ablation": "mean", "metric": metric, "n": 250}
            cost = 8 * (1 - share) ** power + random.normal(0, 0.05, 11) * (share < 1)
            wide = np.nan if seed is not None else 0.3
            rows += [
                one
                | {"share_left": left, "heads_left": round(72 * left), "value": -3 - c, "joint_effect": c}
                | {"ci_low": -3 - c - wide, "ci_high": -3 - c + wide, "sum_of_effects": 2.5 * (1 - left)}
                for left, c in zip(share, cost, strict=True)
            ]
            areas.append(one | {"area": -5.0 - 1 / power, "ci_low": -5.3 - 1 / power, "ci_high": -4.7 - 1 / power})
    curve = pd.DataFrame(rows)
    joint = curve.assign(ci_low=curve["joint_effect"] - 0.3, ci_high=curve["joint_effect"] + 0.3)
    return curve, pd.DataFrame(areas), joint


def random_calibration() -> tuple[pd.DataFrame, pd.DataFrame]:
    random, rows, curve = np.random.default_rng(7), [], []
    kinds = [("any", np.nan), *((k, a) for k in ("right_everywhere", "clustered", "drifting") for a in (0.2, 0.5, 0.8))]
    for statistic in ("lift", "hit"):
        for kind, accuracy in kinds:
            for blocks in ("12–15", "16–23", "24–31", "32–47", "48–63"):
                share = random.uniform(0.9, 0.98)
                row = RUN | {"statistic": statistic, "role": "any", "kind": kind, "accuracy": accuracy, "split": "any"}
                ends = {"share_low": share - 0.03, "share_high": share + 0.02, "intervals": 240, "corpora": 20}
                rows.append(row | {"blocks": blocks, "coverage": share} | ends)
    for ties in ("counted", "broken"):
        for split in ("select", "confirm"):
            for null, power in (("exchange", 1.0), ("document", 1.2), ("population", 1.4)):
                for level in np.linspace(0.02, 1, 50):
                    share = level**power
                    row = RUN | {"ties": ties, "null": null, "split": split, "level": level, "share": share}
                    curve.append(row | {"share_low": share - 0.02, "share_high": share + 0.02})
    return pd.DataFrame(rows), pd.DataFrame(curve)


def random_study(count: int) -> pd.DataFrame:
    random = np.random.default_rng(8)
    verdicts = random.choice(["pass", "pass", "fail", "not measured", "no number"], count)
    claims = [f"relation{n}.to_governor: hit of head {n % 6}.{n % 12} on the held-out half" for n in range(count)]
    measured = np.where(verdicts == "not measured", np.nan, random.uniform(0, 1, count))
    published = np.where(verdicts == "no number", np.nan, random.uniform(0, 1, count))
    return pd.DataFrame({"claim": claims, "published": published, "measured": measured, "tolerance": 0.1}).assign(
        verdict=verdicts, head="2.0", n=random.integers(100, 3000, count)
    )


def random_variants(layers: int, heads: int) -> pd.DataFrame:
    random, rows = np.random.default_rng(9), []
    names = {"offset-1": "previous", "duplicate": "duplicate", "induction": "induction"}
    for (site, layer, head), (role, name) in (
        (place, names_of)
        for place in heads_of(layers, heads)[HEAD].itertuples(index=False, name=None)
        for names_of in names.items()
    ):
        base = random.beta(0.5, 3)
        for variant in ("tl-mul", "tl-mul-no-first", "tl-abs", "diagonal", "valid-rows"):
            value = base + random.normal(0, 0.05)
            row = RUN | {"role": role, "definition": f"copying/{name}-{variant}@1", "site": site, "layer": layer}
            rows.append(row | {"head": head, "n": 40, "value": value, "ci_low": value - 0.03, "ci_high": value + 0.03})
    return pd.DataFrame(rows)


def random_answers() -> pd.DataFrame:
    roles = ["all", "duplicate", "first", "induction", "offset+1", "offset-1", *FAMILIES["syntax"]]
    numbers = {"precision": 0.98, "precision_low": 0.9, "precision_high": 1.0}
    numbers |= {"recall": 0.95, "recall_low": 0.8, "recall_high": 1.0}
    rows = [
        RUN | {"kind": kind, "role": role, "found": 20, "missed": 1, "false": 0} | numbers
        for kind in ("causal", "bidirectional")
        for role in roles
    ]
    return pd.DataFrame(rows)


def random_tags(layers: int, heads: int, names: str = TAGS) -> pd.DataFrame:
    random, table = np.random.default_rng(10), heads_of(layers, heads)
    pairs = pd.DataFrame(
        [(a, b) for a in [*names.split(" "), "any"] for b in names.split(" ")], columns=["from_tag", "to_tag"]
    )
    every = table.merge(pairs, how="cross")
    return every.assign(n=random.integers(20, 400, len(every)), excess=random.normal(0, 0.1, len(every)))


def random_sensitivity() -> pd.DataFrame:
    random = np.random.default_rng(11)
    levels = {"aggregation": 6, "margin": 3, "alpha": 2, "quarter of the corpus": 4, "another corpus": 1}
    rows = [
        RUN | {"factor": factor, "level": f"{'attended to: max' if factor == 'aggregation' else 'level'} {level}"}
        for factor, count in levels.items()
        for level in range(count)
    ]
    share = random.uniform(0, 0.3, len(rows))
    return pd.DataFrame(rows).assign(
        share_flipped=share, share_flipped_with_role=share * 1.5, jaccard=1 - share, heads=72
    )


def random_reliability(count: int) -> pd.DataFrame:
    random = np.random.default_rng(12)
    roles = [(f"relation{n}.to_governor", list(FAMILIES)[n % 5]) for n in range(count)]
    value = random.uniform(0.6, 1, count)
    table = pd.DataFrame(roles, columns=["role", "family"]).assign(**RUN, reliability=value, heads=72)
    return table.assign(n=random.integers(50, 3000, count), ci_low=value - 0.1, ci_high=np.minimum(value + 0.05, 1))


def random_matching() -> tuple[pd.DataFrame, pd.DataFrame]:
    matched = [RUN | {"by": by, "similarity": 0.97, "null": null, "p": 0.02} for by, null in PAIRS]
    draws = np.random.default_rng(13).normal(0.35, 0.02, 49)
    nulls = [RUN | {"by": "roles", "null": PAIRS[0][1], "similarity": value} for value in draws]
    nulls += [RUN | {"by": "attention", "null": null, "similarity": 0.5} for null in ("shuffled rows", "random init")]
    return pd.DataFrame(matched).assign(heads=72, other_heads=72), pd.DataFrame(nulls)


PAIRS = (("roles", "role labels dealt anew"), ("attention", "shuffled rows"))


def random_nulls() -> pd.DataFrame:
    random, rows = np.random.default_rng(14), []
    for family, roles in FAMILIES.items():
        for null, seeds in (("none", [None]), ("permuted_gold", [0, 1, 2]), ("shuffled_rows", [0, 1])):
            if family != "positional" or null != "permuted_gold":
                for seed in seeds:
                    lifts = random.normal(0.3 if null == "none" else 0, 0.1, len(roles))
                    row = RUN | {"null": null, "null_seed": seed, "family": family, "n": 300}
                    rows += [row | {"role": role, "lift": lift} for role, lift in zip(roles, lifts, strict=True)]
    return pd.DataFrame(rows).assign(null_seed=lambda t: t["null_seed"].astype("Int64"))


def cross_attention(queries: int = 9, keys: int = 14) -> pd.DataFrame:
    random, rows = np.random.default_rng(15), []
    for head, query in ((h, q) for h in range(4) for q in range(queries)):
        mass = random.dirichlet(np.full(keys, 0.2))
        rows += [
            RUN | {"site": "cross", "layer": 0, "head": head, "query": query, "query_word": f"wort{query}", "key": key}
            | {"key_word": f"word{key}", "mass": mass[key]}
            for key in range(keys)
        ]  # fmt: skip
    return pd.DataFrame(rows)


def random_explanations(layers: int, heads: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """What is explained, the shares of a few rules, and what families add."""
    random, table = np.random.default_rng(17), heads_of(layers, heads).assign(n=2688)
    families = ["uniform", "special", "position", "lexical", "tag", "syntax", "coreference", "of one's own"]
    parts = random.dirichlet([2, 4, 2, 0.3, 1, 0.3, 0.2, 0.3], len(table))
    shares = [table.assign(rule=f"a.{family}", family=family, share=parts[:, n]) for n, family in enumerate(families)]
    adds = [
        table.assign(
            family=family, null="none", adds=random.normal(0.02, 0.05, len(table)), q=random.random(len(table))
        )
        for family in families[1:]
    ]
    explained = table.assign(explained=random.uniform(-0.05, 1, len(table)))
    return explained, pd.concat(shares, ignore_index=True), pd.concat(adds, ignore_index=True)


def random_role_ablation(roles: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A role's heads, two controls and the same-answer donors under six replacements; and twenty random sets."""
    random, replacements = np.random.default_rng(18), ["zero", "mean", "resample", "uniform", "noise", "denoise"]
    about = {"model": "smollm2", "behaviour": "ioi", "seed": 0, "metric": "logit_difference"}
    keys = [(f"relation{n}.to_governor", one) for n in range(roles) for one in replacements]
    kinds = {"none": 1.2, "random": 0.1, "as loud": 0.3, "same answer": 0.0}
    every = pd.DataFrame(keys, columns=["role", "replacement"])
    frames = [every.assign(control=control, effect=effect) for control, effect in kinds.items()]
    table = pd.concat(frames, ignore_index=True).assign(n=160, **about)
    table["effect"] += random.normal(0, 0.1, len(table))
    table = table.assign(ci_low=table["effect"] - 0.2, ci_high=table["effect"] + 0.2)
    draws = pd.DataFrame(keys * 20, columns=["role", "replacement"]).assign(**about)
    return table, draws.assign(effect=random.normal(0.1, 0.2, len(draws)))


def random_circuit() -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """The faithfulness curves of two rankings and three random ones, their areas, and subsets of a circuit."""
    random, about = np.random.default_rng(19), {"model": "smollm2", "behaviour": "ioi", "seed": 0, "n": 80}
    share = np.array([0, 0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1])
    frames, rankings = [], [("direct", None), ("direct, by size", None), *(("random", draw) for draw in range(3))]
    for ranking, draw in rankings:
        value = share ** (0.3 if draw is None else random.uniform(1, 3)) + random.normal(0, 0.03, len(share))
        ends = {"ci_low": value - 0.08, "ci_high": value + 0.08}
        frames.append(
            pd.DataFrame({"ranking": ranking, "draw": draw, "share_left": share, "faithfulness": value, **ends})
        )
    areas = pd.DataFrame({"ranking": ["direct", "direct, by size", "random"], "draw": None, "cpr": 0.8, "cmd": 0.2})
    model = random.uniform(0, 3, 14)
    kinds = ["none", *["random"] * 10, *["greedy"] * 3]
    subsets = pd.DataFrame({"kind": kinds, "model_without": model, "circuit": model - random.exponential(0.4, 14)})
    return (
        pd.concat(frames, ignore_index=True).assign(**about),
        areas.assign(**about),
        subsets.assign(metric="logit_difference", **about),
    )


def random_interactions(count: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """So many heads: their direct and total effects, and the interaction of every pair."""
    random, about = np.random.default_rng(20), {"model": "smollm2", "behaviour": "ioi", "seed": 0, "n": 80}
    heads = [(20 + number // 4, number % 4) for number in range(count)]
    repair = pd.DataFrame(heads, columns=["layer", "head"]).assign(site="self", **about)
    for name, scale in (("direct", 0.6), ("total", 0.3)):
        value = random.exponential(scale, count)
        repair = repair.assign(**{name: value, f"{name}_low": value - 0.1, f"{name}_high": value + 0.1})
    names = [f"{layer}.{head}" for layer, head in heads]
    pairs = pd.DataFrame(
        [f"{one} {other}" for n, one in enumerate(names) for other in names[n + 1 :]], columns=["heads"]
    )
    pairs = pairs.assign(size=2, interaction=random.normal(0.02, 0.08, len(pairs)), q=random.random(len(pairs)))
    return repair, pairs.assign(**about)


def random_causes(layers: int, heads: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Patching in both directions at two positions, and paths to the output and to three inputs of heads."""
    random, places = np.random.default_rng(18), heads_of(layers, heads).assign(n=160)

    def effects(table: pd.DataFrame) -> pd.DataFrame:
        value = random.normal(0, 0.1, len(table)) ** 3 * 50
        return table.assign(effect=value, ci_low=value - 0.03, ci_high=value + 0.03, q=random.random(len(table)))

    patching = [
        effects(places.assign(direction=direction, part="z", position=position))
        for direction in ("noise", "denoise")
        for position in ("all", "again")
    ]
    receivers = [("output", "stream"), *((f"{layers - 1}.{head}", "q") for head in range(min(heads, 3)))]
    # to a head of the last layer there is no path from its own layer
    paths = [
        effects(
            places[(places["layer"] < layers - 1) | (read == "stream")].assign(receiver=receiver, receiver_input=read)
        )
        for receiver, read in receivers[::-1]
    ]
    return pd.concat(patching, ignore_index=True), pd.concat(paths, ignore_index=True)


def random_diversity(layers: int, heads: int) -> tuple[pd.DataFrame, pd.DataFrame, pd.DataFrame]:
    """Heads in the plane, their distances, and means within and between layers: of a model and a null."""
    random, maps, pairs, means = np.random.default_rng(18), [], [], []
    for null, wide in (("none", 0.2), ("random_init", 0.01)):
        seed = pd.array([None if null == "none" else 0], "Int64")
        table = heads_of(layers, heads).assign(null=null, null_seed=seed[0], n=5070, stress=0.21)
        points = random.normal(0, wide, (len(table), 2))
        families = random.choice(["positional", "syntax", "lexical", "unclassified"], len(table))
        families = families if null == "none" else np.full(len(table), "unclassified")
        maps.append(table.assign(x=points[:, 0], y=points[:, 1], best_family=families))
        one, other = np.triu_indices(len(table), 1)
        apart = np.minimum(np.linalg.norm(points[one] - points[other], axis=1), 0.69)
        second = {f"other_{name}": table[name].to_numpy()[other] for name in ("layer", "head")}
        pairs.append(table.iloc[one].reset_index(drop=True).assign(**second, distance=apart))
        for measure, layer in [*(("within_layer", n) for n in range(layers)), ("within_layers", None),
                               ("between_layers", None)]:  # fmt: skip
            value = random.uniform(0.5, 1) * wide
            row = {"null": null, "null_seed": seed[0], "site": "self", "measure": measure, "layer": layer, "n": 5070}
            ends = {"ci_low": 0.9 * value, "ci_high": 1.1 * value}
            means.append(RUN | row | {"heads": heads, "value": value} | ends)
    return pd.concat(maps), pd.concat(pairs), pd.DataFrame(means)


def random_attribution(layers: int, heads: int) -> pd.DataFrame:
    """What every head, and every MLP, adds to a logit difference."""
    of_heads = heads_of(layers, heads).drop(columns=list(RUN)).assign(component="head")
    others = pd.DataFrame({"site": "self", "layer": range(layers), "head": -1, "component": "mlp"})
    whole = pd.DataFrame({"site": ["self"], "layer": -1, "head": -1, "component": "embedding"})
    table = pd.concat([whole, of_heads, others], ignore_index=True)
    value = np.random.default_rng(23).normal(0, 0.6, len(table)) ** 3
    of_run = {"model": "smollm2", "behaviour": "ioi", "seed": 0}
    return table.assign(**of_run, n=160, value=value, ci_low=value - 0.1, ci_high=value + 0.1, p=0.01, q=0.04)


def random_probe() -> pd.DataFrame:
    """Nine parsers, one of them of two seeds."""
    names = ["all_heads", "best_head", "syntax_role_heads", "distance", "distance_and_words", "all_heads_and_words"]
    names += ["random_weights", "random_weights", "right_branching", "left_branching"]
    seeds = pd.array([None] * 6 + [0, 1] + [None] * 2, "Int64")
    uas = np.random.default_rng(19).uniform(0.1, 0.7, len(names))
    table = pd.DataFrame({"probe": names, "null_seed": seeds, "heads": [72, 1, 10, 0, 0, 72, 72, 72, 0, 0], "uas": uas})
    which = ["", "2.8", "2.0, 2.8", *[""] * 7]
    return table.assign(**RUN, which=which, n=10_000, ci_low=uas - 0.02, ci_high=uas + 0.02)


def random_comparison(layers: int, heads: int, runs: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """The best heads of thirty-six roles, and the effects of all heads, in so many runs."""
    random, names = np.random.default_rng(16), ["minilm", *(f"checkpoint-{step}000" for step in range(1, runs))]
    roles = [(f"relation{n}.to_governor", "self") for n in range(36)]
    best = pd.DataFrame([(*role, run) for role in roles for run in names], columns=["role", "site", "run"])
    lift = random.uniform(-0.05, 0.6, len(best))
    ends = {"ci_low": lift - 0.05, "ci_high": lift + 0.05}
    best = best.assign(lift=lift, has_role=lift > 0.1, n=random.integers(50, 3000, len(best)), **ends)
    places = heads_of(layers, heads).drop(columns=list(RUN))
    effects = pd.concat([places.assign(run=run) for run in names], ignore_index=True)
    difference = np.where(effects["run"] == "minilm", np.nan, random.normal(0, 0.05, len(effects)))
    ends = {"difference_low": difference - 0.02, "difference_high": difference + 0.02}
    effects = effects.assign(ablation="mean", metric="log_prob", n=250, difference=difference, **ends)
    return best, effects


def random_examples(layers: int, heads: int, size: int = 20) -> Examples:
    """One document of `size` tokens, twice, after a start token; every row of a causal pattern sums to all steps."""
    random, count = np.random.default_rng(11), 2 * size + 1
    tokens = ("⟨start⟩", *[f"#{number}" for number in random.integers(10, 2000, size)] * 2)
    side = Side((), tokens, np.full(count, -1), np.arange(count) == 0)
    mass = np.tril(random.exponential(1.0, (layers * heads, count, count)) ** 3)
    pattern = (STEPS * mass / mass.sum(-1, keepdims=True)).round().astype(np.uint8)
    marks = np.array([(1, query, query - size + 1) for query in range(size + 1, count)])
    roles = tuple(Marked(name, "copying", "token", f"copying/{name}@1") for name in ("duplicate", "induction"))
    places = tuple(("self", layer, head) for layer in range(layers) for head in range(heads))
    return Examples((Example(101, "one", "", (side,), {"self": pattern}, {"self": marks}),), places, roles, "all")


def random_gates(layers: int, heads: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A curve of four strengths by three seeds for two metrics, and how often each head is kept."""
    random, places = np.random.default_rng(8), heads_of(layers, heads)
    strengths, rows = (0.003, 0.01, 0.03, 0.1), []
    for metric in ("log_prob", "kl"):
        rows += [("all", np.nan, None, None, metric, len(places), 1.0), ("none", np.nan, None, None, metric, 0, 0.0)]
        for place, strength in enumerate(strengths):
            for seed in range(3):
                kept = int(len(places) * (0.7 - 0.18 * place) * random.uniform(0.9, 1.1))
                share = kept / len(places)
                choices = (
                    ("gates", None, 0.4),
                    ("effect", None, 0.6),
                    *(("random", draw, 1.2) for draw in (0, 1, None)),
                )
                rows += [
                    (name, strength, seed, draw, metric, kept, share**power + random.normal(0, 0.01))
                    for name, draw, power in choices
                ]
    columns = ["chosen_by", "strength", "gate_seed", "draw", "metric", "heads_kept", "value"]
    curve = pd.DataFrame(rows, columns=columns).assign(ablation="mean", n=120, **RUN)
    curve = curve.assign(ci_low=curve["value"] - 0.03, ci_high=curve["value"] + 0.03)
    maps = [
        places.assign(strength=one, seeds=3, share_kept=random.integers(0, 4, len(places)) / 3) for one in strengths
    ]
    return curve, pd.concat(maps, ignore_index=True)


def every_figure(layers: int, heads: int) -> dict[str, Callable[[Style], Figure]]:
    """By name, what draws each figure for a model of that many layers of heads."""
    scores = random_scores(layers, heads, families=FAMILIES)
    scores["lift_pos"] = scores["lift"] - 0.1
    roles, effects, atlas = assigned_roles(scores), random_effects(layers, heads), random_atlas(layers, heads)
    anatomy, tags = random_anatomy(layers, heads), random_tags(layers, heads)
    causal, whole = random_kernel(layers, heads, causal=True), random_kernel(layers, heads, causal=False)
    curve, areas, joint = random_curves(("log_prob", "kl"))
    calibration, null_curve = random_calibration()
    short, long = random_attention(2, 3), random_attention(1, 4, LONG)
    words, long_words = list(dict(zip(short["query"], short["query_word"], strict=True)).values()), LONG
    few = random_candidates()
    many = random_attention(6, 2)
    many = many[many["query"] == 11].rename(columns={"key": "candidate", "key_word": "candidate_word"})
    of_gates = random_gates(layers, heads)
    made_of = random_explanations(layers, heads)
    causes = random_causes(layers, heads)
    far = random_diversity(layers, heads)
    two, seven = random_comparison(layers, heads, 2), random_comparison(layers, heads, 7)
    four = [("self", 0, head) for head in range(4)]
    kept, kept_long = random_examples(1, max(heads, 2)), random_examples(1, heads, 50)
    return {
        "roles": lambda style: plots.role_maps(scores, roles, style=style),
        "best_heads": lambda style: plots.best_heads(scores, roles, style=style),
        "effects": lambda style: plots.effect_map(effects, style=style),
        "role_against_effect": lambda style: plots.role_against_effect(atlas, style=style),
        "anatomy": lambda style: plots.anatomy_maps(anatomy, style=style),
        "attention_by_norm": lambda style: plots.attention_by_norm(anatomy, style=style),
        "kernels_causal": lambda style: plots.kernel_map(*causal, style=style),
        "kernels_whole": lambda style: plots.kernel_map(*whole, style=style),
        "tags": lambda style: plots.tag_matrices(tags, style=style),
        "copying": lambda style: plots.score_variants(random_variants(layers, heads), 0.4, style=style),
        "pruning_curve": lambda style: plots.pruning_curve(curve, areas, style=style),
        "gate_curve": lambda style: plots.gate_curve(of_gates[0], style=style),
        "gate_heads": lambda style: plots.gate_maps(of_gates[1], style=style),
        "joint_effects": lambda style: plots.joint_effects(joint, style=style),
        "coverage": lambda style: plots.coverage(calibration, style=style),
        "null_p": lambda style: plots.null_p(null_curve, style=style),
        "study": lambda style: plots.claims(random_study(18), style=style),
        "long_study": lambda style: plots.claims(random_study(90), style=style),
        "known_answers": lambda style: plots.known_answers(random_answers(), style=style),
        "nulls": lambda style: plots.real_against_nulls(random_nulls(), 0.1, style=style),
        "sensitivity": lambda style: plots.sensitivity(random_sensitivity(), style=style),
        "reliability": lambda style: plots.reliability(random_reliability(60), style=style),
        "matching": lambda style: plots.matching(*random_matching(), style=style),
        "shares": lambda style: plots.share_bars(made_of[0], made_of[1], style=style),
        "explained": lambda style: plots.explained_map(made_of[0], style=style),
        "adds": lambda style: plots.adds_maps(made_of[2], style=style),
        "role_ablation": lambda style: plots.role_ablation(*random_role_ablation(2), style=style),
        "role_ablation_of_many": lambda style: plots.role_ablation(*random_role_ablation(6), style=style),
        "circuit_curve": lambda style: plots.circuit_curve(*random_circuit()[:2], style=style),
        "circuit_completeness": lambda style: plots.circuit_completeness(random_circuit()[2], style=style),
        "self_repair": lambda style: plots.self_repair(random_interactions(8)[0], style=style),
        "self_repair_of_many": lambda style: plots.self_repair(random_interactions(40)[0], style=style),
        "interactions": lambda style: plots.interaction_map(random_interactions(8)[1], style=style),
        "interactions_of_many": lambda style: plots.interaction_map(random_interactions(30)[1], style=style),
        "patching": lambda style: plots.patching_maps(causes[0], style=style),
        "patching_largest": lambda style: plots.patching_bars(causes[0], style=style),
        "paths": lambda style: plots.path_maps(causes[1], style=style),
        "paths_largest": lambda style: plots.path_bars(causes[1], style=style),
        "head_map": lambda style: plots.head_map(far[0], style=style),
        "head_distances": lambda style: plots.distance_matrices(far[1], style=style),
        "redundancy": lambda style: plots.redundancy(far[2], style=style),
        "attribution": lambda style: plots.attribution_map(random_attribution(layers, heads), style=style),
        "components": lambda style: plots.attribution_bars(random_attribution(layers, heads), style=style),
        "probe": lambda style: plots.probe_bars(random_probe(), style=style),
        "compared_roles": lambda style: plots.compared_roles(two[0], style=style),
        "compared_effects": lambda style: plots.compared_effects(two[1], style=style),
        "compared_roles_of_many": lambda style: plots.compared_roles(seven[0], style=style),
        "compared_effects_of_many": lambda style: plots.compared_effects(seven[1], style=style),
        "arcs": lambda style: plots.attention_arcs(short, words, [(0, 0), (0, 1), (1, 2)], style=style),
        "arcs_long": lambda style: plots.attention_arcs(long, long_words, four, query=11, style=style),
        "matrices": lambda style: plots.attention_matrices(short, [(0, 0), (0, 1), (1, 2)], style=style),
        "matrices_long": lambda style: plots.attention_matrices(long, four, style=style),
        "cross_matrices": lambda style: plots.attention_matrices(
            cross_attention(), [("cross", 0, head) for head in range(4)], style=style
        ),
        "tokens": lambda style: plots.token_matrices(kept, [(0, 0), (0, 1)], role="induction", style=style),
        "tokens_long": lambda style: plots.token_matrices(kept_long, four[:heads], style=style),
        "candidates": lambda style: plots.candidate_bars(few, style=style),
        "candidates_many": lambda style: plots.candidate_bars(many, style=style),
    }


def main(folder: Path, layers: int, heads: int, *chosen: str) -> None:
    """Every figure, or those chosen, as pdf, png and grey png."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, draw in every_figure(layers, heads).items():
        for width in ("column", "page") if not chosen or name in chosen else ():
            figure = draw(Style(width))
            path = folder / f"{name}_{width}.png"
            figure.savefig(path.with_suffix(".pdf"), metadata={"CreationDate": None})
            figure.savefig(path, dpi=150)
            Image.open(path).convert("L").save(path.with_name(f"{name}_{width}_grey.png"))
            print(path)


if __name__ == "__main__":
    shape = [*map(int, sys.argv[2:4])] or [6, 12]
    main(Path(sys.argv[1]), shape[0], shape[1], *sys.argv[4:])
