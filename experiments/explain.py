"""What is each head's attention made of? Rules compete for it; what they do not explain is said."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import interval, name_of, signed, table_lines, unsigned
from interp import plots
from interp.api import RolesAsked, examples_of, findings, roles_asked
from interp.attention.visibility import mask_groups
from interp.cells import Unit
from interp.corpora.batching import batches, read_batches
from interp.corpora.encoding import encode
from interp.errors import InterpError, Range, closest
from interp.explaining.rules import CompetingRules, choose_documents, competing_rules, examples_with_rules
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.tables.explanations import PERMUTED, SHUFFLED, explanation_tables, shuffled_tables
from interp.tallies.cells import CellTally
from interp.tallies.role_rules import insist_on_rules
from interp.tallies.shuffled import ShuffledRows
from interp.tallies.stream import stream
from interp.types import Corpus, HeadModel, Role

NULLS = (PERMUTED, SHUFFLED)


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    unit: Unit = "word",
    roles: RolesAsked | None = None,
    memory: Annotated[float, Range(False, 0.001)] = 2.0,
    nulls: Sequence[str] | str = (PERMUTED,),
    min_blocks: int = 12,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One pass over the corpus; then strengths are fitted on the discovery split, and judged on the held-out one.

    `unit` is word, or token: then only what tokens are and where they stand is known.
    `roles` of one's own are rules beside the others, of the family of the role; one whose name a rule has already is
    not taken twice. Kept are at most `memory` GiB of attention; of a larger corpus documents evenly spaced are taken.
    `nulls`: `permuted_gold` (what relations and chains add that were moved to other words), `shuffled_rows` (what is
    explained, and what families add, where each row of attention is shuffled among its visible keys: a second pass
    over the same documents). Raises `InterpError` for a null that is not known, and for a role that
    cannot be a rule (`interp.tallies.role_rules`).
    """
    chosen = _known(nulls)
    own = () if roles is None else _own_rules(roles, corpus, unit)
    encoded = encode(model, corpus)
    examples = examples_of(model, encoded, (), seed=seed, progress=progress)
    passes = 2 if SHUFFLED in chosen else 1
    documents, notes, skipped = choose_documents(model, encoded, unit, memory, copies=passes)
    groups = mask_groups(model)
    tally = CellTally(model.heads, groups, unit)
    stream(model, read_batches(progress(batches(encoded, model, documents=documents), "attention", tally)), tally)
    shuffled = CellTally(model.heads, groups, unit) if SHUFFLED in chosen else None
    if shuffled is not None:
        again = progress(batches(encoded, model, documents=documents), "attention, rows shuffled", shuffled)
        stream(model, read_batches(again), ShuffledRows(shuffled, groups, seed))
    progress.measured()
    of_null = [None] * len(tally.cells()) if shuffled is None else shuffled.cells()
    parts: list[dict[str, pd.DataFrame]] = []
    found: list[CompetingRules] = []
    for cells, null in zip(tally.cells(), of_null, strict=True):
        rules = competing_rules(cells, encoded, model, own, unit, seed, permuted=PERMUTED in chosen)
        found.append(rules)
        told = {"seed": seed, "min_blocks": min_blocks, "progress": progress}
        tables = explanation_tables(cells, rules.sets, rules.block, rules.moved, **told)
        if null is not None:
            of_shuffled = shuffled_tables(null, rules.sets, rules.block, **told)
            tables["adds"] = pd.concat([tables["adds"], of_shuffled["adds"]], ignore_index=True)
            tables["null_explanations"] = of_shuffled["null_explanations"]
        parts.append(tables)
    tables = {name: pd.concat([part[name] for part in parts], ignore_index=True) for name in parts[0]}
    if PERMUTED in chosen and not (tables["adds"].empty or (tables["adds"]["null"] == PERMUTED).any()):
        notes = (*notes, f"There are no relations or chains to move here, so the null {PERMUTED} says nothing.")
    notes = (*notes, *_not_taken(own, found))
    examples = examples_with_rules(model, encoded, examples, tables["shares"], own, unit)
    return findings(model, encoded, seed, tables, notes, skipped, examples)


def _own_rules(roles: RolesAsked, corpus: Corpus, unit: Unit) -> tuple[Role, ...]:
    """The roles that are asked for as rules, the first of each name."""
    asked = roles_asked(roles, corpus)
    if not asked:
        raise InterpError(
            f"The corpus {corpus.name!r} has no annotation for the roles in explain.roles. Choose other roles, or a "
            "corpus with gold annotation."
        )
    insist_on_rules(asked, unit)
    return tuple({role.name: role for role in reversed(asked)}.values())[::-1]


