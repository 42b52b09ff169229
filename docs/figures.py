"""The figures of the README, drawn from runs: python docs/figures.py (after the commands that it names)."""

from pathlib import Path

import pandas as pd

from interp import plots

HERE = Path(__file__).parent
RUNS = {
    "it": "outputs/readme/it",  # experiment=sentence text="…difficult." query=it candidates=[quiz,student]
    "she": "outputs/readme/she",  # experiment=sentence text="…tired." query=she candidates=[student,quiz]
    "treebank": "outputs/readme/minilm_ewt",  # experiment=head_roles corpus=conllu corpus.path=en_ewt-ud-test.conllu
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
    plots.best_heads(scores).savefig(HERE / "best_heads.png", dpi=130)
    plots.role_maps(scores, roles).savefig(HERE / "roles.png", dpi=130)


if __name__ == "__main__":
    main()
