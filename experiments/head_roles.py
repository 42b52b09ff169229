"""Which heads look where? Score every head on every role, test it, and name the roles that stand."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.wording import interval, more_sources, name_of, signed
from interp import plots
from interp.api import RolesOf, label, tally_roles
from interp.corpora.batching import encode
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics import power_table
from interp.statistics.concentration import FEW
from interp.sums import RoleSums
from interp.tables import score_table
from interp.tables.best_heads import SINKS, best_heads
from interp.tables.roles import classify, shortfall
from interp.types import Corpus, HeadModel

HEAD = ["site", "layer", "head"]


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    classification: Mapping[str, Any],
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One pass over the corpus; then everything follows from sums per block of documents."""
    encoded = encode(model, corpus)
    sums = tally_roles(model, encoded, roles, progress=progress)
    tables = role_tables(sums, classification, seed)
    labelled = {name: label(table, model, corpus, seed) for name, table in tables.items()}
    missing = missing_evidence(sums, classification, model.causal, corpus)
    return Findings(labelled, encoded.skipped, (*encoded.notes, *missing))


def role_tables(sums: RoleSums, classification: Mapping[str, Any], seed: int) -> dict[str, pd.DataFrame]:
    """The tables `scores`, `roles` and `power` of one pass."""
    rules = {name: classification[name] for name in ("alpha", "correction") if name in classification}
    scores = score_table(sums, seed=seed, **_needs(classification), **rules)
    roles = classify(sums, scores, seed=seed, **classification)
    return {"scores": scores, "roles": roles, "power": power_table(scores)}


def missing_evidence(
    sums: RoleSums, classification: Mapping[str, Any], causal: bool, corpus: Corpus
) -> tuple[str, ...]:
    """What the corpus was too small to test (untestable is not absent), and how much more would do.

    Where a role has no query at all, a `causal` model may be the reason as well as the corpus.
    """
    needs = _needs(classification)
    lacking = shortfall(sums, **needs)
    asked = {role.name for role, n in zip(sums.roles, sums.n.sum(axis=1), strict=True) if n}
    never = list(dict.fromkeys(role.name for role in sums.roles if role.name not in asked))
    lacking = lacking[lacking.role.isin(asked)]
    lines = []
    if never:
        seen = " that it can see (in a causal model none that comes later)" if causal else ""
        lines.append(f"No query has a target here{seen}: {', '.join(never)}.")
    if len(lacking):
        names = list(dict.fromkeys(lacking.role))
        lines.append(
            f"Too little to test {len(names)} of {len({role.name for role in sums.roles})} roles: {', '.join(names)}."
        )
        most = lacking.groupby("role")[["queries", "blocks"]].min().sort_values(["blocks", "queries"]).iloc[-1]
        lines.append(
            f"A test needs {needs['min_queries']} scored queries in {needs['min_blocks']} blocks of source documents "
            f"in each half; the best covered of these has {most.queries} in {most.blocks} in its smaller half. "
            f"{more_sources(corpus)}"
        )
    return tuple(lines)


def _needs(classification: Mapping[str, Any]) -> dict[str, int]:
    return {name: int(classification[name]) for name in ("min_queries", "min_blocks")}


