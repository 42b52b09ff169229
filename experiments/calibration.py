"""Do the intervals hold the truth, and is p uniform without it? Heads of known accuracy, and the model's own ones."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import numpy as np
import pandas as pd
from jaxtyping import Float
from matplotlib.figure import Figure

import interp.roles
from experiments.cli.summary_lines import more_sources, table_lines
from interp import plots
from interp.api import findings, tally_roles
from interp.corpora.encoding import encode
from interp.errors import COUNT, InterpError, closest
from interp.models.planted.known_accuracy import KnownAccuracy
from interp.plots.style import PAGE, Style
from interp.progress import AboutTheWhole, Progress, silent
from interp.results import Findings
from interp.roles.syntax import to_governor
from interp.statistics.calibration import Planted, cover, expected_evidence, p_under_nulls, rates_of, true_hit
from interp.statistics.criteria import Criteria
from interp.statistics.redrawn_corpora import COLUMNS as RESAMPLED
from interp.statistics.redrawn_corpora import resample_heads
from interp.sums import DocumentSums, RoleSums
from interp.tables import score_table
from interp.tables.calibration import coverage_table, head_coverage_table, null_curve, null_table
from interp.tallies.by_document import drawn_hits, tally_documents, tally_heads
from interp.types import Corpus, EncodedCorpus, HeadModel, Role

KINDS = ("even", "clustered", "by_length")


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    accuracies: Sequence[float],
    relations: Annotated[int, COUNT],
    roles: Sequence[str],
    documents: Sequence[int],
    repeats: Annotated[int, COUNT._replace(lowest=2)],
    criteria: Criteria,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """The source documents of the corpus are the population; corpora of them are drawn anew, and heads answer.

    Of planted heads the model only cuts the texts into tokens. First each goes the whole way, as attention on every
    sentence, through the tally into scores; its block sums have to be those of its coins. Then corpora are drawn, and
    coins alone decide. Of its own heads the model's sums for some `roles` are drawn with the documents.
    """
    encoded = encode(model, corpus)
    own_roles, lacking = roles_of_heads(corpus, roles)
    # what the corpus is asked decides what is drawn, and how heads answer it
    whole = AboutTheWhole(progress)
    governors = roles_asked(model, encoded, relations, criteria.min_queries, whole)
    population = tally_documents(model, encoded, governors, progress=whole)
    sizes = sorted({*documents, len(population.sources)})
    check_evidence(population, sizes[-1], corpus, criteria)
    heads = [Planted(kind, accuracy) for kind in KINDS for accuracy in accuracies]
    planted = plant(model, encoded, governors, population, heads, seed)
    planted_sums = tally_roles(planted, encoded, governors, progress=progress)
    own = tally_heads(model, encoded, own_roles, progress=whole) if own_roles else None

    draws = {"repeats": range(repeats), "seed": seed, "progress": progress}
    covered = cover(population, heads, sizes, min_blocks=criteria.min_blocks, **draws)
    tested = p_under_nulls(population, sizes[-1], criteria, **draws)
    resampled = pd.DataFrame(columns=RESAMPLED)
    if own is not None:
        resampled = resample_heads(own, sizes[-1], criteria, **draws)
    progress.measured()
    scores, said = the_whole_way(planted, planted_sums, encoded, population, heads, seed)
    tables = {
        "planted_heads": scores,
        "calibration": coverage_table(covered),
        "calibration_heads": head_coverage_table(resampled),
        "null_p": null_table(tested),
        "null_p_curve": null_curve(tested),
    }
    drawn = f"Each of {repeats} times, corpora of {', '.join(map(str, sizes))} source documents were drawn."
    untested = [role.name for role in own_roles if role.name not in set(resampled["role"])]
    missing = [f"The corpus does not ask for these roles: {', '.join(lacking)}."] if lacking else []
    missing += [f"Too rare to be tested in any corpus drawn: {', '.join(untested)}."] if untested else []
    return findings(model, encoded, seed, tables, (said, drawn, *missing))


def roles_of_heads(corpus: Corpus, names: Sequence[str]) -> tuple[list[Role], list[str]]:
    """The roles of these names, and the names that the corpus has no role of.

    Roles of cross-attention are not asked. Raises `InterpError` where it has none of them.
    """
    every = (
        *interp.roles.everything(corpus),
        *interp.roles.positional_variants(corpus),
        *interp.roles.syntax_variants(corpus),
    )
    by_name = {role.name: role for role in every if "self" in role.sites}
    lacking = [name for name in names if name not in by_name]
    if lacking and len(lacking) == len(names):
        raise InterpError(
            f"calibration.roles: the corpus {corpus.name!r} asks for none of {', '.join(names)}. "
            f"{closest(lacking[0], list(by_name))}"
        )
    return [by_name[name] for name in dict.fromkeys(names) if name in by_name], lacking


def check_evidence(population: DocumentSums, size: int, corpus: Corpus, criteria: Criteria) -> None:
    """Raises `InterpError` where corpora of `size` documents are on average too small to test any planted role."""
    queries, blocks = expected_evidence(population.n, size)
    if ((queries >= criteria.min_queries) & (blocks >= criteria.min_blocks)).any():
        return
    raise InterpError(
        f"The largest corpora to draw have {size} source documents, and a half of one holds about {queries.max():.0f} "
        f"queries of a role in {blocks.max():.0f} blocks. A test needs {criteria.min_queries} in {criteria.min_blocks} "
        f"(classify.min_queries, classify.min_blocks), so that nothing would be tested. {more_sources(corpus)} Or draw "
        "more of them: calibration.documents=[90]."
    )


def roles_asked(
    model: HeadModel, encoded: EncodedCorpus, count: int, min_queries: int, progress: Progress = silent
) -> list[Role]:
    """From word to governor, for `count` relations from the most frequent to the rarest that could be tested."""
    every = [to_governor(relation) for relation in encoded.corpus.relations]
    if not every:
        raise InterpError(
            f"The corpus {encoded.corpus.name!r} has no syntax, and planted heads find governors. "
            "Give a treebank: corpus=conllu corpus.path=FILE."
        )
    asked = tally_documents(model, encoded, every, progress=progress).n.sum(axis=1)
    enough = [number for number in np.argsort(-asked, kind="stable") if asked[number] >= 2 * min_queries]
    if not enough:
        raise InterpError(
            f"No relation of {encoded.corpus.name!r} is asked about {2 * min_queries} times, which a test needs in "
            "both halves. Give more documents, or a lower classify.min_queries."
        )
    places = np.unique(np.linspace(0, len(enough) - 1, min(count, len(enough))).round().astype(int))
    return [every[enough[place]] for place in places]


def plant(
    model: HeadModel,
    encoded: EncodedCorpus,
    roles: Sequence[Role],
    population: DocumentSums,
    heads: Sequence[Planted],
    seed: int,
) -> KnownAccuracy:
    """Every head as attention on every sentence, and two that are no better than the baseline."""
    relations = [role.name.removesuffix(".to_governor") for role in roles]
    random, every = np.random.default_rng(seed), np.arange(len(population.sources))
    rates = np.stack([rates_of(head, population, every, random) for head in heads], axis=1)
    rates = np.repeat(rates[:, None, :], len(roles), axis=1)
    as_baseline, as_baseline_on_the_whole = baseline_rates(population)
    rates = np.concatenate([rates, as_baseline[:, :, None], as_baseline_on_the_whole[:, :, None]], axis=2)
    return KnownAccuracy(model, encoded, sources=population.sources, relations=relations, rates=rates, seed=seed)


def the_whole_way(
    planted: KnownAccuracy,
    sums: RoleSums,
    encoded: EncodedCorpus,
    population: DocumentSums,
    heads: Sequence[Planted],
    seed: int,
) -> tuple[pd.DataFrame, str]:
    """The planted heads' scores on the corpus as it is, beside the truth that they miss.

    Raises `InterpError` where the sums of their attention are not those of their coins.
    """
    n, hits = drawn_hits(planted, encoded, [role.name.removesuffix(".to_governor") for role in sums.roles])
    if not (np.array_equal(sums.n, n) and np.array_equal(sums.hit, hits)):
        raise InterpError(
            f"The tally of planted attention found {sums.hit.sum():.0f} hits in {sums.n.sum()} queries, and "
            f"{hits.sum()} in {n.sum()} were planted. This is a fault of the program: please report it."
        )
    scores = score_table(sums, seed=seed)
    of_head = scores["head"].to_numpy()
    no_better = baseline_rates(population)[1][0][:, None]
    true = np.concatenate([*(true_hit(head, population)[:, None] for head in heads), no_better, no_better], axis=1)
    place = {role.name: number for number, role in enumerate(population.roles)}
    kinds = [*(head.kind for head in heads), "null: document", "null: population"]
    accuracies = [*(head.accuracy for head in heads), np.nan, np.nan]
    scores.insert(0, "kind", [kinds[head] for head in of_head])
    scores.insert(1, "accuracy", [accuracies[head] for head in of_head])
    scores.insert(2, "true_hit", true[[place[role] for role in scores["role"]], of_head])
    said = (
        f"{len(kinds)} planted heads went the whole way over {len(encoded)} documents: all {sums.hit.size} sums of "
        "hits equal those of the coins."
    )
    return scores, said


def baseline_rates(
    population: DocumentSums,
) -> tuple[Float[np.ndarray, "source role"], Float[np.ndarray, "source role"]]:
    """How often each role's best baseline is right in each document, and in all of them: heads that are no better."""
    right = np.nan_to_num(population.baseline).sum(axis=2).argmax(axis=1)
    earned = population.baseline[np.arange(len(right)), right]
    in_document = earned / np.where(population.n > 0, population.n, 1)
    on_the_whole = earned.sum(axis=1) / population.n.sum(axis=1)
    return in_document.T, np.broadcast_to(on_the_whole, in_document.T.shape)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Coverage by condition and number of blocks, and the distribution of p under the nulls."""
    return {
        "coverage": plots.coverage(tables["calibration"], style=style),
        "null_p": plots.null_p(tables["null_p_curve"], style=style),
    }


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Coverage by the number of blocks, the worst condition, and the shares of small p-values."""
    table, nulls = tables["calibration"], tables["null_p"]
    over_all = table[(table.role == "any") & (table.kind == "any") & (table.split == "any")]
    conditions = table[(table.kind != "any") & (table.split == "any") & (table.statistic == "lift")]
    lines = [_verdict(over_all, nulls)]
    covered = [_of_blocks(str(blocks), rows, conditions) for blocks, rows in over_all.groupby("blocks", sort=False)]
    if covered:
        header = ("non-empty blocks", "lift [95 %]", "over kinds of heads", "hit [95 %]", "intervals")
        lines += [
            "Share of 95 % intervals that contain the true value:",
            *table_lines(covered, 6, "calibration.csv", header=header),
        ]
    lines += _of_own_heads(tables["calibration_heads"])
    if len(nulls):
        lines.append("Share of p under the null hypothesis (KS: distance from uniform):")
        header = ("null", "split", "p ≤ .05 [95 %]", "p ≤ .01", "KS (p)", "tests", "ties broken: p ≤ .05", "KS (p)")
        lines += table_lines(_of_nulls(nulls), 9, "null_p.csv", header=header)
    return lines


