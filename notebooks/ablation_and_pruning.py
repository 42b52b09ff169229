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
# # Which heads matter, alone and together
#
# This notebook shows what a language model loses without each of its heads, how many heads can go, and that effects
# do not add up. Run it with `make notebook`; no file is needed.

# %%
import os
import subprocess
import sys
from pathlib import Path

import interp
from interp import plots

here = Path.cwd()  # the folder of the notebooks, or the clone
outputs = Path(os.environ.get("INTERP_OUTPUTS", (here.parent if here.name == "notebooks" else here) / "outputs"))

model = interp.load_model("small")  # any other: a directory, a name on the hub, "smollm2"
corpus = interp.grammar(300)  # of your own: interp.read_conllu(…), interp.read_text(…)
model, corpus

# %% [markdown]
# ## One head at a time
#
# A head's output is replaced by its mean over the corpus, before the output projection mixes heads. `effect` is
# intact minus ablated, averaged over documents, so positive means that the head helped; the interval is a bootstrap
# over blocks of source documents, and q is over all heads and metrics. `log_prob` is in nats per token; `kl` is minus
# the divergence from the intact model, a size of change, which has no test.

# %%
effects = interp.ablate(model, corpus, replacement="mean", limit=100)
columns = ["layer", "head", "n", "intact", "ablated", "effect", "ci_low", "ci_high", "q"]
ranked = effects[effects["metric"] == "log_prob"].sort_values("effect", ascending=False)
ranked[columns].head(8).round(4)

# %% [markdown]
# The other end of the table: heads that cost nothing, or that the model is better without. An interval that contains
# zero says that this corpus does not tell.

# %%
ranked[columns].tail(5).round(4)

# %%
plots.effect_map(effects)

# %% [markdown]
# By what a head is replaced is a choice, and part of the result: zero is further from what the rest of the network
# expects than the mean is.

# %%
zero = interp.ablate(model, corpus, replacement="zero", metrics="language", limit=100)
zero[zero["metric"] == "log_prob"].sort_values("effect", ascending=False)[["ablation", *columns]].head(5).round(4)

# %% [markdown]
# ## Heads together
#
# Every layer ablated as a whole, beside the sum of the effects of its heads alone. Where heads stand in for one
# another, together they cost more than that sum.

# %%
sets = interp.ablate_sets(model, corpus, "layers", limit=100)
shown = ["set", "size", "metric", "n", "effect", "ci_low", "ci_high", "sum_of_effects"]
sets.loc[sets["metric"] == "log_prob", shown].round(4)

# %% [markdown]
# ## The pruning curve
#
# More and more heads are ablated together, the one with the smallest effect first, and in random orders beside it.
# The order is chosen on one half of the documents, the curve drawn on the other. It is an experiment of the command
# line:

# %%
folder = outputs / "notebooks" / "pruning"
settings = ["experiment=pruning_curve", "model=small", "corpus.documents=300", "metrics=language"]
settings += ["ablation.limit=100", "pruning.steps=9", "pruning.seeds=3", "quiet=true", f"hydra.run.dir={folder}"]
done = subprocess.run([sys.executable, "-m", "experiments", *settings], capture_output=True, text=True, check=False)
print(done.stderr if done.returncode else done.stdout)
done.check_returncode()

# %%
tables = interp.load_runs(folder)
plots.pruning_curve(tables["pruning_curve"], tables["pruning_area"])

# %% [markdown]
# The area under the curve sums it up, and `difference` is that against random orders, with its interval.

# %%
areas = tables["pruning_area"]
whole = areas["order_seed"].isna()  # the orders themselves, and the mean over the random ones
areas.loc[whole, ["metric", "order", "n", "area", "difference", "difference_ci_low", "difference_ci_high"]].round(4)

# %% [markdown]
# ## Effects do not add up
#
# What the ablated heads cost together (`joint_effect`, with its interval) against the sum of what each costs alone;
# `excess` is the one less the other.

# %%
joint = tables["joint_effects"].query("metric == 'log_prob' and order == 'effect'")
joint[["heads_left", "joint_effect", "ci_low", "ci_high", "sum_of_effects", "excess", "excess_ci_low"]].round(4)

# %%
plots.joint_effects(tables["joint_effects"])
