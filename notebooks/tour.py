# ---
# jupyter:
#   jupytext:
#     text_representation:
#       extension: .py
#       format_name: percent
#   kernelspec:
#     display_name: Python 3
#     language: python
#     name: python3
# ---

# %% [markdown]
# # From a run to a figure
#
# This notebook shows what a run leaves behind, and how its tables become a figure for a paper. Run it with `make
# notebook`, which makes the run that is read here where there is none, or open it after `make run`.
#
# No model is loaded here, and no number is computed that a table lacks.

# %%
import os
import subprocess
import sys
from pathlib import Path

import pandas as pd
from IPython.display import Markdown, display

import interp
from interp import plots

here = Path.cwd()  # the folder of the notebooks, or the clone
outputs = Path(os.environ.get("INTERP_OUTPUTS", (here.parent if here.name == "notebooks" else here) / "outputs"))
runs = interp.load_runs(f"{outputs}/atlas/**")
latest = Path(max(runs["atlas"]["run"].unique(), key=lambda run: Path(run).name))  # folders are named by date and time
tables = {name: table[table["run"] == str(latest)].drop(columns="run") for name, table in runs.items()}
scores, roles, effects, atlas = (tables[name] for name in ("scores", "roles", "effects", "atlas"))
pd.DataFrame({"rows": {name: len(table) for name, table in tables.items()}})

# %% [markdown]
# ## The folder of a run
#
# `README.md` in it names every file, and every column with its unit (`interp.columns("roles")` gives them, too).
# `report.html` is the run on one page: open it in a browser. `tables/*.tex`, `methods.tex` and `references.bib` are
# for a paper, `figures/captions.md` has the captions, and `manifest.json` says what was run, on which weights and
# texts, to the hash.

# %%
for path in ("README.md", "report.html", "methods.tex", "references.bib", "manifest.json", "figures", "tables"):
    place = latest / path
    print(f"{path:15}", ", ".join(sorted(one.name for one in place.iterdir())) if place.is_dir() else "")

# %% [markdown]
# ## Which roles stand
#
# Every number is from the held-out split (`confirm`): documents that had no part in choosing the head or the
# baseline. `lift` is the score minus the best model-free baseline, with its 95 % interval.

# %%
assigned = roles[roles["role"] != "unclassified"].sort_values("lift", ascending=False)
columns = ["layer", "head", "role", "hit", "mass", "baseline", "lift", "ci_low", "ci_high", "q", "stability"]
assigned[columns].head(12).round(3)

# %%
plots.role_maps(scores, roles)

# %% [markdown]
# ## What the model loses without each head
#
# `effect` is intact minus ablated, so positive means that the head helped.

# %%
ranked = effects.sort_values("effect", ascending=False)
ranked[["layer", "head", "metric", "n", "effect", "ci_low", "ci_high"]].head(8).round(4)

# %%
plots.effect_map(effects)

# %% [markdown]
# A head with a clear role need not matter, and a head that matters need not have a role that anyone has named.

# %%
plots.role_against_effect(atlas)

# %%
atlas["agreement"].value_counts().to_frame("heads")

# %% [markdown]
# ## The documents that a run has kept
#
# In up to 100 documents, drawn by the seed, the run keeps the attention of every head; the table `examples` says in
# which of them a head's role shows most, middling and least. Below, the head of the largest lift among the roles of
# syntax, in the document where it shows most.

# %%
examples = interp.load_examples(latest)
print(len(examples.documents), "documents:", examples.rule)
best = assigned[assigned["family"] == "syntax"].iloc[0]
shown = tables["examples"].query("layer == @best.layer and head == @best['head'] and role == @best.role")
shown[["layer", "head", "role", "place", "document", "mass", "queries"]].round(2)

# %%
plots.token_matrices(examples, [(best["layer"], best["head"])], shown["document"].iloc[0])

# %% [markdown]
# ## Several runs
#
# A sweep makes several runs: here the positional roles of the trained model and of the same network with random
# weights. It is the command line, as it is typed in a shell; a complete run of the same settings is left as it is.

# %%
sweep = outputs / "notebooks" / "tour"
settings = ["experiment=head_roles", "roles=positional", "corpus.documents=200", "quiet=true"]
command = [sys.executable, "-m", "experiments", "-m", *settings, "model.init=pretrained,random"]
done = subprocess.run([*command, f"hydra.sweep.dir={sweep}"], capture_output=True, text=True, check=False)
print(done.stderr if done.returncode else done.stdout)
done.check_returncode()

# %% [markdown]
# `load_runs` stacks the tables of all runs that a pattern finds; the columns `run`, `model`, `corpus` and `seed` say
# which rows are whose.

# %%
both = interp.load_runs(f"{sweep}/*")
pd.crosstab(both["roles"]["model"], both["roles"]["role"])

# %% [markdown]
# `experiment=compare runs=[DIR,DIR]` puts runs side by side, with intervals of the differences. A figure shows one
# run: given several, it asks for one.

# %% [markdown]
# ## A figure for a journal's column
#
# Every figure takes a style: as wide as a page (7 inches) or one of its columns (3.4), and a theme of one's own
# (`read_style` of `interp.plots.theme`). What stands below it in a paper is its `caption`.

# %%
from interp.plots.style import Style

figure = plots.best_heads(scores, roles, style=Style("column"))
figure.savefig(outputs / "notebooks" / "best_heads.pdf")
display(figure, Markdown(figure.caption))

# %% [markdown]
# The tables are tidy, so seaborn needs one line; families have the colours that they have in every figure.

# %%
import seaborn as sns

from interp.plots.style import PALETTE

shape = sns.relplot(atlas, x="mean_distance", y="entropy", hue="best_family", palette=PALETTE, height=3.2)
shape.set_axis_labels("mean distance (tokens)", "entropy (nats)")
