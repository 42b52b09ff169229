"""One rule for the best head of a role and the best role of a head, wherever a figure, table or summary picks one."""

from collections.abc import Callable, Sequence

import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.text import Text

from docs import tables as readme
from experiments import head_roles
from interp import plots
from interp.corpora.batching import batches
from interp.corpora.encoding import encode
from interp.statistics.criteria import Criteria
from interp.sums import RoleLabel, RoleSums
from interp.tables.atlas import atlas_table
from interp.tables.best_heads import best_heads, best_roles
from interp.tables.nulls import Measured, lifts_of_chosen, null_table
from interp.tallies.spread import FirstTokenTally, ShapeTally, shapes_of_heads
from interp.tallies.stream import stream
from interp.types import Batch
from tests.conftest import corpus_of
from tests.support.fakes import FakeModel

HEAD = ["site", "layer", "head"]


def rows(role: str, heads: Sequence[tuple[str, int, float, float, float]], family: str = "syntax") -> pd.DataFrame:
    """(site, head, lift on select, lift on confirm, p) of some heads, as a table `scores`."""
    return pd.DataFrame(
        {
            "definition": f"{role}@1",
            "role": role,
            "family": family,
            "site": site,
            "layer": 0,
            "head": head,
            "split": split,
            "n": 60,
            "hit": 0.5 + lift,
            "mass": 0.5,
            "word_mass": 0.5,
            "baseline": 0.5,
            "baseline_name": "offset-1",
            "lift": lift,
            "ci_low": lift - 0.1,
            "ci_high": lift + 0.1,
            "p": p,
            "q": p,
            "statistic": "hit",
            "guess_pos": None,
            "lift_pos": np.nan,
            "detectable": 0.1,
            "effective_blocks": 20.0,
        }
        for site, head, *lifts, p in heads
        for split, lift in zip(("select", "confirm"), lifts, strict=True)
    )


# Head 0 is best on select and untested (another window of the same role); head 1 is the best of those tested on select;
# head 2 is better than it on confirm only. Another site has a head of its own, and one role is tested nowhere.
SCORES = pd.concat(
    [
        rows("obj.to_governor", [("encoder", 0, 0.9, 0.8, np.nan), ("encoder", 1, 0.4, 0.2, 0.01)]),
        rows("obj.to_governor", [("encoder", 2, 0.3, 0.5, 0.01), ("decoder", 0, 0.1, 0.05, 0.3)]),
        rows("det.to_dependent", [("encoder", 1, 0.2, 0.1, np.nan), ("encoder", 2, np.nan, np.nan, np.nan)]),
    ],
    ignore_index=True,
)
CHOSEN = {
    ("obj.to_governor", "encoder"): 1,
    ("obj.to_governor", "decoder"): 0,
    ("det.to_dependent", "encoder"): 1,
}


def of_function(scores: pd.DataFrame) -> dict[tuple[str, str], int]:
    return {(row.role, row.site): row.head for row in best_heads(scores).itertuples()}  # pyright: ignore


def of_nulls(scores: pd.DataFrame) -> dict[tuple[str, str], int]:
    found = lifts_of_chosen([Measured("none", None, scores, scores.head(0))])
    return {(row.role, row.site): row.head for row in found.itertuples()}  # pyright: ignore


def of_figure(scores: pd.DataFrame) -> dict[tuple[str, str], int]:
    figure = plots.best_heads(scores)
    drawn = [text.get_text() for axes in figure.axes for text in axes.findobj(Text)]  # pyright: ignore
    names = [text for text in drawn if text.split(" ")[0] in ("encoder", "decoder")]
    roles = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    spelled = {"obj → governor": "obj.to_governor", "det → dependents": "det.to_dependent"}
    pairs = zip(roles, names[: len(roles)], strict=True)
    return {(spelled[role], name.split(" ")[0]): int(name.split(".")[1]) for role, name in pairs}


ABSENT = ("lift_pos_low", "lift_pos_high", "stability", "fewer_effective_blocks")


