"""Do heads of networks that know nothing get roles? Known architectures with random weights, over many seeds."""

from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import cut, name_of, signed, table_lines
from experiments.head_roles import role_tables
from interp.api import RolesOf, label, tally_roles
from interp.corpora.encoding import encode
from interp.errors import COUNT
from interp.folds import Collected
from interp.models.architectures import SHAPES, random_model
from interp.plots.style import PAGE, Style
from interp.progress import Progress, silent
from interp.results import Findings
from interp.statistics.criteria import Criteria
from interp.tables.roles import untestable
from interp.types import Corpus, HeadModel


def run(
    model: HeadModel,
    corpus: Corpus,
    *,
    roles: RolesOf,
    criteria: Criteria,
    shapes: Sequence[str] = SHAPES,
    seeds: Annotated[int, COUNT] = 10,
    layers: Annotated[int | None, COUNT._replace(null="all layers")] = None,
    vocabulary: str = "minilm",
    device: str = "auto",
    dtype: str = "float32",
    seed: int = 0,
    progress: Progress = silent,
) -> Findings:
    """One row per shape and seed: how many heads were given how many roles, each run corrected by itself."""
    networks = [(shape, seed + n) for shape in shapes for n in range(seeds)]
    found = Collected()
    for place, (shape, number) in progress(list(enumerate(networks)), "random networks", found):
        untrained = random_model(shape, seed=number, layers=layers, vocabulary=vocabulary, device=device, dtype=dtype)
        sums = tally_roles(untrained, encode(untrained, corpus), roles)
        tables = role_tables(sums, criteria, seed, splits=0)
        assigned = tables["roles"][tables["roles"].role != "unclassified"]
        confirm = tables["scores"][(tables["scores"].split == "confirm") & tables["scores"].p.notna()]
        best = confirm.nlargest(1, "lift")
        row = {
            "shape": shape,
            "weights_seed": number,
            "layers": len({head.layer for head in untrained.heads}),
            "heads": len(untrained.heads),
            "tested_roles": len({role.name for role in sums.roles} - set(untestable(sums, criteria))),
            "heads_with_role": len(assigned[["site", "layer", "head"]].drop_duplicates()),
            "roles_given": len(assigned),
            "largest_lift": best.lift.max(),
            "largest_lift_role": ", ".join(best.role),
        }
        found.add(place, row=pd.DataFrame([row]), given=assigned.assign(shape=shape, weights_seed=number))
    progress.measured()
    tables = {"random_init": found.table("row"), "given": found.table("given")}
    said = (f"The decoders were cut to {layers} layers.",) if layers else ()
    return Findings({name: label(table, model, corpus, seed) for name, table in tables.items()}, {}, said)


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:  # noqa: ARG001 - every experiment draws alike
    """Nothing: the table is short."""
    return {}


def summarise(tables: Mapping[str, pd.DataFrame]) -> list[str]:
    """In how many runs any head was assigned any role, and which."""
    runs, given = tables["random_init"], tables["given"]
    some = int((runs.roles_given > 0).sum())
    lines = [
        f"{some} of {len(runs)} networks with random weights have a head with a role; the largest lift on the held-out "
        f"split is {signed(runs.largest_lift.max())}."
    ]
    header = ("shape", "heads", "roles tested", "networks with a role", "largest lift")
    shapes = [
        (
            str(shape),
            f"{rows.heads.iloc[0]}",
            f"{rows.tested_roles.iloc[0]}",
            f"{(rows.roles_given > 0).sum()} of {len(rows)}",
            signed(rows.largest_lift.max()),
        )
        for shape, rows in runs.groupby("shape", sort=False)
    ]
    lines += table_lines(shapes, 15, "random_init.csv", header=header)
    found: Any = given.itertuples()
    named = [
        f"    {row.role} on head {name_of(row)} of {row.shape}, seed {row.weights_seed}: lift {signed(row.lift)}"
        for row in found
    ]
    return [*lines, *cut(named, 10, "given.csv")]
