"""Several runs in one table: what the best head of each role is, what a head does here and there, and the differences.

A difference is that from the first run. Its interval resamples the blocks of documents that both were measured on, the
same blocks in both, because what is hard in a document is hard for both: two intervals side by side are too wide for
their difference. So there is an interval only where the documents are the same (read in the same way from what has the
same hash) and both runs have kept the sums of their blocks (`interp.tables.blocks`), as they do unless a sweep stops
early. Elsewhere the difference stands alone. None of this is a test, and of many intervals some lack zero by chance.
"""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import pandas as pd

from interp.heads import HEAD
from interp.statistics.bootstrap import bootstrap_interval_of
from interp.tables.best_heads import best_heads
from interp.tables.blocks import EFFECT_KEYS, ROLE_KEYS, blocks_of

ROLE = ["definition", "role", "site"]
ABOUT = ["run", "model", "corpus", "seed"]
DIFFERENCE = ["same_documents", "difference", "difference_low", "difference_high"]
ROLE_COLUMNS = [
    *(*ABOUT, "definition", "role", "family", *HEAD, "has_role", "n", "statistic", "value", "baseline", "lift"),
    *("ci_low", "ci_high", "p", "q", *DIFFERENCE),
]
EFFECT_COLUMNS = [
    *(*ABOUT, *HEAD, "ablation", "metric", "n", "intact", "effect", "ci_low", "ci_high", "p", "q", *DIFFERENCE),
]


class ComparedRun(NamedTuple):
    """A run: a name that tells it from the others, what tells its documents from others, and its tables."""

    name: str
    documents: str
    tables: Mapping[str, pd.DataFrame]

    def same_documents(self, other: "ComparedRun") -> bool:
        """Whether both have read the same documents."""
        return bool(self.documents) and self.documents == other.documents


class Blocks(NamedTuple):
    """Sums over blocks of documents, and over how many queries or documents each of them is."""

    total: np.ndarray
    n: np.ndarray


