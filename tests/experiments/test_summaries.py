"""Summaries of very many rows: the verdict in the first line, forty lines at most, and what is left out is counted."""

import re
from collections.abc import Callable
from importlib import import_module
from itertools import product
from typing import Any

import numpy as np
import pandas as pd
import pytest

from experiments.cli import study
from experiments.cli.summary_lines import LINES, cut, shortened, table_lines
from interp.tables.nulls import REAL
from interp.tallies import definitions
from tests.support.paths import ROOT

MANY = 60
HEADS = [{"site": "self", "layer": layer, "head": head} for layer in range(12) for head in range(12)]
INTERVAL = {"ci_low": 0.1, "ci_high": 0.3}
Tables = dict[str, pd.DataFrame]


def grid(*parts: list[dict[str, Any]], **same: Any) -> pd.DataFrame:
    """Every combination of the parts as a row, the same columns in all."""
    return pd.DataFrame([{k: v for part in row for k, v in part.items()} for row in product(*parts)]).assign(**same)


def each(column: str, values: Any) -> list[dict[str, Any]]:
    return [{column: value} for value in values]


def names(kind: str, count: int = MANY) -> list[str]:
    return [f"{kind}{number}" for number in range(count)]


def rising(table: pd.DataFrame, *columns: str) -> pd.DataFrame:
    return table.assign(**dict.fromkeys(columns, np.linspace(-0.5, 0.9, len(table))))


def of_roles() -> Tables:
    few = {"q": 0.01, "p": 0.001, "n": 99, "statistic": "mass", "baseline": 0.2, "baseline_name": "offset+1"} | INTERVAL
    harder = {"guess_pos": "next tag NOUN", "lift_pos": -0.1, "lift_pos_low": -0.2, "lift_pos_high": 0.1}
    scores = rising(
        grid(each("role", names("role")), HEADS[:4], each("split", ["select", "confirm"]), **few, **harder), "lift"
    )
    roles = grid(each("role", names("role")), HEADS, **few, **harder, fewer_effective_blocks=3.0, stability=1.0)
    power = pd.DataFrame({"role": names("role"), "detectable": np.inf, "room": 0.9})
    return {"scores": scores, "roles": roles, "power": power}


def of_effects() -> Tables:
    effects = grid(HEADS, each("metric", names("metric", 9)), ablation="mean", n=40, top=True, **INTERVAL)
    sets = pd.DataFrame({"set": names("set"), "metric": "kl", "size": 3, "sum_of_effects": 0.1, **INTERVAL})
    return {"effects": rising(effects, "effect"), "sets": rising(sets, "effect")}


def of_atlas() -> Tables:
    agreement, rules = ["role only", "neither", "untested"], ["first_special", "", "offset-1"]
    table = pd.DataFrame({"agreement": agreement, "explained": [0.5, np.nan, 0.7], "first_rule": rules})
    return of_roles() | of_effects() | {"atlas": table}


def of_nulls() -> Tables:
    kinds = each("null", [REAL, "permuted_gold", "shuffled_rows", "random_init"])
    table = grid(kinds, each("family", ["all", *names("family", 9)]), each("null_seed", range(30)), tests=5, heads=144)
    rest = {"heads_with_role": 0, "roles": 0, "largest_role": "first"}
    return of_roles() | {"nulls": rising(table.assign(**rest), "largest_lift")}


def of_anatomy() -> Tables:
    sites = [{"site": site, "copying_space": space} for site, space in zip("abc", ("x", "y", "z"), strict=True)]
    places = ["previous", "self", "first", "separator", "diagonal", "source_first", "source_end", "aligned"]
    numbers = dict.fromkeys([*places, *(f"{place}_by_norm" for place in places)], 0.1)
    same = {"n": 900, "written": 1.0, "position_mass": 0.9, "position_offset": -1.0}
    ends = {"share_ci_low": 0.1, "share_ci_high": 0.2}
    table = grid(sites, each("layer", range(6)), each("head", range(8)), [numbers], **same, **ends)
    return {"anatomy": rising(table, "share", "copying")}