def _verdict(over_all: pd.DataFrame, nulls: pd.DataFrame) -> str:
    """Coverage where blocks are many, and the largest share of p ≤ .05 under a null on the held-out split."""
    lifts = over_all[over_all.statistic == "lift"]
    small = nulls.loc[(nulls.ties == "counted") & (nulls.split == "confirm"), "share_05"]
    parts = []
    if len(lifts):
        row: Any = list(lifts.itertuples())[-1]
        parts.append(
            f"95 % intervals of the lift contain the true value in {_share(row)} of cases, {row.blocks} blocks"
        )
    if small.notna().any():
        parts.append(f"at most {small.max():.3f} of p under the nulls are ≤ .05 (held-out split)")
    return "; ".join(parts) + "." if parts else "Nothing could be tested: the tables are empty."


def _of_blocks(blocks: str, rows: pd.DataFrame, conditions: pd.DataFrame) -> tuple[str, ...]:
    """Coverage of lift and hit with so many blocks, and the range over kinds of planted heads."""
    shares = {row.statistic: _share(row) for row in rows.itertuples()}
    kinds = conditions.loc[conditions.blocks == blocks, "coverage"]
    over = f"{kinds.min():.3f} to {kinds.max():.3f}" if len(kinds) else "–"
    return blocks, shares.get("lift", "–"), over, shares.get("hit", "–"), f"{rows.intervals.max()}"


