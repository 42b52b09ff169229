"""A circuit judged: what is left of a metric with only some heads, some of them taken away, or some added."""

from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
import pandas as pd
from jaxtyping import Float

from interp.errors import InterpError, shown
from interp.explaining.heads_of_runs import tables_of_run
from interp.heads import HEAD, parse_head
from interp.types import Head, HeadModel

Sums = Float[np.ndarray, "set block"]
Measure = Callable[[Sequence[Sequence[Head]], str], Sums]
"""F with each of these sets of heads replaced, in block sums; the name is that of the pass."""

BY_VALUE, BY_SIZE = "direct", "direct, by size"
"""Rankings of all heads by what they add directly to the logit difference."""

TABLES = ("patching", "attribution", "roles")
"""What heads are taken from in another run; the first of these that it has."""


def complement(kept: Sequence[Head], heads: Sequence[Head]) -> tuple[Head, ...]:
    """All heads but these."""
    return tuple(head for head in heads if head not in kept)


def greedy_subset(circuit: Sequence[Head], heads: Sequence[Head], steps: int, measure: Measure) -> tuple[Head, ...]:
    """K, head by head: the next is the one with which |F(C∖K) − F(M∖K)| is largest (Wang et al. 2023, section 4).

    It ends after so many steps, or where no head makes it larger.
    """
    chosen, largest = tuple[Head, ...](), -np.inf
    for step in range(min(steps, len(circuit) - 1)):
        options = [(*chosen, head) for head in circuit if head not in chosen]
        left = measure([complement(_less(circuit, some), heads) for some in options], f"greedy {step + 1} (circuit)")
        rest = measure(options, f"greedy {step + 1} (model)")
        apart = abs((left - rest).sum(axis=1))
        if apart.max() <= largest:
            break
        chosen, largest = options[int(apart.argmax())], float(apart.max())
    return chosen


def random_subsets(circuit: Sequence[Head], count: int, seed: int) -> list[tuple[Head, ...]]:
    """So many subsets of the circuit, each head in or out by a fair coin; neither empty nor all of it."""
    random, found = np.random.default_rng(seed), list[tuple[Head, ...]]()
    while len(found) < count and len(circuit) > 1:
        coins = random.integers(0, 2, len(circuit)).astype(bool)
        if 0 < coins.sum() < len(circuit):
            found.append(tuple(head for head, heads in zip(circuit, coins, strict=True) if heads))
    return found


def subsets_of_minimality(
    circuit: Sequence[Head], heads: Sequence[Head], also: Sequence[Sequence[Head]], measure: Measure
) -> list[tuple[Head, ...]]:
    """For every head v the K with the largest |F(C∖K) − F(C∖(K ∪ {v}))|: none, any other head, or one `also` given."""
    options = list(dict.fromkeys(frozenset(some) for some in ((), *((head,) for head in circuit), *also)))
    asked = list(dict.fromkeys([*options, *(some | {head} for some in options for head in circuit)]))
    sums = measure([complement(_less(circuit, some), heads) for some in asked], "minimality")
    value = dict(zip(asked, sums.sum(axis=1), strict=True))
    best = [
        max((some for some in options if head not in some), key=lambda some: abs(value[some] - value[some | {head}]))
        for head in circuit
    ]
    return [tuple(head for head in circuit if head in some) for some in best]


def _less(circuit: Sequence[Head], taken: Sequence[Head] | frozenset[Head]) -> tuple[Head, ...]:
    return tuple(head for head in circuit if head not in taken)


def direct_rankings(model: HeadModel, value: Float[np.ndarray, "head prompt"]) -> dict[str, list[Head]]:
    """All heads by what they add directly to the logit difference, the most first; and by its size."""
    mean, heads = value.mean(axis=1), list(model.heads)
    orders = {BY_VALUE: np.argsort(-mean, kind="stable"), BY_SIZE: np.argsort(-abs(mean), kind="stable")}
    return {name: [heads[place] for place in order] for name, order in orders.items()}


def chosen_heads(
    setting: str,
    model: HeadModel,
    otherwise: Sequence[Head],
    *,
    heads: Sequence[str] | None,
    file: str | None = None,
    from_run: str | None = None,
    role: str | None = None,
) -> tuple[Head, ...]:
    """The heads that are asked for, in a list, a file or another run (as many as `otherwise`); or else those.

    Raises `InterpError` for what is no head, more than one of these, and for none or all heads of the model.
    """
    given = [name for name, one in {"heads": heads, "file": file, "run": from_run}.items() if one is not None]
    if len(given) > 1:
        raise InterpError(f"{' and '.join(f'{setting}.{name}' for name in given)} are given. Give one of them.")
    found = list(otherwise)
    if heads is not None:
        found = [parse_head(one, model.heads, f"{setting}.heads: {one!r}") for one in heads]
    elif file is not None:
        found = heads_in_file(file, model)
    elif from_run is not None:
        tables, _ = tables_of_run(f"{setting}.run", from_run, model, *TABLES)
        known = {(one.site, one.layer, one.head): one for one in model.heads}
        found = [known[head] for head in ranking_of_tables(tables, role)[: len(otherwise)]]
    if not 0 < len(found) < len(model.heads):
        raise InterpError(f"{len(found)} of {len(model.heads)} heads are chosen. Allowed: some, and not all.")
    return tuple(dict.fromkeys(found))


def heads_in_file(path: str, model: HeadModel) -> list[Head]:
    """The heads of a file, one a line (`23.3` or `L23H3`); empty lines and what follows # are passed over.

    Raises `InterpError` with the line that is no head of the model, and for a file without any.
    """
    file = Path(path)
    if not file.is_file():
        raise InterpError(f"circuit.file={shown(path)} is no file. Allowed: a text file with a head a line, as 23.3.")
    lines = [line.partition("#")[0].strip() for line in file.read_text(encoding="utf-8").splitlines()]
    found = [
        parse_head(line, model.heads, f"{path}, line {number}: {shown(line)}")
        for number, line in enumerate(lines, 1)
        if line
    ]
    if not found:
        raise InterpError(f"circuit.file={shown(path)} has no head. Allowed: a head a line, as 23.3.")
    return list(dict.fromkeys(found))


def ranking_of_tables(tables: dict[str, pd.DataFrame], role: str | None) -> list[tuple[str, int, int]]:
    """The heads of the first of `TABLES` that is there, the largest first: effect, value, or lift of the `role`.

    Of patching the largest effect of a head over positions counts, of all `noise` of z. Raises `InterpError` where no
    head is left.
    """
    name = next(one for one in TABLES if one in tables)
    table = tables[name]
    if name == "patching":
        table, column = table[(table["direction"] == "noise") & (table["part"] == "z")], "effect"
    elif name == "attribution":
        table, column = table[table["component"] == "head"], "value"
    else:
        table, column = table[table["role"] == role], "lift"
    if table.empty:
        has = f" with circuit.role={role}. It has: {', '.join(sorted(set(tables[name]['role'])))}"
        raise InterpError(
            f"The table {name} of circuit.run has no head{has if name == 'roles' else ' (of patching: noise of z)'}. "
            "Allowed: another run, or circuit.heads=[L0H1]."
        )
    best = table.groupby(HEAD, sort=True)[column].max().sort_values(ascending=False, kind="stable")
    return [(str(site), int(layer), int(head)) for site, layer, head in best.index]
