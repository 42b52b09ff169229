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
# # From a behaviour to its heads
#
# This notebook shows which heads do one thing that a language model can do: what they attend to, what they write, and
# whether the answer needs them. Run it with `make notebook`. With `INTERP_MODEL=smollm2` (after
# `make smollm2`) the behaviour is *ioi*: *When Mary and John went to the store, John gave a drink to* … *Mary*, and it
# takes minutes; without, the project's own small model continues a list of words that began before (*induction*).

# %%
import os
import subprocess
import sys
from pathlib import Path

import interp
from interp import plots

here = Path.cwd()  # the folder of the notebooks, or the clone
outputs = Path(os.environ.get("INTERP_OUTPUTS", (here.parent if here.name == "notebooks" else here) / "outputs"))
model = os.environ.get("INTERP_MODEL", "small")
behaviour = "induction" if model == "small" else "ioi"


def run(experiment: str, *settings: str) -> dict:
    """The tables of a run by the command line; a complete run of the same settings is left as it is."""
    folder = outputs / "notebooks" / f"{experiment}-{behaviour}-{model}"
    asked = [f"experiment={experiment}", f"model={model}", f"behaviour={behaviour}", "behaviour.documents=96"]
    chosen = [*asked, *settings, "quiet=true", f"hydra.run.dir={folder}"]
    done = subprocess.run([sys.executable, "-m", "experiments", *chosen], capture_output=True, text=True, check=False)
    print(done.stderr if done.returncode else done.stdout)
    done.check_returncode()
    return interp.load_runs(folder)


# %% [markdown]
# ## The behaviour, and whether the model has it
#
# Each prompt has a right and a wrong next token, and a corrupted text of as many tokens after which nothing speaks for
# the right one. A behaviour that the model does not have is refused: how it does what it cannot do is not asked.

# %%
written = run("logit_attribution")
written["prompts"][["text", "right", "wrong", "corrupted"]].head(3)

# %%
written["ability"][["text", "metric", "n", "value", "ci_low", "ci_high", "chance"]].round(2)

# %% [markdown]
# ## What writes the answer
#
# The logit difference of right and wrong answer is a sum over all that is written into the residual stream: heads,
# MLPs, embeddings, biases. These add most, or take most, with intervals over templates and words:

# %%
plots.attribution_bars(written["attribution"])

# %% [markdown]
# A head writes because it attends somewhere. Of the head that adds most, by the position that it attends to from the
# last token:

# %%
heads = written["attribution"].query("component == 'head'").sort_values("value", ascending=False)
layer, head = heads[["layer", "head"]].iloc[0]
by_key = written["attribution_by_key"].query("layer == @layer and head == @head")
by_key[["layer", "head", "key", "n", "value", "ci_low", "ci_high"]].round(2)

# %% [markdown]
# ## Whether the answer needs it
#
# Each head in turn gets what it computes on the corrupted text (*noise*: is it needed?), or in the corrupted run what
# it computes on the clean one (*denoise*: is it enough?). The effect is a share of what the corruption takes away.

# %%
patched = run("patching")
plots.patching_bars(patched["patching"])

# %% [markdown]
# A head may write little and still be needed, because another head reads it. These are the heads whose change reaches
# the answer by way of one head's queries, keys or values alone; all other heads are held as they are (path patching).

# %%
receiver = f"L{layer}H{head}"
paths = run("path_patching", f"path_patching.receiver=[output,{receiver}.q,{receiver}.k,{receiver}.v]")
plots.path_bars(paths["paths"])

# %%
largest = paths["paths"].query("receiver != 'output'").sort_values("effect", ascending=False)
largest[["sender", "receiver", "receiver_input", "n", "effect", "ci_low", "ci_high", "q"]].head(4).round(3)

# %% [markdown]
# ## Writing beside causing
#
# The same heads by what they write and by what patching them costs: where the two part, another head stands in, or the
# way leads through later layers.

# %%
columns = ["layer", "head", "effect", "ci_low", "ci_high", "q"]
noise = patched["patching"].query("direction == 'noise'")[columns]
both = heads[["layer", "head", "value"]].merge(noise, on=["layer", "head"])
both.sort_values("effect", ascending=False).head(8).round(3)
