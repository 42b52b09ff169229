"""What does every head look at, and does it matter? Roles and ablation on the same model and corpus, joined."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
from matplotlib.figure import Figure

from experiments import head_ablation, head_roles
from interp import plots
from interp.ablation import effects
from interp.ablation.effects import MetricsOf
from interp.api import RolesOf, label, tally_roles
from interp.corpora.batching import encode
from interp.heads import HEAD
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.best_heads import best_roles
from interp.tallies.spread import FirstTokenTally, ShapeTally
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    ablation: Mapping[str, Any],
    metrics: MetricsOf,
    classification: Mapping[str, Any],
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Two passes over the corpus and a sweep over every head; one row per head in the end."""
    encoded = encode(model, corpus)
    shape, first = ShapeTally(model.heads), FirstTokenTally(model.heads)
    sums = tally_roles(model, encoded, roles, shape, first, progress=progress)
    tables = head_roles.role_tables(sums, classification, seed)
    minimum = classification["min_blocks"]
    found = effects.measure(
        model, encoded, metrics=metrics, **ablation, seed=seed, min_blocks=minimum, progress=progress
    )
    tables |= found.tables
    tables["atlas"] = join(tables["scores"], tables["roles"], tables["effects"], shape, first)
    labelled = {name: label(table, model, corpus, seed) for name, table in tables.items()}
    skipped = {**encoded.skipped, **found.skipped}
    said = (*encoded.notes, *head_roles.missing_evidence(sums, classification, model.causal, corpus), *found.said)
    return Findings(labelled, skipped, said)


def join(
    scores: pd.DataFrame, roles: pd.DataFrame, effect: pd.DataFrame, shape: ShapeTally, first: FirstTokenTally
) -> pd.DataFrame:
    """One row per head, with the effects of the first metric.

    `best_role` is the assigned role with the largest confirm lift that is not `first`, `self` or `separator`, one of
    these where there is no other (`unclassified` where there is none at all). `best_lift` is its lift on confirm; where
    no role was assigned, the largest of any tested role. `null_attention` is the mean attention on the first token, as
    `shape/null@1` has it. `n`, interval, p and q are those of `effect`. A head *matters* when the effect's interval
    lies above the median effect of all heads and above zero; `agreement` says whether that and having a role go
    together.
    """
    entropy, distance = shape.means()
    heads = pd.DataFrame([tuple(head) for head in shape.heads], columns=HEAD)
    heads = heads.assign(entropy=entropy, mean_distance=distance, null_attention=first.null_attention())
    effect = effect[effect.metric == effect.metric.iloc[0]]
    table = heads.merge(_roles_of_heads(scores, roles), on=HEAD, how="left").merge(
        effect[[*HEAD, "metric", "ablation", "n", "effect", "ci_low", "ci_high", "p", "q"]], on=HEAD, how="left"
    )
    matters = table.ci_low > max(float(table.effect.median()), 0.0)
    has_role = table.n_roles > 0
    table["agreement"] = np.select(
        [has_role & matters, has_role, matters], ["role and effect", "role only", "effect only"], "neither"
    )
    table.loc[table.ci_low.isna(), "agreement"] = "untested"
    of_roles = ["roles", "n_roles", "best_role", "best_family", "best_lift"]
    of_effect = ["metric", "ablation", "n", "effect", "ci_low", "ci_high", "p", "q"]
    return table[[*HEAD, *of_roles, *of_effect, "entropy", "mean_distance", "null_attention", "agreement"]]


def _roles_of_heads(scores: pd.DataFrame, roles: pd.DataFrame) -> pd.DataFrame:
    assigned = roles[roles.role != "unclassified"]
    names = assigned.groupby(HEAD)["role"].agg(["; ".join, "size"]).set_axis(["roles", "n_roles"], axis=1)
    best = best_roles(assigned, HEAD).set_index(HEAD)
    tested = scores[(scores.split == "confirm") & scores.p.notna()]
    highest = tested.groupby(HEAD)["lift"].max().rename("highest_lift")
    every = roles[HEAD].drop_duplicates().set_index(HEAD)
    table = every.join(names).join(best[["role", "family", "lift"]]).join(highest)
    table = table.rename(columns={"role": "best_role", "family": "best_family", "lift": "best_lift"})
    table["best_lift"] = table.best_lift.fillna(table.highest_lift)
    table["n_roles"] = table.n_roles.fillna(0).astype(int)
    unnamed = dict.fromkeys(("best_role", "best_family"), "unclassified") | {"roles": ""}
    return table.drop(columns="highest_lift").fillna(unnamed).reset_index()


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """The figures of both experiments, and role against effect."""
    return (
        head_roles.draw(tables)
        | head_ablation.draw(tables)
        | {"role_against_effect": plots.role_against_effect(tables["atlas"])}
    )


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Both summaries, and how often role and effect go together."""
    counts = tables["atlas"].agreement.value_counts()
    together = ", ".join(f"{name}: {count}" for name, count in counts.items())
    lines = [*head_roles.summarise(tables), *head_ablation.summarise(tables), f"Heads by role and effect: {together}."]
    if "untested" in counts:
        lines.append("Untested: too few blocks of documents were swept for an interval; raise ablation.limit.")
    return lines