def of_calibration() -> Tables:
    share = {"coverage": 0.95, "share_low": 0.9, "share_high": 1.0, "intervals": 9, "tests": 9}
    small = {f"share_0{a}{end}": 0.05 for a in (5, 1) for end in ("", "_low", "_high")}
    kinds = each("kind", ["any", *names("kind", 9)])
    blocks = each("blocks", names("blocks", 20))
    own = grid(
        each("role", ["any", *names("role")]), each("in_half", ["any", "fewer"]), each("effective", names("e", 9))
    )
    nulls = grid(
        each("null", names("null")), each("split", ["select", "confirm", "all"]), each("ties", ["counted", "broken"])
    )
    return {
        "calibration": grid(kinds, blocks, each("statistic", ["lift", "hit"]), role="any", split="any", **share),
        "calibration_heads": own.assign(statistic="mass", effective_blocks=5.0, **share, **small),
        "null_p": nulls.assign(**share, **small, ks=0.1, ks_p=0.5),
    }


def of_copying() -> Tables:
    versions = [f"copying/a-valid-rows@{number}" for number in range(20)]
    scores = grid(each("role", names("role")), each("definition", versions), HEADS[:5], **INTERVAL)
    spread = grid(each("role", names("role")), HEADS, flips=True, threshold=0.4)
    pairs = grid(each("role", names("role")), each("first", versions), second="b", rank_correlation=0.1)
    return {"copying": rising(scores, "value"), "copying_spread": spread, "copying_agreement": pairs}


def of_known_answers() -> Tables:
    ends = {f"{of}{end}": 0.5 for of in ("precision", "recall") for end in ("", "_low", "_high")}
    counts = dict.fromkeys(("found", "missed", "false", "implied", "absent", "untestable", "no_role"), 9)
    return {
        "known_answers": grid(
            each("kind", ["causal", "encoder"]), each("role", ["all", *names("role")]), **ends, **counts
        ),
        "marks": grid(
            each("role", names("role")), kind="causal", verdict="false", plan="none", planted_seed=1, text="t"
        ),
        "planted_strength": pd.DataFrame({"plan": ["half_strength"] * MANY, "measured": 0.5}),
        "planted_effects": grid(each("plan", ["previous", "induction", "none"]), each("seed", range(9)), effect=0.1),
    }


def of_pruning() -> Tables:
    orders = grid(each("metric", names("m", 9)), each("order", names("order")), order_seed=np.nan, ablation="mean", n=9)
    ends = {"difference": 0.1, "difference_ci_low": 0.0, "difference_ci_high": 0.2} | INTERVAL
    joint = orders.assign(heads_left=0, joint_effect=0.5, sum_of_effects=0.2, **INTERVAL)
    return {"pruning_area": rising(orders, "area").assign(**ends), "joint_effects": joint}


def of_random_init() -> Tables:
    runs = grid(each("shape", names("shape")), each("weights_seed", range(10)), heads=72, tested_roles=9, roles_given=1)
    given = grid(each("role", names("role")), HEADS[:3], shape="gpt2", weights_seed=1)
    return {"random_init": rising(runs, "largest_lift"), "given": rising(given, "lift")}


def of_role_ablation() -> Tables:
    same = {"metric": "logit_difference", "n": 48, "heads": "1.0 1.1", "disagrees": ""} | INTERVAL
    kinds = each("control", ["none", "random", "as loud", *names("heads of ", 9)])
    rows = grid(each("role", names("role")), each("replacement", ["zero", "mean"]), kinds, **same)
    verdict = np.where(rows["control"] == "none", "matter", "less")
    return {"role_ablation": rising(rows.assign(verdict=verdict), "effect")}


def of_circuit() -> Tables:
    def ends(*columns: str) -> dict[str, float]:
        return {f"{column}{end}": 0.5 for column in columns for end in ("", "_low", "_high")}

    same = {"metric": "logit_difference", "replacement": "mean", "n": 48, "draws": 20, "size": 8, "heads": "1.0 1.1"}
    own = pd.DataFrame({"circuit": ["circuit", "random"], "full": 3.0, "empty": 0.1, "reaching": [0.05, np.nan]})
    own = own.assign(**same, **ends("value", "faithfulness", "share", "normalised"))
    subsets = grid(each("kind", ["none", "random", "greedy"]), each("subset", range(9)), heads="1.0", circuit=1.0)
    subsets = rising(subsets.assign(model_without=2.0, **ends("incompleteness")), "incompleteness")
    minimal = rising(grid(HEADS[:60], subset="", **ends("change")), "change")
    areas = grid(each("ranking", names("ranking", 9)), draw=np.nan, **ends("cpr", "cmd"))
    return {"circuit": own, "circuit_completeness": subsets, "circuit_minimality": minimal, "circuit_areas": areas}


