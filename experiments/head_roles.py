"""Which heads attend where? Score every head on every role, test it, and name the roles that stand."""

import math
from collections.abc import Mapping
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import cut, interval, more_sources, name_of, signed, table_lines
from interp import plots
from interp.api import RolesOf, examples_of, findings, tally_roles
from interp.corpora.encoding import encode
from interp.heads import HEAD
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics import power_table
from interp.statistics.concentration import FEW
from interp.statistics.criteria import Criteria
from interp.sums import RoleSums
from interp.tables import score_table
from interp.tables.best_heads import SINKS, best_heads
from interp.tables.blocks import role_block_table
from interp.tables.examples import example_tables
from interp.tables.roles import classify, shortfall
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    criteria: Criteria,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One pass over the corpus, from whose sums per block of documents all follows; and a few documents to look at."""
    encoded = encode(model, corpus)
    sums = tally_roles(model, encoded, roles, progress=progress)
    examples = examples_of(model, encoded, roles, seed=seed, progress=progress)
    progress.measured()
    tables = role_tables(sums, criteria, seed, progress=progress)
    tables["role_blocks"] = role_block_table(sums, criteria.min_blocks)
    tables |= example_tables(examples, tables["scores"], tables["roles"])
    notes = missing_evidence(sums, criteria, model.causal, corpus)
    return findings(model, encoded, seed, tables, notes, examples=examples)


def role_tables(
    sums: RoleSums, criteria: Criteria, seed: int, *, splits: int = 20, progress: Progress = silent
) -> dict[str, pd.DataFrame]:
    """The tables `scores`, `roles` and `power` of one pass; `splits` say how stable each role is."""
    scores = score_table(sums, criteria, seed=seed, progress=progress)
    roles = classify(sums, scores, criteria, seed=seed, splits=splits, progress=progress)
    return {"scores": scores, "roles": roles, "power": power_table(scores)}


def missing_evidence(sums: RoleSums, criteria: Criteria, causal: bool, corpus: Corpus) -> tuple[str, ...]:
    """What the corpus was too small to test (untestable is not absent), and how much more would do.

    Where a role has no query at all, a `causal` model may be the reason as well as the corpus.
    """
    lacking = shortfall(sums, criteria)
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
            f"A test needs {criteria.min_queries} scored queries in {criteria.min_blocks} blocks of source documents "
            f"in each half; the best covered of these has {most.queries} in {most.blocks} in its smaller half. "
            f"{more_sources(corpus)}"
        )
    return tuple(lines)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A map of heads per role family, and the best head of every relation against its baseline."""
    return {
        "roles": plots.role_maps(tables["scores"], tables["roles"], style=style),
        "best_heads": plots.best_heads(tables["scores"], tables["roles"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The verdict; the best head of each tested role, chosen on `select`, reported on `confirm`; what qualifies it."""
    return summary_of(tables, most=14)


def summary_of(tables: Mapping[str, pd.DataFrame], *, most: int) -> list[str]:
    """The same with `most` roles in the list: experiments that join summaries have fewer lines for each."""
    scores, roles = tables["scores"], tables["roles"]
    assigned = roles[roles.role != "unclassified"]
    lines = [_verdict(roles, assigned), *_resting_words(assigned)]
    best = best_heads(scores)
    best = best[best.p.notna()]
    if not len(best):
        return [*lines, "No role had enough queries and source documents to be tested; all scores are in scores.csv."]
    lines.append(
        "Best head of each role, chosen on the discovery split (select), measured on the held-out split (confirm)"
        + ("; * it has the role:" if len(assigned) else ":")
    )
    stars = set(zip(assigned.role, assigned.site, assigned.layer, assigned["head"], strict=True))
    over = ["over the annotation baseline [95 %]"] if best.lift_pos.notna().any() else []
    header = ("  role", "head", "hit or mass", "baseline", "lift [95 %]", "n", *over)
    rows: Any = best.itertuples()
    listed = [_best_head(row, stars) for row in rows]
    lines += table_lines(listed, most, "scores.csv", header=header, indent="  ")
    return [*lines, *_few_documents_words(scores, assigned), *_power_words(tables["power"])]


def _verdict(roles: pd.DataFrame, assigned: pd.DataFrame) -> str:
    """How many roles stand on how many heads, and how many are more than a rule of gold annotation."""
    with_role, heads = (len(table[HEAD].drop_duplicates()) for table in (assigned, roles))
    found = f"{len(assigned)} roles on {with_role} of {heads} heads"
    if not len(assigned):
        return f"{found}."
    found += f" (held-out split; largest q {assigned.q.max():.2g})"
    held = assigned[assigned.lift_pos.notna()]
    if held.empty:
        return f"{found}."
    better = int((held.lift_pos_low > 0).sum())
    return f"{found}; {better} of {len(held)} exceed the annotation baseline (lift_pos in roles.csv)."


def _resting_words(assigned: pd.DataFrame) -> list[str]:
    """How many of the heads with a role have only roles of attention that rests."""
    with_role = len(assigned[HEAD].drop_duplicates())
    resting = with_role - len(assigned.loc[~assigned.role.isin(SINKS), HEAD].drop_duplicates())
    if not resting:
        return []
    return [f"{resting} of these heads have no role but {', '.join(SINKS[:-1])} or {SINKS[-1]} (attention sinks)."]


def _best_head(row: Any, stars: set[tuple[str, str, int, int]]) -> tuple[str, ...]:
    """The row of a role's best head: its name, and what was measured beside both baselines."""
    mark = "*" if (row.role, row.site, row.layer, row.head) in stars else " "
    lift = f"{signed(row.lift)}{interval(row.ci_low, row.ci_high)}"
    over = ""
    if not pd.isna(row.lift_pos):
        over = f"{signed(row.lift_pos)}{interval(row.lift_pos_low, row.lift_pos_high)} {row.guess_pos}"
    value, baseline = f"{row.baseline + row.lift:.2f}", f"{row.baseline:.2f} {row.baseline_name}"
    return f"{mark} {row.role}", name_of(row), value, baseline, lift, f"{row.n}", over


def _few_documents_words(scores: pd.DataFrame, assigned: pd.DataFrame) -> list[str]:
    """Every assigned role judged by mass that so few documents decide that neither interval nor p is to be trusted.

    The half with fewer effective blocks counts: `interp.statistics.concentration.FEW` says what that was measured on.
    """
    by_mass = scores.loc[scores.statistic == "mass", "role"].unique()
    few = assigned[assigned.role.isin(by_mass) & (assigned.fewer_effective_blocks < FEW)]
    if few.empty:
        return []
    lines = [
        f"{len(few)} of {len(assigned)} assigned roles: so few documents decide (effective number of clusters under "
        f"{FEW:g} in a half) that interval and p are not to be trusted; more source documents would tell:"
    ]
    named = []
    for role, rows in few.groupby("role", sort=False):
        heads = [f"{name_of(row)} ({row.fewer_effective_blocks:.1f})" for row in rows.itertuples()]
        named.append(f"    {role}: {', '.join(cut(heads, 8, 'roles.csv'))}")
    return [*lines, *cut(named, 5, "roles.csv")]


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
        f"Minimum detectable effect (80 % power): half of the {len(power)} testable roles could have shown {middle}, "
        f"the one with the least power {last}: see power.csv."
    ]
    hidden = list(power[power.detectable > power.room].role)
    if hidden:
        names = ", ".join(cut(hidden, 8, "power.csv"))
        lines.append(f"Of these roles not even a perfect head would have been detected: {names}.")
    return lines
