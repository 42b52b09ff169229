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
# # The induction heads of a language model
#
# This notebook shows which heads of a causal language model attend to the token after an earlier occurrence of the
# same token, and what the published scores make of the same heads. Run it with `make notebook`; with
# `INTERP_MODEL=smollm2` (after `make smollm2`) it asks a real language model, which takes minutes instead of seconds.

# %%
import os
import subprocess
import sys
from pathlib import Path

import interp
from interp import plots
from interp.tables.best_heads import best_heads

here = Path.cwd()  # the folder of the notebooks, or the clone
outputs = Path(os.environ.get("INTERP_OUTPUTS", (here.parent if here.name == "notebooks" else here) / "outputs"))
model = os.environ.get("INTERP_MODEL", "small")


def run(name: str, *settings: str) -> Path:
    """The command line, as in a shell; a complete run of the same settings is left as it is."""
    folder = outputs / "notebooks" / f"{name}-{model}"
    chosen = [f"model={model}", *settings, "quiet=true", f"hydra.run.dir={folder}"]
    done = subprocess.run([sys.executable, "-m", "experiments", *chosen], capture_output=True, text=True, check=False)
    print(done.stderr if done.returncode else done.stdout)
    done.check_returncode()
    return folder


# %% [markdown]
# ## Random tokens, twice
#
# A document is 20 different random tokens of the model's own vocabulary, and the same 20 again. Nothing there can be
# predicted but what was there before, and no head can find it by what words mean.

# %%
repeats = ["corpus=repeats", "corpus.length=20", "corpus.documents=120"]
folder = run("induction_heads", "experiment=head_roles", "roles=copying", *repeats)

# %%
tables = interp.load_runs(folder)
scores, roles = tables["scores"], tables["roles"]
columns = ["role", "layer", "head", "n", "mass", "baseline", "lift", "ci_low", "ci_high", "q"]
best_heads(scores)[columns].round(3)

# %% [markdown]
# `mass` is the attention on the targets, here as a share of 1; the baseline is attention spread evenly over all that
# can be seen. All heads that have a role, on documents that had no part in finding them:

# %%
assigned = roles[roles["role"] != "unclassified"].sort_values(["role", "lift"], ascending=[True, False])
assigned[["role", "layer", "head", "mass", "lift", "ci_low", "ci_high", "q", "effective_blocks"]].round(3)

# %%
plots.role_maps(scores, roles)

# %% [markdown]
# ## The stripe
#
# One document, token by token: the best head on the left, the runner-up beside it. Framed are the targets of the
# role, the token after the earlier occurrence: in the second half, 19 tokens back.

# %%
examples = interp.load_examples(folder)
induction = assigned[assigned["role"] == "induction"]
heads = list(induction[["layer", "head"]].head(2).itertuples(index=False, name=None))
plots.token_matrices(examples, heads, role="induction")

# %% [markdown]
# The same averaged over a corpus, head by head, is a figure of `experiment=shapes corpus=repeats shapes.reach=60`.

# %% [markdown]
# ## The published scores of the same heads
#
# Papers and libraries score induction differently: over which rows, over which keys, as a mean or a difference.
# `experiment=copying` gives all of them of the same attention, each with its interval, and says where a head is an
# induction head by one (.4 or more) and not by another (`flips`).

# %%
copying = interp.load_runs(run("copying", "experiment=copying", *repeats))
of_induction = copying["copying"].query("role == 'induction'")
best = of_induction.query("layer == @heads[0][0] and head == @heads[0][1]")
best[["definition", "layer", "head", "n", "value", "ci_low", "ci_high"]].round(3)

# %%
threshold = copying["copying_spread"]["threshold"].iloc[0]
plots.score_variants(copying["copying"], threshold)

# %%
spread = copying["copying_spread"].query("role == 'induction'").sort_values("spread", ascending=False)
spread[["layer", "head", "lowest", "lowest_definition", "highest", "highest_definition", "flips"]].head(6).round(3)

# %% [markdown]
# What each score is, to the letter, and who published it:

# %%
cards = interp.definitions().set_index("definition")
cards.loc[list(best["definition"]), ["formula", "source"]].style.set_properties(
    **{"white-space": "normal", "text-align": "left"}
)