def of_interactions() -> Tables:
    ends = {f"{column}{end}": 0.5 for column in ("direct", "total", "repaired") for end in ("", "_low", "_high")}
    repair = grid(HEADS[:60], replacement="mean", n=48, by_heads=0.2, by_rest=0.1, **ends)
    pairs = grid(each("heads", names("1.0 ")), joint=0.5, sum_of_effects=0.2, q=0.01, **INTERVAL)
    changed = grid(HEADS[:9], each("other_layer", range(9)), other_head=1, before=0.1, **INTERVAL)
    return {
        "interactions": rising(pairs, "interaction"),
        "self_repair": repair,
        "changed_heads": rising(changed, "change"),
    }


def of_sensitivity() -> Tables:
    counts = {"roles_compared": 9, "not_testable": 1, "heads": 72, "heads_flipped": 3, "share_flipped": 0.1}
    rows = grid(
        each("factor", ["corpus"]), each("level", names("level")), **counts, share_flipped_with_role=0.2, jaccard=0.9
    )
    return {"sensitivity": rows}


def of_sentence() -> Tables:
    words = each("query", range(MANY))
    attention = grid(words, each("key", range(5)), HEADS[:8])
    attention = attention.assign(
        query_word=[f"w{n}" for n in attention["query"]], key_word=[f"w{n}" for n in attention["key"]]
    )
    return {"attention": rising(attention, "mass")}


def of_candidates() -> Tables:
    found = grid(each("candidate", range(1, MANY)), HEADS)
    return of_sentence() | {"candidates": rising(found, "mass").assign(query=0)}


def of_shapes() -> Tables:
    cards = [card.id for card in vars(definitions).values() if hasattr(card, "formula")]
    rows = grid(each("definition", [*cards, *(f"{name}@1" for name in names("mine/number"))]), HEADS, **INTERVAL)
    return {"shape": rising(rows, "value")}


def of_stability() -> Tables:
    kinds = names("kind")
    ends = {"n": 90} | INTERVAL
    matched = pd.DataFrame({"by": kinds, "similarity": 0.9, "null": "dealt anew", "null_mean": 0.1, "p": 0.01})
    heads = grid(each("by", kinds), HEADS[:5], other_layer=0, other_head=0, similarity=0.9)
    return {
        "reliability": rising(pd.DataFrame({"role": names("role"), **ends}), "reliability"),
        "matching": matched,
        "matching_null": grid(each("by", kinds), each("null", names("null")), similarity=0.95),
        "matches": heads,
    }


def of_tags() -> Tables:
    rows = grid(each("to_tag", names("TAG")), HEADS, from_tag="any", expected=0.1, excess=0.1, **INTERVAL)
    return {"tags": rising(rows, "share")}


def of_explain() -> Tables:
    explained = grid(HEADS, card="offset-1 0.90: explains 0.91", **INTERVAL)
    added = grid(each("family", ["syntax", "coreference", *names("family")]), HEADS, null="none", q=0.01, **INTERVAL)
    return {"explanations": rising(explained, "explained"), "adds": rising(added, "adds")}


CAUSED = {"clean": 3.0, "corrupted": -1.0, "q": 0.01} | INTERVAL


def of_patching() -> Tables:
    settings = [each("direction", ["noise", "denoise"]), each("part", ["z", "q", "k", "v", "pattern"])]
    table = grid(*settings, each("position", ["all", "end"]), HEADS, **CAUSED)
    return {"patching": rising(table, "effect", "estimate"), **of_ability()}


def of_paths() -> Tables:
    receivers = each("receiver", names("receiver", 30))
    return {"paths": rising(grid(receivers, HEADS, receiver_input="q", **CAUSED), "effect"), **of_ability()}


def of_gates() -> Tables:
    choices = each("chosen_by", ["all", "none", "gates", "effect", "random"])
    runs = [{"strength": 0.001 * place, "gate_seed": seed} for place in range(1, 20) for seed in range(9)]
    over = {"over_random": 0.1, "over_random_low": 0.05, "over_random_high": 0.2}
    over |= {"over_effect": 0.1, "over_effect_low": np.nan, "over_effect_high": np.nan} | INTERVAL
    curve = grid(each("metric", names("m", 9)), choices, runs, heads_kept=9, ablation="mean", n=40, **over)
    heads = grid(each("strength", [0.001, 0.002]), HEADS, seeds=9, times_kept=9)
    agreement = pd.DataFrame({"strength": range(MANY), "fewest_kept": 1, "most_kept": 9, "jaccard": 0.5})
    agreement = agreement.assign(lowest=0.2, highest=0.9, chance=0.1)
    agreement.loc[0, ["jaccard", "chance"]] = np.nan
    return {"gate_curve": rising(curve, "value"), "gate_heads": rising(heads, "effect"), "gate_agreement": agreement}


