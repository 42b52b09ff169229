"""The figures of the README, drawn from runs: python docs/figures.py (after the commands that it names)."""

from pathlib import Path

import pandas as pd

from interp import plots
from interp.tables.best_heads import best_heads

HERE = Path(__file__).parent
RUNS = {
    "it": "outputs/readme/it",  # experiment=sentence text="…difficult." query=it candidates=[quiz,student]
    "she": "outputs/readme/she",  # experiment=sentence text="…tired." query=she candidates=[student,quiz]
    "treebank": "outputs/readme/minilm_ewt",  # experiment=head_roles roles=syntax … en_ewt-ud-test.conllu
}


def main() -> None:
    """One head on two sentences, and the best head of every relation on a treebank."""
    for name in ("it", "she"):
        attention = pd.read_parquet(f"{RUNS[name]}/attention.parquet")
        named = attention.drop_duplicates("query").sort_values("query")
        query = int(named.loc[named["query_word"] == name, "query"].iloc[0])
        figure = plots.attention_arcs(attention, list(named["query_word"]), [("self", 3, 1)], query=query)
        figure.savefig(HERE / f"{name}.png", dpi=150)
    scores, roles = (pd.read_parquet(f"{RUNS['treebank']}/{name}.parquet") for name in ("scores", "roles"))
    plots.best_heads(scores, roles).savefig(HERE / "best_heads.png", dpi=130)
    plots.role_maps(scores, roles).savefig(HERE / "roles.png", dpi=130)
    print(best_table(scores, roles))


def best_table(scores: pd.DataFrame, roles: pd.DataFrame) -> str:
    """The README's table: of each role the head that is best on select, if it has the role, as confirm saw it."""
    keys = ["role", "site", "layer", "head"]
    best = best_heads(scores).merge(roles[[*keys, "stability"]], on=keys)
    rows = [
        f"| `{r.role}` | {r.layer}.{r.head} | {r.hit:.2f} | {r.baseline:.2f} (`{r.baseline_name}`) "
        f"| {r.lift:+.2f} [{r.ci_low:.2f}, {r.ci_high:.2f}] | {r.q:.0e} | {r.stability:.2f} | {r.n} |"
        for r in best.itertuples()
    ]
    return "\n".join(rows)


if __name__ == "__main__":
    main()
