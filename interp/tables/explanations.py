"""What a head's attention is made of: how much rules explain of it, the share of each, and what a family adds."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
from jaxtyping import Float, Int
from scipy.sparse import csr_matrix, hstack

from interp.cells import FAMILIES, CellAttention, RuleSets
from interp.errors import InterpError
from interp.heads import BLOCKS, HEAD
from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval_of
from interp.statistics.competing_rules import fit_strengths
from interp.statistics.explained import (
    MOST_RULES,
    CrossEntropies,
    cross_entropies,
    greedy_rules,
    responsibilities,
    without,
)
from interp.statistics.false_discovery import benjamini_hochberg
from interp.statistics.lift import split_blocks
from interp.statistics.nan_handling import finite_or_nan
from interp.statistics.sign_flip import sign_flip_p, sign_vectors

SHARE_WITH_INTERVAL = 0.01
"""Smaller shares have none: they are many, and next to nothing."""
PERMUTED, SHUFFLED = "permuted_gold", "shuffled_rows"
"""Nulls: relations and chains moved to other words; each row of attention shuffled among its visible keys."""


@dataclass(frozen=True, eq=False)
class Half:
    """The queries of one split: their rows of the rules' matrices, and the attention that belongs to them."""

    answers: csr_matrix
    applies: csr_matrix
    attention: Float[np.ndarray, "entry head"]
    query: Int[np.ndarray, " entry"]
    block: Int[np.ndarray, " query"]

    def scored(self, strength: Float[np.ndarray, "rule head"]) -> CrossEntropies:
        """How well these strengths explain the attention here."""
        return cross_entropies(self.answers, self.applies, self.attention, strength, self.query, self.block, BLOCKS)