def of_ability() -> Tables:
    texts, metrics = each("text", ["clean", "corrupted"]), each("metric", ["logit_difference", "log_prob", "accuracy"])
    return {"ability": grid(texts, metrics, value=0.9, n=160, chance=0.5, **INTERVAL)}


def of_logit_attribution() -> Tables:
    keys = grid(HEADS, each("key", names("position", 9)), value=0.1)
    table = grid(HEADS, [{}], component="head", n=160, **INTERVAL)
    return of_ability() | {"attribution": rising(table, "value"), "attribution_by_key": keys}


def of_diversity() -> Tables:
    measures = ["effective_heads", "within_layers", "between_layers", "within_less_between"]
    kinds = [{"null": "none", "null_seed": None}, *({"null": "random_init", "null_seed": n} for n in range(MANY))]
    table = grid(kinds, each("measure", measures), site="self", layer=None, heads=144, n=900, **INTERVAL)
    pairs = grid(HEADS, each("other_head", range(5)), null="none", other_layer=0, **INTERVAL)
    return {"diversity": rising(table, "value"), "head_distances": rising(pairs, "distance")}


def of_probe() -> Tables:
    kinds = [
        {"probe": "all_heads", "null_seed": None},
        *({"probe": "random_weights", "null_seed": n} for n in range(MANY)),
    ]
    ends = {"over_right": 0.2, "over_right_low": 0.1, "over_right_high": 0.3}
    return {"probe": rising(grid(kinds, heads=144, which="", n=900, **INTERVAL, **ends), "uas")}


def of_compare() -> Tables:
    ends = {"difference_low": -0.1, "difference_high": 0.1, "same_documents": True}
    runs = pd.DataFrame(
        {"run": names("run", 30), "same_documents": True, "roles": 9, "heads": 144, "heads_with_role": 8}
    )
    rows = rising(grid(each("run", names("run", 30)), HEADS[:9], role="obj", metric="kl", **ends), "difference")
    every = {name: rows.drop(columns="metric") for name in ("compared_roles", "compared_heads")}
    return {"compared_runs": runs, **every, "compared_effects": rows.drop(columns="role")}


def of_definitions() -> Tables:
    ids = [f"family{number}/{'long' * 8}{n}@1" for number in range(MANY) for n in range(9)]
    columns = grid(each("table", names("table")), each("column", names("column", 9)))
    return {"definitions": pd.DataFrame({"definition": ids}), "columns": columns}


def of_verify() -> Tables:
    columns = pd.DataFrame(
        {"column": names("column"), "rows": 9, "differing": 3, "run": "outputs/run", "table": "scores"}
    )
    kinds = pd.DataFrame({"kind": ["version", "corpus"] * 30, "name": names("name"), "recorded": "a", "now": "b"})
    verdicts = columns.assign(verdict=["differs", "arithmetic"] * 30)
    return {"verify": rising(verdicts, "largest_difference"), "circumstances": kinds}