def compared_roles(runs: Sequence[ComparedRun], *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """The table `compared_roles`: one row per role and run: its best head, chosen on select, its numbers from confirm.

    Roles are the same where their definitions are. `difference` is its lift less that of the first run's best head,
    which may be another head; empty in the first run, and where that has not the role's row.
    """
    frames = [_numbers(best_heads(run.tables["scores"]), run) for run in runs if "scores" in run.tables]
    return _roles(pd.concat(frames, ignore_index=True), runs, ROLE, seed, min_blocks) if frames else _none(ROLE_COLUMNS)


def compared_heads(
    runs: Sequence[ComparedRun], *, seed: int, margin: float = 0.1, min_blocks: int = 12
) -> pd.DataFrame:
    """The table `compared_heads`: one row per role, head and run, of the runs that have the first run's heads.

    The heads of a role are the best of any of these runs on select, and those whose lift there is at least `margin`:
    confirm, which the numbers are from, has no part in the choice. `difference` is its lift less that of the same head
    in the first run.
    """
    alike = [run for run in runs if "scores" in run.tables and _heads(run, "scores") == _heads(runs[0], "scores")]
    if len(alike) < 2:
        return _none(ROLE_COLUMNS)
    found = []
    for run in alike:
        scores = run.tables["scores"]
        found += [best_heads(scores)[ROLE_KEYS], _large_on_select(scores, margin)[ROLE_KEYS]]
    wanted = pd.concat(found).drop_duplicates()
    frames = [
        _numbers(scores[scores["split"] == "confirm"].merge(wanted, on=ROLE_KEYS), run)
        for run in alike
        for scores in [run.tables["scores"]]
    ]
    return _roles(pd.concat(frames, ignore_index=True), alike, ROLE_KEYS, seed, min_blocks)


def compared_effects(runs: Sequence[ComparedRun], *, seed: int, min_blocks: int = 12) -> pd.DataFrame:
    """The table `compared_effects`: one row per head, ablation, metric and run, of the runs with the first run's heads.

    `difference` is the effect less that in the first run; with an interval where both were measured on every document.
    """
    alike = [run for run in runs if "effects" in run.tables and _heads(run, "effects") == _heads(runs[0], "effects")]
    if len(alike) < 2:
        return _none(EFFECT_COLUMNS)
    table = pd.concat([run.tables["effects"].assign(run=run.name) for run in alike], ignore_index=True)
    found = _with_differences(table, alike, EFFECT_KEYS, "effect", "effect_blocks", seed, min_blocks, equal_n=True)
    return _in_order(found, alike, EFFECT_KEYS)[EFFECT_COLUMNS]


def paired_interval(mine: Blocks, first: Blocks, *, seed: int, min_blocks: int = 12) -> tuple[float, float]:
    """The 95 % interval of Σ mine ÷ Σ its n less Σ first ÷ Σ its n: 9,999 resamples of blocks, the same in both.

    Expanded for few blocks as every interval is. NaN where either has fewer than `min_blocks` non-empty blocks.
    """
    if min((mine.n > 0).sum(), (first.n > 0).sum()) < min_blocks:
        return np.nan, np.nan
    together = mine.n + first.n
    filled = together > 0

    def difference(drawn: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore", invalid="ignore"):
            means = [(one.total[filled] @ drawn) / (one.n[filled] @ drawn) for one in (mine, first)]
        return (means[0] - means[1])[None]

    low, high = bootstrap_interval_of(difference, together, tests=1, seed=seed, min_blocks=min_blocks)
    return float(low[0]), float(high[0])


def _large_on_select(scores: pd.DataFrame, margin: float) -> pd.DataFrame:
    """Of roles that were tested."""
    return scores[(scores["split"] == "select") & scores["p"].notna() & (scores["lift"] >= margin)]


def _numbers(rows: pd.DataFrame, run: ComparedRun) -> pd.DataFrame:
    """Rows of the score table as this table has them."""
    keys = ["role", *HEAD]
    roles = run.tables.get("roles")
    assigned = set() if roles is None else set(roles[keys].itertuples(index=False, name=None))
    return rows.assign(
        run=run.name,
        value=np.where(rows["statistic"] == "hit", rows["hit"], rows["mass"]),
        has_role=[row in assigned for row in rows[keys].itertuples(index=False, name=None)],
    )


def _roles(
    table: pd.DataFrame, runs: Sequence[ComparedRun], keys: list[str], seed: int, min_blocks: int
) -> pd.DataFrame:
    found = _with_differences(table, runs, keys, "lift", "role_blocks", seed, min_blocks, equal_n=False)
    return _in_order(found, runs, keys)[ROLE_COLUMNS]


def _with_differences(
    table: pd.DataFrame,
    runs: Sequence[ComparedRun],
    keys: list[str],
    number: str,
    kept_in: str,
    seed: int,
    min_blocks: int,
    *,
    equal_n: bool,
) -> pd.DataFrame:
    """The rows with the differences from those of the first run that have the same keys.

    With `equal_n` there is an interval only where both have as many in every block: a sweep of other documents of the
    same corpus has not.
    """
    by_name, first = {run.name: run for run in runs}, runs[0]
    reference: dict[Any, Any] = {_key(row, keys): row for row in table[table["run"] == first.name].to_dict("records")}
    blocks = {run.name: _blocks(run.tables.get(kept_in), number) for run in runs}
    columns: dict[str, list[Any]] = {name: [] for name in DIFFERENCE}
    for row in table.to_dict("records"):
        run, other = by_name[str(row["run"])], reference.get(_key(row, keys))
        same, low, high, difference = run.same_documents(first), np.nan, np.nan, np.nan
        if other is not None and run is not first:
            difference = row[number] - other[number]
            mine = blocks[run.name].get(_key(row, _keys(number)))
            theirs = blocks[first.name].get(_key(other, _keys(number)))
            if same and mine and theirs and not (equal_n and not np.array_equal(mine.n, theirs.n)):
                low, high = paired_interval(mine, theirs, seed=seed, min_blocks=min_blocks)
        for name, value in zip(DIFFERENCE, (same, difference, low, high), strict=True):
            columns[name].append(value)
    return table.assign(**columns)


def _blocks(table: pd.DataFrame | None, number: str) -> dict[Any, Blocks]:
    """The sums of a run's blocks, by what they are of."""
    if table is None or table.empty:
        return {}
    total, n = blocks_of(table, "excess" if number == "lift" else "effect")
    places = table[_keys(number)].itertuples(index=False, name=None)
    return {place: Blocks(total[row], n[row]) for row, place in enumerate(places)}


def _keys(number: str) -> list[str]:
    return ROLE_KEYS if number == "lift" else EFFECT_KEYS


def _key(row: Mapping[Any, Any], keys: Sequence[str]) -> tuple[Any, ...]:
    return tuple(row[key] for key in keys)


def _heads(run: ComparedRun, name: str) -> set[tuple[Any, ...]]:
    return set(run.tables[name][HEAD].itertuples(index=False, name=None)) if name in run.tables else set()


def _in_order(table: pd.DataFrame, runs: Sequence[ComparedRun], keys: list[str]) -> pd.DataFrame:
    """By what is compared, in the order in which it first comes, then by run."""
    order = {run.name: place for place, run in enumerate(runs)}
    first = {key: place for place, key in enumerate(dict.fromkeys(table[keys].itertuples(index=False, name=None)))}
    places = [first[key] for key in table[keys].itertuples(index=False, name=None)]
    sorted_by = table.assign(_place=places, _run=table["run"].map(order))
    return sorted_by.sort_values(["_place", "_run"], kind="stable", ignore_index=True)


def _none(columns: Sequence[str]) -> pd.DataFrame:
    return pd.DataFrame(columns=list(columns))