def _of_own_heads(table: pd.DataFrame) -> list[str]:
    """Role by role the real heads; then all judged by mass, by the effective blocks of the half that has fewer."""
    roles = table[table.in_half == "any"]
    by_blocks = table[(table.in_half == "fewer") & (table.role == "any") & (table.statistic == "mass")]
    if roles.empty:
        return []
    header = ("role", "coverage [95 %]", "p ≤ .05", "p ≤ .01", "effective clusters", "tests")
    rows = [
        (
            str(row.role) if row.role != "any" else f"by mass, {row.effective} clusters",
            _share(row),
            f"{row.share_05:.3f}",
            f"{row.share_01:.4f}",
            f"{row.effective_blocks:.1f}",
            f"{row.tests}",
        )
        for row in (*roles[roles.role != "any"].itertuples(), *by_blocks.itertuples())
    ]
    return [
        "The model's own heads: coverage of their lift, p under the null, effective number of clusters (blocks):",
        *table_lines(rows, 15, "calibration_heads.csv", header=header),
    ]


def _of_nulls(nulls: pd.DataFrame) -> list[tuple[str, ...]]:
    """A row per null and split: shares of small p with ties counted in full, and with ties broken at random."""
    broken = {(row.null, row.split): row for row in nulls[nulls.ties == "broken"].itertuples()}
    rows, found = nulls[nulls.ties == "counted"].itertuples(), []
    row: Any
    for row in rows:
        other: Any = broken.get((row.null, row.split))
        beside = () if other is None else (f"{other.share_05:.3f}", _distance(other))
        share = f"{row.share_05:.3f} [{row.share_05_low:.3f}, {row.share_05_high:.3f}]"
        found.append((row.null, row.split, share, f"{row.share_01:.4f}", _distance(row), f"{row.tests}", *beside))
    return found


def _distance(row: Any) -> str:
    return f"{row.ks:.3f} ({row.ks_p:.2g})"


def _share(row: Any) -> str:
    ends = "" if pd.isna(row.share_low) or pd.isna(row.share_high) else f" [{row.share_low:.3f}, {row.share_high:.3f}]"
    return f"{row.coverage:.3f}{ends}"
