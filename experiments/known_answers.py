"""Does the method find what is there, and nothing else? Mark it on planted models, whose heads' roles are known.

For every seed a causal model and an encoder are planted anew. Each is asked about two corpora: the one of the run, and
random words that repeat. What the classifier gives is held against what was planted. A role that was not
planted may still follow from a head's definition (a head that attends to words of its own class finds conjuncts): that
is decided by the head's definition, evaluated on the same text without its weights, by the very lift that a role has
to have; all that is neither planted nor follows is false. Of the causal model every head is ablated on the repeated
words, too: only the induction head and the head that it is composed with may matter there.
"""

from collections.abc import Callable, Mapping, Sequence
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import cut
from experiments.head_roles import role_tables
from interp import plots, roles
from interp.ablation.effects import measure_effects
from interp.ablation.plan import Plan
from interp.api import label, tally_roles
from interp.corpora.encoding import encode
from interp.corpora.repeats import repeats as repeats_of
from interp.errors import COUNT
from interp.folds import Collected
from interp.heads import HEAD
from interp.models.planted import PlantedModel
from interp.models.planted.ideal import Ideal
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.roles.lexical import punctuation, same_tag
from interp.statistics import bootstrap_interval
from interp.statistics.criteria import Criteria
from interp.statistics.lift import split_blocks
from interp.sums import RoleSums
from interp.tables import mark, precision_recall, true_lifts
from interp.tables.roles import untestable
from interp.types import Corpus, Head, HeadModel, Role

KEYS = ["kind", "planted_seed"]
LENGTH = 20
"""Words of a sequence that repeats once."""

COMPOSED = ("previous", "induction")
"""The two heads that copy together."""


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    plant: Callable[..., PlantedModel],
    criteria: Criteria,
    plan: Plan,
    kinds: Sequence[str] = ("causal", "encoder"),
    seeds: Annotated[int, COUNT] = 20,
    repeats: Annotated[int, COUNT] = 100,
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """Models planted from `seeds` seeds, the first of them `seed`; `repeats` is how many documents of words repeat."""
    plantings = [(kind, seed + n) for n in range(seeds) for kind in kinds]
    found = Collected()
    for place, (kind, number) in progress(list(enumerate(plantings)), "planted models", found):
        planted = plant(kind=kind, seed=number)
        where = {"kind": kind, "planted_seed": number}
        marks = []
        for text in (corpus, repeats_of(LENGTH, documents=repeats, seed=number)):
            encoded, asked = encode(planted, text), asked_of(text)
            sums, ideal = (tally_roles(one, encoded, asked) for one in (planted, Ideal(planted)))
            table = role_tables(sums, criteria, seed, splits=0)["roles"]
            marked = _mark(planted, sums, ideal, table, criteria)
            marks.append(marked.assign(**where, text=text.name))
            if text is corpus:
                found.add(place, strengths=_strengths(planted, sums, seed).assign(**where))
        found.add(place, marks=pd.concat(marks, ignore_index=True))
        if planted.has_language_head:
            found.add(place, effects=_effects(planted, encoded, plan, criteria, seed).assign(**where))
    progress.measured()
    every, costs = found.table("marks"), found.table("effects")
    tables = {
        "known_answers": pd.concat(
            [precision_recall(every.assign(role="all"), ["kind", "role"]), precision_recall(every, ["kind", "role"])],
            ignore_index=True,
        ).sort_values("kind", kind="stable", ignore_index=True),
        "marks": every[[*KEYS, "text", *every.columns.drop([*KEYS, "text"])]],
        "planted_strength": found.table("strengths"),
        **({"planted_effects": costs} if len(costs) else {}),
    }
    return Findings({name: label(table, model, corpus, seed) for name, table in tables.items()}, {})


def asked_of(corpus: Corpus) -> tuple[Role, ...]:
    """Position, relations, coreference and word class of annotated text; position and copying of any other.

    Copying is asked where words repeat at random: in English text nearly all repetitions are of a few words, which
    stand at the same places again and again.
    """
    if corpus.tags:
        known = (*roles.positional(), *roles.syntax(corpus), *roles.coreference(corpus))
        return (*known, punctuation(), same_tag())
    return (*roles.positional(), *roles.copying())


