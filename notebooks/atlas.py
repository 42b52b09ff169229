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
# # Reading an atlas
#
# Load the tables of a run and draw from them. No model is loaded here, and no number is computed that a table lacks.
#
# In a fresh clone, `make notebook` does all of it: it installs the extra `notebooks`, makes a run where there is none
# (`make run`), and executes this file as `notebooks/atlas.ipynb`, which `.venv/bin/jupyter lab notebooks/atlas.ipynb`
# opens. Runs elsewhere: set `INTERP_RUNS` to a pattern of their folders.

# %%
import os
from pathlib import Path

import interp
from interp import plots

here = Path.cwd()  # the folder of the notebook, or the clone
outputs = (here.parent if here.name == "notebooks" else here) / "outputs"
runs = interp.load_runs(os.environ.get("INTERP_RUNS", f"{outputs}/atlas/**"))
latest = max(runs["atlas"]["run"].unique(), key=lambda run: Path(run).name)  # folders are named by date and time
scores, roles, effects, atlas = (
    runs[name].query("run == @latest").drop(columns="run") for name in ("scores", "roles", "effects", "atlas")
)
print(latest)

# %% [markdown]
# ## Which roles stand
#
# Every number is from the held-out split (confirm): documents that had no part in choosing the head or the baseline.

# %%
assigned = roles[roles["role"] != "unclassified"].sort_values("lift", ascending=False)
assigned[["layer", "head", "role", "hit", "mass", "baseline", "lift", "ci_low", "q", "stability"]].head(15).round(3)

# %%
plots.role_maps(scores, roles)

# %%
plots.best_heads(scores, roles)

# %% [markdown]
# ## What the model loses without each head

# %%
effects.sort_values("effect", ascending=False)[["layer", "head", "metric", "n", "effect", "ci_low", "ci_high"]].head(10)

# %%
plots.effect_map(effects)

# %% [markdown]
# ## Role against effect
#
# A head with a clear role need not matter, and a head that matters need not have a role that anyone has named.

# %%
plots.role_against_effect(atlas)

# %%
atlas["agreement"].value_counts().to_frame("heads")

# %% [markdown]
# ## A figure of one's own
#
# The tables are tidy, so seaborn needs one line; families have the colours that they have in every figure.

# %%
import seaborn as sns

from interp.plots.style import PALETTE

shape = sns.relplot(atlas, x="mean_distance", y="entropy", hue="best_family", palette=PALETTE, height=3.2)
shape.set_axis_labels("mean distance (tokens)", "entropy (nats)")