def draw(tables: Mapping[str, pd.DataFrame]) -> dict[str, Figure]:
    """A map of heads per role family, and the best head of every relation against its baseline."""
    return {
        "roles": plots.role_maps(tables["scores"], tables["roles"]),
        "best_heads": plots.best_heads(tables["scores"], tables["roles"]),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The best head of each role that could be tested, chosen on select and reported on confirm."""
    scores, roles = tables["scores"], tables["roles"]
    assigned = roles[roles.role != "unclassified"]
    heads = roles[["site", "layer", "head"]].drop_duplicates()
    with_role = assigned[["site", "layer", "head"]].drop_duplicates()
    lines = [f"{len(assigned)} roles on {len(with_role)} of {len(heads)} heads."]
    resting = len(with_role) - len(assigned.loc[~assigned.role.isin(SINKS), HEAD].drop_duplicates())
    if resting:
        lines.append(f"{resting} of these heads have no role but {', '.join(SINKS[:-1])} or {SINKS[-1]}.")
    best = best_heads(scores)
    best = best[best.p.notna()]
    if not len(best):
        return [*lines, "No role had enough queries and source documents to be tested; all scores are in scores.csv."]
    lines.append("Best head of each role (chosen on one half of the documents, measured on the other):")
    stars = set(zip(assigned.role, assigned.site, assigned.layer, assigned["head"], strict=True))
    row: Any
    for row in best.head(14).itertuples():
        mark = "*" if (row.role, row.site, row.layer, row.head) in stars else " "
        measured = row.baseline + row.lift
        lines.append(
            f"  {mark} {row.role:<24} head {name_of(row):<5} {measured:.2f} against {row.baseline:.2f} "
            f"({row.baseline_name}), lift {signed(row.lift)}{interval(row.ci_low, row.ci_high)}"
            f"{_over_harder(row)}, n {row.n}"
        )
    if len(best) > 14:
        lines.append(f"    … and {len(best) - 14} more in scores.csv")
    if len(assigned):
        lines.append("  * the head has the role: see roles.csv")
    return [*lines, *_harder_words(assigned), *_few_documents_words(scores, assigned), *_power_words(tables["power"])]


def _few_documents_words(scores: pd.DataFrame, assigned: pd.DataFrame) -> list[str]:
    """Every assigned role judged by mass that so few documents decide that neither interval nor p is to be trusted.

    The half with fewer effective blocks counts: `interp.statistics.concentration.FEW` says what that was measured on.
    """
    by_mass = scores.loc[scores.statistic == "mass", "role"].unique()
    few = assigned[assigned.role.isin(by_mass) & (assigned.fewer_effective_blocks < FEW)]
    if few.empty:
        return []
    lines = [
        f"{len(few)} of {len(assigned)} assigned roles: so few documents decide (under {FEW:g} effective blocks in a "
        "half) that interval and p are not to be trusted; more source documents would tell:"
    ]
    for role, rows in few.groupby("role", sort=False):
        heads = ", ".join(f"{name_of(row)} ({row.fewer_effective_blocks:.1f})" for row in rows.itertuples())
        lines.append(f"    {role}: {heads}")
    return lines


def _harder_words(assigned: pd.DataFrame) -> list[str]:
    """How many roles are more than a rule of gold annotation: the whole interval above the annotation baseline."""
    held = assigned[assigned.lift_pos.notna()]
    if held.empty:
        return []
    better = int((held.lift_pos_low > 0).sum())
    return [
        f"{better} of {len(held)} assigned roles of hits exceed the annotation baseline, a rule of gold tags or "
        "mentions (lift_pos in roles.csv, its interval above 0)."
    ]


def _over_harder(row: Any) -> str:
    if pd.isna(row.lift_pos):
        return ""
    return f", over {row.guess_pos} {signed(row.lift_pos)}{interval(row.lift_pos_low, row.lift_pos_high)}"


def _of_a_lift(detectable: float) -> str:
    """A detectable lift in words: infinite where no lift is large enough for so few blocks at so strict a level."""
    if math.isfinite(detectable):
        return f"a lift of {detectable:.2f} or less" if detectable <= 1 else "no lift that there can be (of 1 at most)"
    return "no lift, however large: that takes more source documents"


def _power_words(power: pd.DataFrame) -> list[str]:
    """What it is worth that a head is unclassified."""
    if power.empty:
        return []
    middle, last = (_of_a_lift(lift) for lift in (power.detectable.median(), power.detectable.max()))
    lines = [
        f"Unclassified: half of the {len(power)} testable roles could have shown {middle} (80 % power), the least sure "
        f"one {last}: see power.csv."
    ]
    hidden = list(power[power.detectable > power.room].role)
    if hidden:
        lines.append(f"Of these roles not even a perfect head would have been shown: {', '.join(hidden)}.")
    return lines