def explanation_tables(
    cells: CellAttention,
    sets: RuleSets,
    block: Int[np.ndarray, " query"],
    permuted: RuleSets | None = None,
    *,
    seed: int,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> dict[str, pd.DataFrame]:
    """The tables `explanations`, `shares`, `adds` and `cards` of heads that see alike.

    Strengths are fitted on the discovery split, everything that is told of them is from the held-out one; cards are
    chosen on the discovery split. `block` is that of each query's document. With rules of `permuted` documents, whose
    relations and chains are moved, `adds` has what a family that asks for them adds in the place of its own, too.
    """
    select, confirm = halves(cells, sets, block)
    family = np.array([rule.family for rule in sets.rules])
    heads = len(cells.heads)
    whole = fit_strengths(select.answers, select.applies, select.attention)
    scored = confirm.scored(whole.strength)
    tables = {
        "explanations": _explanations(cells, scored, whole.steps, seed, min_blocks),
        "shares": _shares(cells, sets, confirm, whole.strength, seed, min_blocks),
    }
    added = []
    for name in progress(_families(sets), "fits"):
        rest = fit_strengths(select.answers, select.applies, select.attention, without(family == name, heads))
        lacking = confirm.scored(rest.strength)
        added.append(_adds(cells, name, "none", scored, lacking, seed, min_blocks))
        if permuted is not None and _reads_gold(name, sets, permuted):
            there, here = halves(cells, with_family_of(sets, permuted, name), block)
            null = here.scored(fit_strengths(there.answers, there.applies, there.attention).strength)
            added.append(_adds(cells, name, PERMUTED, null, lacking, seed, min_blocks))
    tables["adds"] = pd.concat(added, ignore_index=True) if added else pd.DataFrame()
    tables["cards"], sentences = _cards(cells, sets, select, confirm)
    tables["explanations"]["card"] = [sentences[head] for head in cells.heads]
    return tables


def shuffled_tables(
    cells: CellAttention,
    sets: RuleSets,
    block: Int[np.ndarray, " query"],
    *,
    seed: int,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> dict[str, pd.DataFrame]:
    """What is explained of attention whose rows were shuffled (`null_explanations`), and what families `add` then.

    `cells` are those of the shuffled rows, of the same queries and entries as without; arguments are those of
    `explanation_tables`.
    """
    select, confirm = halves(cells, sets, block)
    family = np.array([rule.family for rule in sets.rules])
    scored = confirm.scored(fit_strengths(select.answers, select.applies, select.attention).strength)
    added = []
    for name in progress(_families(sets), "fits to shuffled rows"):
        rest = fit_strengths(
            select.answers, select.applies, select.attention, without(family == name, len(cells.heads))
        )
        added.append(_adds(cells, name, SHUFFLED, scored, confirm.scored(rest.strength), seed, min_blocks))
    explained = _explained(cells, scored, seed, min_blocks)
    explained.insert(len(HEAD), "null", SHUFFLED)
    return {"null_explanations": explained, "adds": pd.concat(added, ignore_index=True) if added else pd.DataFrame()}


def _families(sets: RuleSets) -> list[str]:
    """Those that can be left out: all that are there but `uniform`, without which some cells would have nothing."""
    there = {rule.family for rule in sets.rules}
    return [*(name for name in FAMILIES[1:] if name in there), *sorted(there - set(FAMILIES))]


def _reads_gold(name: str, sets: RuleSets, permuted: RuleSets) -> bool:
    """Whether the family asks for relations or chains: one of one's own does where moved ones change its cells."""
    if name in FAMILIES:
        return name in ("syntax", "coreference")
    columns = [
        {rule: one.answers[:, [place]] for place, rule in enumerate(one.rules) if rule.family == name}
        for one in (sets, permuted)
    ]
    if columns[0].keys() != columns[1].keys():
        return True
    return any((columns[0][rule] != columns[1][rule]).nnz for rule in columns[0])


def with_family_of(sets: RuleSets, others: RuleSets, family: str) -> RuleSets:
    """The rules of `sets`, but those of one family as `others` have them: all else is as without a null."""
    own, moved = (
        np.array([(rule.family == family) == taken for rule in one.rules], dtype=bool)
        for one, taken in ((sets, False), (others, True))
    )
    rules = (*(rule for rule in sets.rules if rule.family != family), *(r for r in others.rules if r.family == family))
    answers, applies = (
        hstack([mine[:, own], theirs[:, moved]], format="csr")
        for mine, theirs in ((sets.answers, others.answers), (sets.applies, others.applies))
    )
    return RuleSets(rules, csr_matrix(answers), csr_matrix(applies))


def halves(cells: CellAttention, sets: RuleSets, block: Int[np.ndarray, " query"]) -> tuple[Half, Half]:
    """The discovery split (select) and the held-out one (confirm), by the blocks of the documents.

    Raises `InterpError` where one of them has no query.
    """
    found = []
    for split in ("select", "confirm"):
        asked = np.isin(block, split_blocks()[split])
        if not asked.any():
            raise InterpError(
                f"No document falls into the {split} split, by the hash of its source: strengths are fitted on one "
                "half of the source documents and judged on the other. Give documents from more sources."
            )
        entries = asked[cells.query]
        query = (np.cumsum(asked) - 1)[cells.query[entries]]
        found.append(Half(sets.answers[entries], sets.applies[asked], cells.attention[entries], query, block[asked]))
    return found[0], found[1]


def in_brief(
    cells: CellAttention, sets: RuleSets, block: Int[np.ndarray, " query"], *, seed: int, min_blocks: int = 12
) -> pd.DataFrame:
    """Of each head what all rules explain together, with its interval, and the one rule that explains most.

    One row per head: `site layer head explained explained_low explained_high first_rule`; as in the tables
    `explanations` and `cards` of the same queries. Raises `InterpError` where one half has no query.
    """
    select, confirm = halves(cells, sets, block)
    whole = fit_strengths(select.answers, select.applies, select.attention)
    found = _explanations(cells, confirm.scored(whole.strength), whole.steps, seed, min_blocks)
    first = _chosen(cells, sets, select, most=1)[0]
    names = {"ci_low": "explained_low", "ci_high": "explained_high"}
    return (
        found[[*HEAD, "explained", *names]]
        .rename(columns=names)
        .assign(first_rule=[sets.rules[of_head[0][0]].name if of_head else "" for of_head in first])
    )


def no_brief() -> pd.DataFrame:
    """The same table without a row: nothing could be asked."""
    types = {"site": "str", "layer": int, "head": int, "first_rule": "str"}
    columns = [*HEAD, "explained", "explained_low", "explained_high", "first_rule"]
    return pd.DataFrame(columns=columns).astype(dict.fromkeys(columns, float) | types)


def _explanations(
    cells: CellAttention, scored: CrossEntropies, steps: Int[np.ndarray, " head"], seed: int, min_blocks: int
) -> pd.DataFrame:
    count = max(int(scored.n.sum()), 1)
    return _explained(cells, scored, seed, min_blocks).assign(
        entropy=scored.entropy.sum(axis=1) / count,
        uniform=scored.uniform.sum(axis=1) / count,
        left=(scored.model - scored.entropy).sum(axis=1) / count,
        outside=cells.outside,
        steps=steps,
    )


def _explained(cells: CellAttention, scored: CrossEntropies, seed: int, min_blocks: int) -> pd.DataFrame:
    low, high = _interval_of_ratio(scored.uniform - scored.model, scored.could, scored.n, seed, min_blocks)
    return _heads(cells).assign(
        definition="explain/explained@1",
        n=max(int(scored.n.sum()), 1),
        explained=scored.explained,
        ci_low=low,
        ci_high=high,
    )


def _shares(
    cells: CellAttention,
    sets: RuleSets,
    confirm: Half,
    strength: Float[np.ndarray, "rule head"],
    seed: int,
    min_blocks: int,
) -> pd.DataFrame:
    mass = responsibilities(confirm.answers, confirm.attention, strength, confirm.block[confirm.query], BLOCKS)
    n = np.bincount(confirm.block, minlength=BLOCKS)
    total = mass.sum(axis=(0, 2))
    applied = np.asarray(confirm.applies.sum(axis=0)).ravel()
    share = mass.sum(axis=2) / total
    frames = []
    for number, rule in enumerate(sets.rules):
        low, high = np.full(len(cells.heads), np.nan), np.full(len(cells.heads), np.nan)
        large = share[number] >= SHARE_WITH_INTERVAL
        if large.any():
            low[large], high[large] = _interval_of_ratio(
                mass[number, large], mass[:, large].sum(axis=0), n, seed, min_blocks
            )
        where = share[number] * total / applied[number] if applied[number] else np.full(len(cells.heads), np.nan)
        frames.append(
            _heads(cells).assign(
                definition="explain/share@1", rule=rule.name, family=rule.family, n=int(applied[number]),
                strength=strength[number], share=share[number], ci_low=low, ci_high=high, share_where_applies=where,
            )
        )  # fmt: skip
    return pd.concat(frames, ignore_index=True)


def _adds(
    cells: CellAttention,
    family: str,
    null: str,
    scored: CrossEntropies,
    lacking: CrossEntropies,
    seed: int,
    min_blocks: int,
) -> pd.DataFrame:
    """What is explained with the family less what is explained without it, and whether that is above zero."""
    more, could = lacking.model - scored.model, scored.could
    low, high = _interval_of_ratio(more, could, scored.n, seed, min_blocks)
    blocks = split_blocks()["confirm"]
    filled = (scored.n[blocks] > 0).sum()
    p = np.full(len(more), np.nan)
    if filled >= min_blocks:
        tested = np.where(np.isfinite(could[:, blocks]), more[:, blocks], np.nan)
        p = sign_flip_p(tested, sign_vectors(seed, BLOCKS)[blocks])
    return _heads(cells).assign(
        definition="explain/adds@1", family=family, null=null, n=int(scored.n.sum()),
        adds=scored.explained - lacking.explained, ci_low=low, ci_high=high, p=p, q=benjamini_hochberg(p),
    )  # fmt: skip


def _cards(
    cells: CellAttention, sets: RuleSets, select: Half, confirm: Half
) -> tuple[pd.DataFrame, dict[tuple[str, int, int], str]]:
    """One row per head and rule of its card, in the order in which rules were chosen; and each card as a sentence.

    Shares and what is explained are those of the card's own model, on the held-out split.
    """
    chosen, strength, base = _chosen(cells, sets, select, most=MOST_RULES)
    mass = responsibilities(confirm.answers, confirm.attention, strength, np.zeros_like(confirm.query), 1)[:, :, 0]
    share, explained = mass / mass.sum(axis=0), confirm.scored(strength).explained
    rows, sentences = [], {}
    for number, (head, found) in enumerate(zip(cells.heads, chosen, strict=True)):
        for place, (rule, so_far) in enumerate(found, 1):
            rows.append((*head, place, *sets.rules[rule], share[rule, number], so_far))
        listed = [f"{sets.rules[rule].name} {share[rule, number]:.2f}" for rule, _ in found]
        rest = f"all cells evenly {share[base, number]:.2f}"
        of_it = f"explains {explained[number]:.2f}" if np.isfinite(explained[number]) else "nothing to explain"
        sentences[head] = f"{', '.join([*listed, rest])}: {of_it}"
    columns = [*HEAD, "place", "rule", "family", "share", "explained_select"]
    types = {"site": "str", "rule": "str", "family": "str", "share": float, "explained_select": float}
    whole = dict.fromkeys(("layer", "head", "place"), int)
    return pd.DataFrame(rows, columns=columns).astype(types | whole), sentences


def _chosen(
    cells: CellAttention, sets: RuleSets, select: Half, *, most: int
) -> tuple[list[list[tuple[int, float]]], Float[np.ndarray, "rule head"], int]:
    """Every head's rules in the order in which they were chosen, the strengths of that model, and its first rule."""
    base = next(number for number, rule in enumerate(sets.rules) if rule.family == "uniform")
    even = np.zeros((len(sets.rules), len(cells.heads)))
    even[base] = 1
    on_select = select.scored(even)
    could = np.nan_to_num(on_select.could.sum(axis=1)) / max(int(on_select.n.sum()), 1)
    return *greedy_rules(select.answers, select.applies, select.attention, could, base, most=most), base


def _interval_of_ratio(
    over: Float[np.ndarray, "test block"],
    under: Float[np.ndarray, "test block"],
    n: Int[np.ndarray, " block"],
    seed: int,
    min_blocks: int,
) -> tuple[Float[np.ndarray, " test"], Float[np.ndarray, " test"]]:
    """The interval of Σ over ÷ Σ under, both resampled together, block by block."""
    filled = n > 0
    over, under = finite_or_nan(over[:, filled]), finite_or_nan(under[:, filled])

    def ratio(drawn: Float[np.ndarray, "block resample"]) -> Float[np.ndarray, "test resample"]:
        divisor = under @ drawn
        return (over @ drawn) / np.where(divisor > 0, divisor, np.nan)

    return bootstrap_interval_of(ratio, n, tests=len(over), seed=seed, min_blocks=min_blocks)


def _heads(cells: CellAttention) -> pd.DataFrame:
    return pd.DataFrame(list(cells.heads), columns=HEAD)
