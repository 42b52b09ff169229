"""A paper's claims beside what this run measured: any experiment, run as the paper did, and a table of verdicts."""

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import pandas as pd
from matplotlib.figure import Figure

from experiments.cli.summary_lines import LINES, table_lines
from interp import plots
from interp.plots.style import PAGE, Style
from interp.results import Findings
from interp.tables.claims import compare, read_claims


def judge(findings: Findings, study: Mapping[str, Any]) -> Findings:
    """The findings of the experiment and, beside them, the table `study`: one row per claim."""
    verdicts = compare(read_claims(study["claims"]), findings.tables)
    return replace(findings, tables={**findings.tables, "study": verdicts})


def draw(tables: Mapping[str, pd.DataFrame], style: Style = PAGE) -> dict[str, Figure]:
    """Published and measured, claim by claim."""
    return {"study": plots.claims(tables["study"], style=style)}


def summarise(tables: Mapping[str, pd.DataFrame], study: Mapping[str, Any]) -> list[str]:
    """How many claims were reproduced, and every claim with its verdict; where they are many, failures first."""
    verdicts = tables["study"]
    pinned = verdicts[verdicts.published.notna()]
    if len(verdicts) > LINES - 3:
        verdicts = verdicts.sort_values("verdict", key=lambda column: column == "pass", kind="stable")
    rows: Any = verdicts.itertuples()
    header = ("verdict", "published", "measured", "claim")
    return [
        f"{study['title']}: {(pinned.verdict == 'pass').sum()} of {len(pinned)} claims reproduced.",
        *table_lines([*map(_of_claim, rows)], LINES - 3, "study.csv", header=header),
    ]


def _of_claim(row: Any) -> tuple[str, ...]:
    """The verdict on a claim, what it rests on, and the claim with its head and its note."""
    measured = "–" if pd.isna(row.measured) else f"{row.measured:.3g}"
    published = "no number" if pd.isna(row.published) else f"{row.published:.3g} ± {row.tolerance:.2g}"
    head = f" (head {row.head})" if row.head else ""
    note = f" {row.note}" if row.note else ""
    return row.verdict, published, measured, f"{row.claim}{head}.{note}"


def needs(study: Mapping[str, Any]) -> str:
    """What the study needs that does not come with the project, and how to get it."""
    return f"The study {study['name']!r} needs {study['needs']}"