def _mark(
    planted: PlantedModel, sums: RoleSums, ideal: RoleSums, table: pd.DataFrame, criteria: Criteria
) -> pd.DataFrame:
    """What was given beside what was planted, with the name of each head's plan."""
    too_small = set(untestable(sums, criteria))
    marked = mark(
        table,
        [(head.site, head.layer, head.head, role) for head, role, _ in planted.truth],
        true_lifts(ideal, min_word_mass=criteria.min_word_mass),
        {role.name for role in sums.roles} - too_small,
        margin=criteria.margin,
    )
    return _with_plans(marked, planted)


def _strengths(planted: PlantedModel, sums: RoleSums, seed: int) -> pd.DataFrame:
    """Of roles planted at a fixed strength: the mass measured on confirm, with its interval."""
    blocks = split_blocks(sums.n.shape[1])["confirm"]
    number = {role.name: index for index, role in enumerate(sums.roles)}
    rows = []
    for head, role, strength in planted.truth:
        if strength is None:
            continue
        n = sums.n[number[role], blocks]
        mass = sums.mass[number[role], sums.heads.index(tuple(head))][blocks]
        low, high = bootstrap_interval(mass[None], n, seed=seed)
        rows.append((*head, role, strength, mass.sum() / n.sum(), low[0], high[0]))
    columns = [*HEAD, "role", "strength", "measured", "ci_low", "ci_high"]
    return _with_plans(pd.DataFrame(rows, columns=columns), planted)


def _effects(planted: PlantedModel, encoded: Any, plan: Plan, criteria: Criteria, seed: int) -> pd.DataFrame:
    found = measure_effects(planted, encoded, plan, seed=seed, min_blocks=criteria.min_blocks)
    table = found.table[found.table.metric == "log_prob"].reset_index(drop=True)
    return _with_plans(table, planted)


def _with_plans(table: pd.DataFrame, planted: PlantedModel) -> pd.DataFrame:
    """The table with what each row's head was planned to be, and whether any role was planted there."""
    plans = [planted.plans[Head(*head)] for head in zip(table.site, table.layer, table["head"], strict=True)]
    return table.assign(plan=[plan.name for plan in plans], has_role=[bool(plan.roles) for plan in plans])


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Precision and recall of every role."""
    return {"known_answers": plots.known_answers(tables["known_answers"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """Precision and recall of all roles, what went wrong, the head at half strength, and what copying costs."""
    every, lines, rest = tables["known_answers"], [], []
    row: Any
    for row in every[every.role == "all"].itertuples():
        lines.append(
            f"{row.kind}: {row.found} planted roles found, {row.missed} missed, {row.false} false positives; "
            f"precision {row.precision:.3f} [{row.precision_low:.3f}, {row.precision_high:.3f}], "
            f"recall {row.recall:.3f} [{row.recall_low:.3f}, {row.recall_high:.3f}]."
        )
        rest.append(
            f"{row.kind}: {row.no_role} roles assigned to heads without any; {row.implied} more follow from what was "
            f"planted; {row.absent} planted ones never come up in a text, {row.untestable} could not be tested there."
        )
    wrong = tables["marks"][tables["marks"].verdict.isin(["missed", "false"])]
    named = [
        f"    {'missed' if row.verdict == 'missed' else 'false positive'}: {row.role} of the head {row.plan} "
        f"({row.kind}, seed {row.planted_seed}, {row.text})"
        for row in wrong.itertuples()
    ]
    lines = [*lines, *rest, *cut(named, 10, "marks.csv")]
    half = tables["planted_strength"]
    half = half[half.plan == "half_strength"]
    if len(half):
        lines.append(f"The head at strength .50 is reported at {half.measured.min():.3f} to {half.measured.max():.3f}.")
    if "planted_effects" in tables:
        costs = tables["planted_effects"]
        for plan in COMPOSED:
            own = costs[costs.plan == plan].effect
            lines.append(f"Ablating the head {plan} costs {own.min():.2f} to {own.max():.2f} nats per token.")
        others = costs[~costs.plan.isin(COMPOSED)].effect.abs().max()
        lines.append(f"Ablating any other head: at most {others:.1e}.")
    return lines
