"""Where a page begins: on a head that there is something to see of."""

import pandas as pd
import pytest

from interp.report.colourings import colourings
from interp.report.first_head import first_head

HEADS = pd.DataFrame([("self", 0, 0), ("self", 0, 1), ("self", 1, 0)], columns=["site", "layer", "head"])


def roles(*rows: tuple[str, str | None, float]) -> pd.DataFrame:
    return HEADS.assign(**dict(zip(("role", "family", "lift"), zip(*rows, strict=True), strict=True)))


@pytest.mark.parametrize(
    ("tables", "expected"),
    [
        # a relation before a position, whatever their lifts
        ({"roles": roles(("self", "positional", 0.9), ("det", "syntax", 0.2), ("obj", "syntax", 0.3))}, "self 1.0"),
        ({"roles": roles(*[("first", "positional", lift) for lift in (0.9, 0.2, 0.3)])}, "self 0.0"),
        # without any role the largest number that the map begins with
        (
            {
                "roles": roles(*[("unclassified", None, float("nan"))] * 3),
                "effects": HEADS.assign(metric="log_prob", ablation="mean", effect=[0.1, 0.4, -0.9]),
            },
            "self 0.1",
        ),
        ({"tags": HEADS.assign(from_tag=["any", "any", "NOUN"], to_tag="VERB", excess=[0.1, 0.2, 0.9])}, "self 0.1"),
        ({"matches": HEADS}, "self 0.0"),
        ({"definitions": pd.DataFrame({"role": ["a"]})}, None),
    ],
)  # fmt: skip
def test_a_page_opens_on_a_head_with_something_to_see(tables: dict[str, pd.DataFrame], expected: str | None) -> None:
    assert first_head(tables, colourings(tables)) == expected
