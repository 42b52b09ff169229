"""The `atlas` table: roles and effects of every head, joined, and whether they agree."""

import numpy as np
import pandas as pd

from interp.tables.best_heads import best_roles

HEAD = ["site", "layer", "head"]


def atlas_table(
    heads: pd.DataFrame, scores: pd.DataFrame, roles: pd.DataFrame, effect: pd.DataFrame, explained: pd.DataFrame
) -> pd.DataFrame:
    """One row per head, with the effects of the first metric; `heads` has `entropy`, `mean_distance`, `null_attention`.

    `best_role` is the assigned role with the largest confirm lift that is not `first`, `self` or `separator`, one of
    these where there is no other (`unclassified` where there is none at all). `best_lift` is its lift on confirm; where
    no role was assigned, the largest of any tested role. `null_attention` is the mean attention on the first token, as
    `shape/null@1` has it. `explained`, its interval and `first_rule` are those of the table of that name
    (`interp.tables.explanations.in_brief`), empty for a head that has no row there. `n`, interval, p and q are those of
    `effect`. A head *matters* when the effect's interval lies above the median effect of all heads and above zero;
    `agreement` says whether that and having a role go together.
    """
    effect = effect[effect.metric == effect.metric.iloc[0]]
    table = heads.merge(_roles_of_heads(scores, roles), on=HEAD, how="left").merge(
        effect[[*HEAD, "metric", "ablation", "n", "effect", "ci_low", "ci_high", "p", "q"]], on=HEAD, how="left"
    )
    table = table.merge(explained, on=HEAD, how="left").fillna({"first_rule": ""})
    matters = table.ci_low > max(float(table.effect.median()), 0.0)
    has_role = table.n_roles > 0
    table["agreement"] = np.select(
        [has_role & matters, has_role, matters], ["role and effect", "role only", "effect only"], "neither"
    )
    table.loc[table.ci_low.isna(), "agreement"] = "untested"
    of_roles = ["roles", "n_roles", "best_role", "best_family", "best_lift"]
    of_effect = ["metric", "ablation", "n", "effect", "ci_low", "ci_high", "p", "q"]
    of_attention = ["entropy", "mean_distance", "null_attention"]
    of_rules = ["explained", "explained_low", "explained_high", "first_rule"]
    return table[[*HEAD, *of_roles, *of_effect, *of_attention, *of_rules, "agreement"]]


def _roles_of_heads(scores: pd.DataFrame, roles: pd.DataFrame) -> pd.DataFrame:
    assigned = roles[roles.role != "unclassified"]
    names = assigned.groupby(HEAD)["role"].agg(["; ".join, "size"]).set_axis(["roles", "n_roles"], axis=1)
    best = best_roles(assigned, HEAD).set_index(HEAD)
    tested = scores[(scores.split == "confirm") & scores.p.notna()]
    highest = tested.groupby(HEAD)["lift"].max().rename("highest_lift")
    every = roles[HEAD].drop_duplicates().set_index(HEAD)
    table = every.join(names).join(best[["role", "family", "lift"]]).join(highest)
    table = table.rename(columns={"role": "best_role", "family": "best_family", "lift": "best_lift"})
    table["best_lift"] = table.best_lift.fillna(table.highest_lift)
    table["n_roles"] = table.n_roles.fillna(0).astype(int)
    unnamed = dict.fromkeys(("best_role", "best_family"), "unclassified") | {"roles": ""}
    return table.drop(columns="highest_lift").fillna(unnamed).reset_index()
