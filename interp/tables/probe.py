"""How many governors a parser finds that knows nothing but attention, beside parsers that know words and distances."""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np
import pandas as pd
from jaxtyping import Bool, Float, Int
from scipy.sparse import csr_matrix

from interp.errors import InterpError
from interp.governors import ROOT, GovernorChoices
from interp.heads import BLOCKS, HEAD, head_name
from interp.progress import Progress, silent
from interp.statistics.bootstrap import bootstrap_interval
from interp.statistics.lift import split_blocks
from interp.statistics.parser import Choices, Features, Weights, credit_of, fit_parser, log_probabilities

FARTHEST = 10
"""Words; what is farther away is as far as this."""
PLACES = 2 * FARTHEST + 2
"""Distances to both sides, none (which no candidate has), and ROOT."""
LEAST = 5
"""How often a word must stand in the fitted half to have numbers of its own."""
HELD_OUT = 4
"""Every fourth block of the discovery split stops the fit."""


class Probe(NamedTuple):
    """A parser: its name, the heads it reads, and whether it knows distances and words."""

    name: str
    heads: Sequence[int] = ()
    distance: bool = False
    words: bool = False


class Parsed(NamedTuple):
    """What a parser earned of every dependent of the held-out half, and how it was fitted."""

    credit: Float[np.ndarray, " dependent"]
    log_likelihood: float
    weights: Weights | None


class Parts(NamedTuple):
    """The dependents of each part of the documents: fitted, stopped by, reported."""

    fitted: Bool[np.ndarray, " dependent"]
    held_out: Bool[np.ndarray, " dependent"]
    confirm: Bool[np.ndarray, " dependent"]


def probe_tables(
    choices: GovernorChoices,
    role_heads: Sequence[tuple[str, int, int]],
    random: Mapping[int, GovernorChoices],
    *,
    seed: int,
    min_blocks: int = 12,
    progress: Progress = silent,
) -> dict[str, pd.DataFrame]:
    """The tables `probe`, a row per parser, and `probe_weights`, a row per head of the one that reads all heads.

    Fitted on the discovery split, of whose blocks every fourth stops the fit; reported on the held-out one. `random`
    are the choices of models with random weights, by seed. Raises `InterpError` where a part has no word.
    """
    parts = parts_of(choices)
    every = tuple(range(len(choices.heads)))
    best = best_head(choices, parts.fitted | parts.held_out)
    by_role = [place for place, head in enumerate(choices.heads) if head in set(role_heads)]
    probes = [
        *(Probe("all_heads", every), Probe("best_head", (best,))),
        *([Probe("syntax_role_heads", by_role)] if by_role else []),
        *(Probe("distance", distance=True), Probe("distance_and_words", distance=True, words=True)),
        Probe("all_heads_and_words", every, distance=True, words=True),
    ]
    rows: list[tuple[Probe, int | None, GovernorChoices]] = [(probe, None, choices) for probe in probes]
    for null_seed, one in random.items():
        rows.append((Probe("random_weights", tuple(range(len(one.heads)))), null_seed, one))
    parsed = [(probe, null_seed, parse(one, probe)) for probe, null_seed, one in progress(rows, "parsers")]
    parsed += [(Probe(f"{side}_branching"), None, branching(choices, side)) for side in ("right", "left")]
    right = next(found.credit for probe, _, found in parsed if probe.name == "right_branching")
    block = choices.block[parts.confirm]
    frames = [
        _row(probe, null_seed, found, right, block, choices, seed=seed, min_blocks=min_blocks)
        for probe, null_seed, found in parsed
    ]
    table = pd.DataFrame(frames)
    table["null_seed"] = pd.array(table["null_seed"].tolist(), "Int64")
    table["steps"] = pd.array(table["steps"].tolist(), "Int64")
    whole = parsed[0][2].weights
    assert whole is not None
    weights = pd.DataFrame(list(choices.heads), columns=HEAD).assign(
        to_governor=whole.parts[0][: len(every)], from_governor=whole.parts[0][len(every) : -1]
    )
    return {"probe": table, "probe_weights": weights}


def parts_of(choices: GovernorChoices) -> Parts:
    """Which dependents are fitted on, stop the fit, and are reported. Raises `InterpError` where a part has none."""
    halves = split_blocks()
    held_out = halves["select"][HELD_OUT - 1 :: HELD_OUT]
    parts = Parts(
        np.isin(choices.block, np.setdiff1d(halves["select"], held_out)),
        np.isin(choices.block, held_out),
        np.isin(choices.block, halves["confirm"]),
    )
    for name, part in parts._asdict().items():
        if not part.any():
            raise InterpError(
                f"No word with a governor falls into the part {name!r} of the documents, by the hash of their source: "
                "a parser is fitted on most of the discovery split, stopped by the rest of it (held_out), and reported "
                "on the held-out split (confirm). Give documents with syntax from more sources."
            )
    return parts


def parse(choices: GovernorChoices, probe: Probe) -> Parsed:
    """Fit a parser, and what it earns on the held-out half."""
    parts = parts_of(choices)
    features = features_of(choices, probe, parts.fitted)
    fitted, held_out, confirm = (_some(choices, features, part) for part in parts)
    weights = fit_parser(fitted, held_out)
    found = log_probabilities(confirm, weights.parts)
    return Parsed(credit_of(found, confirm.dependent, confirm.gold), float(found[confirm.gold].mean()), weights)


