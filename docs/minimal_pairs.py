"""SmolLM2 on minimal pairs: python docs/minimal_pairs.py FOLDER … (of runs with metrics=minimal_pairs ablation.top=5).

Each run has found the heads that matter most to a phenomenon on some of its pairs. Here accuracy and their effects are
measured on others, of which none had a say in which heads these are, and the same heads with random weights.
"""

import sys
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import binomtest

from interp import metrics
from interp.ablation.effects import of_sets
from interp.ablation.plan import Plan
from interp.corpora.encoding import encode
from interp.corpora.minimal_pairs import read_minimal_pairs
from interp.models.gguf import smollm2
from interp.results import read_manifest
from interp.tables import effect_table
from interp.types import Corpus

SEEN, MEASURED = 200, 400
"""Pairs that a run may have seen, the lowest by their hash, and those after them that are measured here."""


def row(folder: Path) -> str:
    """One line of the table: the phenomenon, the intact model, its heads, and the same with random weights."""
    config: dict[str, Any] = (read_manifest(folder) or {})["config"]
    path, limit = config["corpus"]["path"], config["corpus"]["limit"]
    assert config["model"]["init"] == "pretrained" and limit <= SEEN, f"{folder}: {config['model']}, {limit} pairs"
    seen = {document.source for document in read_minimal_pairs(path, limit=SEEN).documents}
    corpus = read_minimal_pairs(path, limit=SEEN + MEASURED)
    corpus = replace(corpus, documents=tuple(one for one in corpus.documents if one.source not in seen))
    race = pd.read_parquet(folder / "effects.parquet").query("top").sort_values("effect", ascending=False)
    sets = {f"{layer}.{head}": [f"L{layer}H{head}"] for layer, head in zip(race["layer"], race["head"], strict=True)}
    trained, random = effects(corpus, sets, "pretrained"), effects(corpus, sets, "random")
    points: Any = trained[trained.metric == "accuracy"].set_index("name").effect
    difference: Any = trained[trained.metric == "logit_difference"]
    heads = [
        f"{one.name} {one.effect:+.2f} [{one.ci_low:.2f}, {one.ci_high:.2f}], {100 * points[one.name]:+.1f}"
        for one in difference.itertuples(index=False)
    ]
    largest = random[random.metric == "logit_difference"].effect.abs().max()
    return f"| `{corpus.name}` | {accuracy(trained)} | {'; '.join(heads)} | {accuracy(random)} | {largest:.2f} |"


def effects(corpus: Corpus, sets: Mapping[str, Sequence[str]], init: str) -> pd.DataFrame:
    """What both metrics lose without each of these heads, mean ablation."""
    model = smollm2(init=init)
    sums, _ = of_sets(model, encode(model, corpus), Plan(sets=sets), metrics.minimal_pairs(model))
    return effect_table(sums, seed=0).assign(name=lambda table: [list(sets)[number] for number in table.layer])


def accuracy(table: pd.DataFrame) -> str:
    """The intact model's, with Wilson's interval."""
    whole: Any = table[table.metric == "accuracy"].iloc[0]
    low, high = binomtest(round(whole.intact * whole.n), int(whole.n)).proportion_ci(method="wilson")
    return f"{whole.intact:.3f} [{low:.3f}, {high:.3f}]"


if __name__ == "__main__":
    print(
        "| phenomenon | accuracy [95 %] | heads: what the difference loses, nats [95 %], and accuracy, points "
        "| random weights: accuracy | the same heads: largest effect, nats |"
    )
    print("|---|---|---|---|---|")
    for given in sys.argv[1:]:
        print(row(Path(given)), flush=True)