def of_summary(scores: pd.DataFrame) -> dict[tuple[str, str], int]:
    given = scores.head(0).assign(**dict.fromkeys(ABSENT, np.nan))
    every = scores.drop_duplicates(HEAD).assign(role="unclassified")
    power = pd.DataFrame(columns=["detectable", "room", "role"])
    both = {"scores": scores.assign(lift_pos=np.nan), "roles": pd.concat([given, every]), "power": power}
    lines = [line.split() for line in head_roles.summarise(both)]
    rows = [words for words in lines if len(words) > 2 and words[1] in ("encoder", "decoder")]
    return {(words[0], words[1]): int(words[2].split(".")[1]) for words in rows}


@pytest.mark.parametrize("pick", [of_function, of_nulls, of_figure, of_summary])
@pytest.mark.parametrize("order", [0, 1])
def test_figure_summary_and_nulls_name_the_same_heads(pick: Callable[[pd.DataFrame], dict], order: int) -> None:
    scores = SCORES if not order else SCORES.sample(frac=1, random_state=order)
    found = pick(scores)
    tested = {key: head for key, head in CHOSEN.items() if key[0] == "obj.to_governor"}
    assert found == (CHOSEN if pick is of_function else tested)


def test_the_readme_s_table_names_them_too(tmp_path) -> None:
    scores = SCORES[SCORES.site == "encoder"].assign(lift_pos_low=np.nan, lift_pos_high=np.nan)
    roles = scores.head(0).assign(stability=pd.Series(dtype=float))
    found = lifts_of_chosen([Measured("random_init", 0, scores, roles)])
    for name, table in (("scores", scores), ("roles", roles), ("null_lifts", found)):
        table.to_parquet(tmp_path / f"{name}.parquet")
    (row,) = readme.table(str(tmp_path)).splitlines()[2:]
    assert row.startswith("| `obj.to_governor` | 0.1 |")


def test_equal_heads_are_taken_in_their_order_and_runs_apart() -> None:
    tied = rows("a", [("self", 3, 0.3, 0.1, 0.1), ("self", 1, 0.3, 0.2, 0.1)])
    assert best_heads(tied)["head"].tolist() == [1]
    stacked = pd.concat([tied.assign(run="x"), tied.assign(run="y", lift=-tied.lift).query("head == 3")])
    assert set(best_heads(stacked)[["run", "head"]].itertuples(index=False, name=None)) == {("x", 1), ("y", 3)}


def test_the_largest_lift_of_the_nulls_is_of_the_same_heads() -> None:
    roles = SCORES.drop_duplicates(HEAD).assign(role="unclassified")
    table = null_table([Measured("none", None, SCORES, roles)]).set_index("family")
    assert table.loc["all", "largest_chosen_lift"] == 0.2 and table.loc["all", "largest_lift"] == 0.5


# --- the best role of a head


def test_a_sink_is_the_best_role_only_of_a_head_that_has_no_other() -> None:
    table = pd.DataFrame(
        [
            *[("self", 0, 0, "first", 0.9), ("self", 0, 0, "offset-1", 0.2), ("self", 0, 0, "obj.to_governor", 0.3)],
            *[("self", 0, 1, "self", 0.5), ("self", 0, 1, "separator", 0.7), ("self", 0, 2, "offset-1", np.nan)],
        ],
        columns=[*HEAD, "role", "lift"],
    )
    found = best_roles(table.sample(frac=1, random_state=3), HEAD).set_index("head").role
    assert found.to_dict() == {0: "obj.to_governor", 1: "separator"}


def resting(batch: Batch) -> torch.Tensor:
    """Three heads: .7 on the first token and .3 on the one before; all on the first; and spread evenly."""
    size = batch.tokens.shape[1]
    place = torch.arange(size)
    first = (place == 0).expand(size, size).float()
    previous = torch.nn.functional.one_hot((place - 1).clamp(min=0), size).float()
    there = batch.mask[:, None, :].float().expand(-1, size, -1)
    both = (0.7 * first + 0.3 * previous).expand(len(batch.tokens), -1, -1)
    return torch.stack([both, first.expand_as(both), there / there.sum(-1, keepdim=True)], dim=1)