MADE: dict[str, tuple[Callable[[], Tables], str]] = {
    "anatomy": (of_anatomy, r"^Head .* has the largest share of its layer's output"),
    "atlas": (of_atlas, r"^8640 roles on 144 of 144 heads \(held-out split; largest q 0\.01\); 0 of 8640 exceed"),
    "calibration": (of_calibration, r"^95 % intervals of the lift contain the true value in 0\.950 "),
    "circuit": (of_circuit, r"^The circuit \(8 heads, all others by mean\) has 50%"),
    "compare": (of_compare, r"^30 runs: 0 of 810 differences from the first \(run0\) have an interval without zero"),
    "copying": (of_copying, r"^Of 144 heads, those that reach 0\.4 by one published score"),
    "definitions": (of_definitions, r"^540 definitions in 60 families"),
    "diversity": (of_diversity, r"^144 heads count as -0\.5 \[.*\] that have nothing in common \(Vendi score\)"),
    "explain": (of_explain, r"^Rules explain 0\.\d\d of what there is to explain \(mean over 144 heads\)"),
    "gates": (of_gates, r"^Heads kept by gates do better than as many by their single effects in 0 of 171 trainings"),
    "logit_attribution": (of_logit_attribution, r"^Right in 90% of 160 prompts"),
    "head_ablation": (of_effects, r"^Head 11\.11 matters most"),
    "head_roles": (of_roles, r"^8640 roles on 144 of 144 heads \(held-out split; largest q 0\.01\); 0 of 8640 exceed"),
    "interactions": (of_interactions, r"^Of 60 heads 60 cost less than they add directly"),
    "known_answers": (of_known_answers, r"^causal: 9 planted roles found, 9 missed, 9 false positives"),
    "nulls": (of_nulls, r"^Roles under the nulls: 0 in 30 seeds of permuted_gold"),
    "patching": (of_patching, r"^Right in 90% of 160 prompts"),
    "path_patching": (of_paths, r"^Right in 90% of 160 prompts"),
    "probe": (of_probe, r"^Attention alone finds -0\.50 \[.*\] of governors"),
    "pruning_curve": (of_pruning, r"^Best order to ablate heads in: order59"),
    "random_init": (of_random_init, r"^600 of 600 networks with random weights have a head with a role"),
    "role_ablation": (of_role_ablation, r"^The heads of 60 of 60 roles matter under every replacement"),
    "sensitivity": (of_sensitivity, r"^0 of 60 choices change no head's roles"),
    "sentence": (of_candidates, r"^From 'w0' \(word 0\), head 11\.11 attends most"),
    "shapes": (of_shapes, r"^Mean over heads: entropy "),
    "stability": (of_stability, r"^Split-half reliability over heads: median 0\.20 of 60 roles"),
    "verify": (of_verify, r"^outputs/run is NOT reproduced: 30 of 60 columns of 1 tables differ by more than 1e-06"),
    "tags": (of_tags, r"^\d+ of 60 tags have a head with more than twice the mean"),
}


@pytest.mark.parametrize("name", MADE)
def test_a_summary_begins_with_the_verdict_and_ends_in_time(name: str) -> None:
    make, verdict = MADE[name]
    lines = import_module(f"experiments.{name}").summarise(make())
    assert re.search(verdict, lines[0]), lines[0]
    assert len(lines) <= LINES
    assert not any("nan" in line.split() or "inf" in line.split() for line in lines)
    if name not in ("anatomy",):
        assert any(re.search(r"… and \d+ more", line) for line in lines), "what is left out is counted"


def test_every_experiment_is_held_to_it() -> None:
    options = {path.stem for path in (ROOT / "conf" / "experiment").glob("*.yaml")}
    # a merge sums up what the experiment of its shards does
    assert options - {"merge"} == set(MADE)


def test_a_sentence_without_a_query_is_short_too() -> None:
    lines = import_module("experiments.sentence").summarise(of_sentence())
    assert len(lines) <= LINES and "… and " in lines[1]


def test_a_study_of_many_claims_names_those_that_failed() -> None:
    claims = pd.DataFrame(
        {"claim": names("claim"), "verdict": ["pass"] * 55 + ["fail"] * 5, "published": 1.0, "measured": 0.5,
         "tolerance": 0.1, "head": "", "note": ""}
    )  # fmt: skip
    lines = study.summarise({"study": claims}, {"title": "A paper"})
    assert lines[0] == "A paper: 55 of 60 claims reproduced." and len(lines) <= LINES
    assert sum(line.split()[0] == "fail" for line in lines) == 5


def test_lists_are_cut_where_more_than_one_is_left_out() -> None:
    assert cut(["a", "b", "c"], 2, "x.csv") == ["a", "b", "c"]
    assert cut(["a", "b", "c", "d"], 2, "x.csv") == ["a", "b", "… and 2 more in x.csv"]
    assert cut(["  a", "  b", "  c", "  d"], 2, "x.csv")[-1] == "  … and 2 more in x.csv"


def test_columns_are_as_wide_as_what_is_shown() -> None:
    rows = [("a", "1"), ("bb", "22"), ("ccc", "3"), ("much longer", "4"), ("e", "5")]
    lines = table_lines(rows, 2, "x.csv", header=("name", "n"), indent="")
    assert lines == ["name  n", "a     1", "bb    22", "… and 3 more in x.csv"]


def test_a_note_is_cut_in_its_list_of_names_alone() -> None:
    note = f"Too little to test 51 of 71 roles: {', '.join(names('role', 51))}."
    assert shortened(note).endswith("role6, role7, … and 43 more in manifest.json.")
    for whole in ("In the documents 25 of 25,094 words (0.1%) own no token (unaligned).", "a, b, c, d, e, f."):
        assert shortened(whole) == whole