def features_of(choices: GovernorChoices, probe: Probe, fitted: Bool[np.ndarray, " dependent"]) -> Features:
    """The attention of the probe's heads to the candidate and from it, and whether it is ROOT; distances; words.

    Distances are candidate less dependent, in words, to ten and more on both sides, and ROOT. A word that stands five
    times or more among the `fitted` dependents has a number for its governor at each distance, and as a governor at
    each.
    """
    found: list[np.ndarray | csr_matrix] = []
    if len(probe.heads):
        heads = list(probe.heads)
        is_root = (choices.candidate == ROOT)[:, None].astype(np.float32)
        found.append(
            np.concatenate([choices.to_candidate[:, heads], choices.from_candidate[:, heads], is_root], axis=1)
        )
    place = places_of(choices)
    if probe.distance:
        found.append(one_hot(place, PLACES))
    if probe.words:
        count = np.bincount(choices.form[fitted], minlength=len(choices.forms))
        kept = np.cumsum(count >= LEAST) - 1
        number = np.where(count >= LEAST, kept, -1)
        size = int((count >= LEAST).sum()) * PLACES
        for form in (choices.form[choices.dependent], choices.candidate_form):
            known = np.where(form >= 0, number[np.maximum(form, 0)], -1)
            found.append(one_hot(np.where(known >= 0, known * PLACES + place, -1), size))
    return found


def places_of(choices: GovernorChoices) -> Int[np.ndarray, " choice"]:
    """The number of each candidate's distance, that of ROOT the last."""
    away = np.clip(choices.candidate - choices.word[choices.dependent], -FARTHEST, FARTHEST)
    return np.where(choices.candidate == ROOT, PLACES - 1, away + FARTHEST)


def one_hot(number: Int[np.ndarray, " choice"], size: int) -> csr_matrix:
    """A row of zeros and a single 1 for each number, without one for −1."""
    rows = np.flatnonzero(number >= 0)
    ones = np.ones(len(rows), dtype=np.float32)
    return csr_matrix((ones, (rows, number[rows])), shape=(len(number), max(size, 1)))


def best_head(choices: GovernorChoices, dependents: Bool[np.ndarray, " dependent"]) -> int:
    """The head whose largest attention, to a word or from one, is most often the governor's, among these dependents."""
    rows = dependents[choices.dependent] & (choices.candidate != ROOT)
    numbered = np.cumsum(np.diff(choices.dependent[rows], prepend=-1) > 0) - 1
    gold = choices.gold[rows]
    earned = [
        max(
            float(credit_of(attention[rows, head].astype(np.float64), numbered, gold).sum())
            for attention in (choices.to_candidate, choices.from_candidate)
        )
        for head in range(len(choices.heads))
    ]
    return int(np.argmax(earned))


def branching(choices: GovernorChoices, side: str) -> Parsed:
    """Every word's governor is the next candidate to the right, or to the left; the outermost word's is ROOT."""
    confirm = _some(choices, [np.zeros((len(choices.gold), 1))], parts_of(choices).confirm)
    chosen = parts_of(choices).confirm[choices.dependent]
    away = (choices.candidate - choices.word[choices.dependent])[chosen] * (1 if side == "right" else -1)
    is_root = choices.candidate[chosen] == ROOT
    scores = np.where(is_root, -1e6, np.where(away > 0, -away.astype(float), -2e6))
    return Parsed(credit_of(scores, confirm.dependent, confirm.gold), float("nan"), None)


def _some(choices: GovernorChoices, features: Features, dependents: Bool[np.ndarray, " dependent"]) -> Choices:
    """The choices of some dependents, numbered from 0."""
    rows = dependents[choices.dependent]
    number = np.cumsum(dependents) - 1
    return Choices([one[rows] for one in features], number[choices.dependent[rows]], choices.gold[rows])


def _row(
    probe: Probe,
    null_seed: int | None,
    found: Parsed,
    right: Float[np.ndarray, " dependent"],
    block: Int[np.ndarray, " dependent"],
    choices: GovernorChoices,
    *,
    seed: int,
    min_blocks: int,
) -> dict[str, object]:
    n = np.bincount(block, minlength=BLOCKS)
    sums = np.stack([np.bincount(block, one, BLOCKS) for one in (found.credit, found.credit - right)])
    low, high = bootstrap_interval(sums, n, seed=seed, min_blocks=min_blocks)
    uas, over = sums.sum(axis=1) / n.sum()
    parts = [] if found.weights is None else found.weights.parts
    return {
        "probe": probe.name,
        "null_seed": null_seed,
        "heads": len(probe.heads),
        "which": ", ".join(head_name(*choices.heads[place]) for place in probe.heads)  # type: ignore[arg-type]
        if 0 < len(probe.heads) < len(choices.heads)
        else "",
        "weights": sum(len(one) for one in parts),
        "steps": None if found.weights is None else found.weights.steps,
        "n": int(n.sum()),
        "uas": uas,
        "ci_low": low[0],
        "ci_high": high[0],
        "over_right": over,
        "over_right_low": low[1],
        "over_right_high": high[1],
        "log_likelihood": found.log_likelihood,
    }