def _not_taken(own: Sequence[Role], found: Sequence[CompetingRules]) -> list[str]:
    """Notes of the roles that are no rules of their own."""
    names = [role.name for role in own]
    built_in = [name for name in names if any(name in one.built_in for one in found)]
    nowhere = [name for name in names if not any(name in {rule.name for rule in one.sets.rules} for one in found)]
    said = []
    if built_in:
        said.append(f"Roles that are not taken twice, because a rule has their name: {', '.join(built_in)}.")
    if nowhere:
        said.append(f"Roles that are no rules here, because they name no cell that is seen: {', '.join(nowhere)}.")
    return said


def _known(nulls: Sequence[str] | str) -> tuple[str, ...]:
    chosen = (nulls,) if isinstance(nulls, str) else tuple(nulls)
    for name in chosen:
        if name not in NULLS:
            raise InterpError(f"explain.nulls={name} is not known. {closest(name, NULLS)}")
    return chosen


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """A bar of shares for every head, a map of what is explained, and maps of what each family adds."""
    return {
        "shares": plots.share_bars(tables["explanations"], tables["shares"], style=style),
        "explained": plots.explained_map(tables["explanations"], style=style),
        "adds": plots.adds_maps(tables["adds"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """The heads that are explained best and worst, what each family adds, and the heads that gold adds most to."""
    every = tables["explanations"]
    heads = every[every["explained"].notna()].sort_values("explained", ascending=False, kind="stable")
    if heads.empty:
        return ["The attention of every head is even: there is nothing to explain."]
    even = f"; {len(every) - len(heads)} more have even attention" if len(heads) < len(every) else ""
    lines = [
        f"Rules explain {heads['explained'].mean():.2f} of what there is to explain "
        f"(mean over {len(heads)} heads{even})."
    ]
    for title, some in (("Best explained:", heads.head(3)), ("Worst explained:", heads.tail(3).iloc[::-1])):
        rows: Any = some.itertuples()
        listed = [
            (f"head {name_of(row)}", f"{row.explained:.2f}{interval(row.ci_low, row.ci_high)}", row.card)
            for row in rows
        ]
        lines += [title, *table_lines(listed, 3, "explanations.csv")]
    adds = tables["adds"]
    lines += _of_shuffled(tables)
    if adds.empty:
        return lines
    adds = adds[adds["null"] != SHUFFLED]
    rows_of_families = []
    for (family, null), some in adds.groupby(["family", "null"], sort=False):
        most: Any = next(some.sort_values("adds", ascending=False, kind="stable").itertuples())
        sure = int(((some["q"] <= 0.05) & (some["adds"] > 0)).sum()) if some["q"].notna().any() else "–"
        name = str(family) if null == "none" else f"{family}, permuted"
        best = f"{signed(most.adds, 3)}{interval(most.ci_low, most.ci_high, 3)} (head {name_of(most)})"
        rows_of_families.append((name, signed(some["adds"].mean(), 3), best, str(sure)))
    header = ("family", "adds in the mean", "at most [95 %]", "heads at q ≤ .05")
    lines += ["What each family adds to all others:", *table_lines(rows_of_families, 9, "adds.csv", header=header)]
    gold = [family for family in ("syntax", "coreference") if (adds["family"] == family).any()]
    for family in gold:
        some = adds[(adds["family"] == family) & (adds["null"] == "none")]
        ranked: Any = some.sort_values("adds", ascending=False, kind="stable").itertuples()
        listed = [
            (
                f"head {name_of(row)}",
                f"{signed(row.adds, 3)}{interval(row.ci_low, row.ci_high, 3)}",
                "untested" if pd.isna(row.q) else f"q {row.q:.2g}",
            )
            for row in ranked
        ]
        lines += [f"The heads that {family} adds most to:", *table_lines(listed, 10 // len(gold), "adds.csv")]
    return lines


def _of_shuffled(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """A line of what is explained, and added, where rows are shuffled; none where this was not asked for."""
    null = tables.get("null_explanations")
    if null is None or null["explained"].isna().all():
        return []
    line = f"With each row of attention shuffled, rules explain {unsigned(null['explained'].mean())} in the mean"
    adds = tables["adds"]
    adds = adds[adds["adds"].notna()] if adds.empty else adds[(adds["null"] == SHUFFLED) & adds["adds"].notna()]
    if adds.empty:
        return [f"{line}."]
    most: Any = next(adds.sort_values("adds", ascending=False, kind="stable").itertuples())
    return [f"{line}; most is added by {most.family}, {signed(most.adds, 3)} (head {name_of(most)})."]
