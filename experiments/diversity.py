"""How many heads do different things? How far apart their attention is (after Clark et al. 2019, section 6)."""

from collections.abc import Callable, Mapping
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments import head_roles
from experiments.cli.summary_lines import interval, signed, table_lines, unsigned
from interp import plots
from interp.api import RolesOf, examples_of, findings, tally_roles
from interp.corpora.encoding import encode
from interp.errors import COUNT
from interp.heads import HEAD, head_name
from interp.models.loading import random_weights
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics.criteria import Criteria
from interp.sums import DistanceSums, RoleSums
from interp.tables.best_heads import best_roles
from interp.tables.diversity import RANDOM, REAL, distance_table, diversity_table, head_map_table
from interp.tallies.distances import tally_distances
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    criteria: Criteria,
    random_seeds: Annotated[int, COUNT._replace(lowest=0)] = 1,
    seed: int = 0,
    fresh: Callable[[HeadModel, int], HeadModel] = random_weights,
    progress: Progress = silent,
) -> Findings:
    """One pass over the corpus, and one for each model with random weights, made by `fresh(model, seed)`.

    Seeds are `seed`, `seed` + 1, … for `random_seeds` models; with 0 the model stands alone. Another pass asks for the
    `roles` by whose families the map of heads is coloured.
    """
    encoded = encode(model, corpus)
    of_roles = tally_roles(model, encoded, roles, progress=progress)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    measured = [(REAL, None, sums) for sums in tally_distances(model, encoded, progress)]
    for one in range(seed, seed + random_seeds):
        other = fresh(model, one)
        measured += [(RANDOM, one, sums) for sums in tally_distances(other, encode(other, corpus), progress)]
    progress.measured()
    min_blocks = criteria.min_blocks
    makers: dict[str, Callable[[DistanceSums], pd.DataFrame]] = {
        "diversity": lambda sums: diversity_table(sums, seed=seed, min_blocks=min_blocks),
        "head_map": head_map_table,
        "head_distances": lambda sums: distance_table(sums, seed=seed, min_blocks=min_blocks, progress=progress),
    }
    tables = {
        name: pd.concat([_of(null, one, make(sums)) for null, one, sums in measured], ignore_index=True)
        for name, make in makers.items()
    }
    tables["head_map"] = _with_roles(tables["head_map"], of_roles, criteria, seed, progress)
    return findings(model, encoded, seed, tables, examples=examples)


def _with_roles(heads: pd.DataFrame, sums: RoleSums, criteria: Criteria, seed: int, progress: Progress) -> pd.DataFrame:
    """The map with the best role of every head of the model; heads with random weights are not asked."""
    # without re-splits: how stable a role is, nobody asks here
    roles = head_roles.role_tables(sums, criteria, seed, splits=0, progress=progress)["roles"]
    best = best_roles(roles[roles["role"] != "unclassified"], HEAD)[[*HEAD, "role", "family"]]
    named = best.rename(columns={"role": "best_role", "family": "best_family"}).assign(null=REAL)
    return heads.merge(named, on=["null", *HEAD], how="left", validate="many_to_one").fillna(
        dict.fromkeys(("best_role", "best_family"), "unclassified")
    )


def _of(null: str, null_seed: int | None, table: pd.DataFrame) -> pd.DataFrame:
    """The table with what it is of in front."""
    seeds = pd.array([null_seed] * len(table), "Int64")
    return pd.concat([pd.DataFrame({"null": [null] * len(table), "null_seed": seeds}), table], axis=1)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A map of heads, the matrix of distances, and how far apart heads of a layer and of several layers are."""
    return {
        "head_map": plots.head_map(tables["head_map"], style=style),
        "head_distances": plots.distance_matrices(tables["head_distances"], style=style),
        "redundancy": plots.redundancy(tables["diversity"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The effective number of heads and the mean distances, beside random weights; and the heads most alike."""
    table, sites = tables["diversity"], tables["diversity"]["site"].nunique()
    whole = table[table["layer"].isna()]
    real = whole[(whole["null"] == REAL) & (whole["measure"] == "effective_heads")]
    rows: Any = real.itertuples()
    lines = [
        f"{row.heads} heads{f' ({row.site})' if sites > 1 else ''} count as "
        f"{unsigned(row.value, 1)}{interval(row.ci_low, row.ci_high, 1)} that have nothing in common (Vendi score)."
        for row in rows
    ]
    header = ("null", "seed", "measure", "value [95 %]", *(["site"] if sites > 1 else []))
    listed = []
    every: Any = whole.itertuples()
    for row in every:
        show = signed if row.measure == "within_less_between" else unsigned
        digits = 1 if row.measure == "effective_heads" else 3
        number = f"{show(row.value, digits)}{interval(row.ci_low, row.ci_high, digits)}"
        of_seed = "" if pd.isna(row.null_seed) else str(row.null_seed)
        listed.append((row.null, of_seed, row.measure, number, *([row.site] if sites > 1 else [])))
    lines += ["Mean Jensen–Shannon divergence of two heads, in nats (at most .693):"]
    lines += table_lines(listed, 12, "diversity.csv", header=header)
    distances = tables["head_distances"]
    near: Any = distances[distances["null"] == REAL].sort_values("distance", kind="stable").itertuples()
    alike = [
        (
            f"{head_name(row.site, row.layer, row.head)} and {head_name(row.site, row.other_layer, row.other_head)}",
            f"{unsigned(row.distance, 4)}{interval(row.ci_low, row.ci_high, 4)}",
        )
        for row in near
    ]
    return [*lines, "The heads that are most alike:", *table_lines(alike, 8, "head_distances.csv")]