def test_null_attention_in_the_atlas_is_the_mean_attention_on_the_first_token() -> None:
    model = FakeModel(resting, 3)
    shape, first = ShapeTally(model.heads), FirstTokenTally(model.heads)
    encoded = encode(model, corpus_of())
    stream(model, (group.batch() for group in batches(encoded, model)), shape, first)
    roles = pd.DataFrame(
        [
            *[("self", 0, 0, "first", "positional", 0.6), ("self", 0, 0, "offset-1", "positional", 0.2)],
            *[("self", 0, 1, "first", "positional", 0.9), ("self", 0, 2, "unclassified", None, np.nan)],
        ],
        columns=[*HEAD, "role", "family", "lift"],
    )
    scores = pd.DataFrame(columns=[*HEAD, "split", "p", "lift"]).astype({"layer": int, "head": int, "lift": float})
    effects = pd.DataFrame({"site": "self", "layer": 0, "head": range(3), "metric": "m", "ablation": "mean", "n": 4})
    effects = effects.assign(effect=[0.1, 0.2, 0.3], ci_low=0.0, ci_high=0.4, p=0.5, q=0.6)
    scores = scores.astype({"layer": int, "head": int, "site": str})
    explained = pd.DataFrame(
        {"site": "self", "layer": 0, "head": [0, 1], "explained": [0.5, 0.7], "explained_low": 0.4,
         "explained_high": 0.8, "first_rule": ["offset-1", "first_special"]}
    )  # fmt: skip
    table = atlas_table(shapes_of_heads(shape, first), scores, roles, effects, explained)
    assert table.explained.iloc[:2].tolist() == [0.5, 0.7] and np.isnan(table.explained.iloc[2])
    assert table.first_rule.tolist() == ["offset-1", "first_special", ""], "no rule is known of the third"
    assert table.best_role.tolist() == ["offset-1", "first", "unclassified"]
    assert table.best_lift.iloc[:2].tolist() == [0.2, 0.9], "each that of its best role"
    # own tokens stand at 1 … ; the one at 1 has the first before it
    lengths = [int((~one.special).sum()) for one in encoded.encodings]
    asking = sum(lengths)
    own = (0.7 * asking + 0.3 * len(lengths)) / asking
    even = sum(n / (n + 2) for n in lengths) / asking
    np.testing.assert_allclose(table.null_attention, [own, 1.0, even], rtol=1e-6)
    assert table[["n", "p", "q"]].drop_duplicates().to_numpy().tolist() == [[4, 0.5, 0.6]], "those of the effect"


def test_the_summary_counts_heads_that_only_rest() -> None:
    label = [
        RoleLabel(name, "positional", "token", "mass", f"{name}@1", ("uniform",)) for name in ("first", "offset-1")
    ]
    heads = tuple(("self", 0, head) for head in range(3))
    mass = np.array([[0.9, 0.8, 0.05], [0.1, 0.5, 0.05]])[:, :, None] * np.full(64, 20.0)
    n, baseline = np.full((2, 64), 20), np.full((2, 1, 64), 2.0)
    sums = RoleSums(tuple(label), heads, ("uniform",), n, mass, mass, np.full_like(mass, np.nan), baseline)
    rules = Criteria(margin=0.1, alpha=0.05, min_queries=50, min_blocks=12, min_word_mass=0.1)
    tables = head_roles.role_tables(sums, rules, 0)
    lines = head_roles.summarise(tables)
    assert lines[0].startswith("3 roles on 2 of 3 heads (held-out split; largest q ")
    assert lines[1] == "1 of these heads have no role but first, self or separator (attention sinks)."
    figure = plots.role_maps(tables["scores"], tables["roles"])
    solid, dotted = (len(boxes.get_paths()) for boxes in figure.axes[0].collections[1:3])
    assert (solid, dotted) == (1, 1)
