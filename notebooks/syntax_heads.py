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
# # The syntax heads of a sentence encoder
#
# This notebook shows which heads of MiniLM attend along the relations of a treebank, and what has to be subtracted
# before that means anything. Run it with `make notebook`; with `INTERP_TREEBANK=/PATH/FILE.conllu` it reads a
# treebank instead of generated sentences.
#
# On generated sentences intervals and p-values describe the generator, not English: the story is the same, the
# numbers are not. The README has those of the English Web Treebank.

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


def run(name: str, *settings: str) -> Path:
    """The command line, as in a shell; a complete run of the same settings is left as it is."""
    folder = outputs / "notebooks" / name
    command = [sys.executable, "-m", "experiments", *settings, "quiet=true", f"hydra.run.dir={folder}"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    print(done.stderr if done.returncode else done.stdout)
    done.check_returncode()
    return folder


# %% [markdown]
# ## One command: the roles, and the same network with random weights
#
# `experiment=nulls` scores every head on both directions of every relation: once as it is, and once for each null.
# The null here is the same architecture with random weights, one seed of it; a paper would have five.

# %%
treebank = os.environ.get("INTERP_TREEBANK")
corpus = ["corpus=conllu", f"corpus.path={treebank}"] if treebank else ["corpus.documents=320"]
name = f"syntax_heads-{Path(treebank or 'grammar').stem}"
folder = run(name, "experiment=nulls", "null=[random_init]", "null_seeds=1", "roles=syntax", *corpus)

# %%
tables = interp.load_runs(folder)
scores, roles = tables["scores"], tables["roles"]

# %% [markdown]
# ## Lift, not accuracy
#
# A hit is a word whose largest attention is on the right word. English puts subjects and objects at nearly fixed
# places, so the best fixed offset (`baseline`) is right often, too; `lift` is what the head has over it. The head is
# chosen on one half of the source documents, and every number is from the other half.

# %%
best = best_heads(scores)
columns = ["role", "layer", "head", "n", "hit", "baseline", "baseline_name", "lift", "ci_low", "ci_high", "q"]
best.loc[best["p"].notna(), columns].head(12).round(3)

# %% [markdown]
# ## What parts of speech alone would give
#
# The annotation baseline (`guess_pos`) is the best rule that reads gold tags and no model, such as "the nearest verb
# to the left". A head that does not exceed it (`lift_pos`, with its interval) may know no more than parts of speech
# and direction. It decides nothing about whether a head has a role, and everything about what one may say of it.

# %%
columns = ["role", "layer", "head", "hit", "guess_pos", "lift_pos", "lift_pos_low", "lift_pos_high"]
best.loc[best["p"].notna(), columns].head(12).round(3)

# %%
plots.best_heads(scores, roles)

# %% [markdown]
# ## Which heads have a role
#
# Lift of .10 or more on both halves, q of .05 or less over all heads and relations, and more than the held-out half's
# own best baseline. Which relations were too rare to be tested is in the table `power`; they are untestable, not
# absent.

# %%
assigned = roles[roles["role"] != "unclassified"].sort_values("lift", ascending=False)
assigned[["layer", "head", "role", "lift", "ci_low", "ci_high", "q", "lift_pos_low", "stability"]].round(3)

# %%
plots.role_maps(scores, roles)

# %% [markdown]
# ## The same with random weights
#
# The largest lift that a network has that has read nothing. A role that it had, too, would say something of the
# corpus or of the architecture, and nothing of what was learned.

# %%
null = tables["nulls"].query("family == 'all'")
null[["null", "null_seed", "tests", "heads_with_role", "roles", "largest_lift", "largest_role"]].round(3)

# %%
plots.real_against_nulls(tables["null_lifts"])

# %% [markdown]
# ## The card of one head
#
# All that the run says of the head with the largest lift: a column a role. What the numbers mean to the letter is in
# the definitions, whose ids stand in every row.

# %%
head = assigned.iloc[0]
mine = assigned.query("layer == @head.layer and head == @head['head']")
rows = ["definition", "n", "hit", "baseline", "lift", "ci_low", "ci_high", "q", "stability", "detectable"]
rows += ["guess_pos", "lift_pos", "lift_pos_low", "lift_pos_high", "effective_blocks"]
mine.set_index("role")[rows].T

# %%
cards = interp.definitions().set_index("definition")
cards.loc[list(mine["definition"].unique()), ["formula", "exclusions", "baseline", "source"]].T.style.set_properties(
    **{"white-space": "normal", "text-align": "left"}
)

# %% [markdown]
# And the head in one sentence, which is an anecdote, not evidence.

# %%
model = interp.load_model("minilm")
sentence = interp.explain_sentence(model, "The student who read the book praised the teacher.")
plots.attention_arcs(sentence.attention, sentence.words, [(int(head["layer"]), int(head["head"]))])
