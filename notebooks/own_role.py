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
# # Bring your own role
#
# This notebook shows how a hypothesis about heads becomes a role with a definition, a baseline, a positive control
# and a null. Run it with `make notebook`; no file is needed.

# %%
from dataclasses import asdict

import pandas as pd
import torch

import interp
from interp import plots
from interp.roles.baselines import WORD_BASELINES
from interp.roles.definition import Definition
from interp.tables.best_heads import best_heads
from interp.types import Batch, Corpus

# %% [markdown]
# ## One function
#
# The hypothesis: some head attends from a determiner to the noun that it announces, the next noun after it. `targets`
# marks, for every document of a batch, the words (keys) that answer each word (query). A query without a target is
# not scored.


# %%
def next_noun(batch: Batch) -> torch.Tensor:
    """From each determiner to the nearest noun after it: document × query × key."""
    is_noun, is_determiner = (batch.tag == batch.tags.index(name) for name in ("NOUN", "DET"))
    place = torch.arange(batch.tag.shape[1], device=batch.tag.device)
    later = is_noun[:, None, :] & (place[None, :] > place[:, None])
    nearest = later & (later.cumsum(-1) == 1)
    return nearest & is_determiner[:, :, None]


# %% [markdown]
# ## Its definition
#
# A role has an id with a version; what is counted under an id never changes. `unit` says what queries and keys are,
# `statistic` how it is judged: a hit is a query whose largest attention is on a target.

# %%
card = Definition(
    id="mine/next-noun@1",
    role="next_noun",
    family="mine",
    unit="word",
    statistic="hit",
    formula="Share of determiners w whose argmax over v of A_w[w, v] is the nearest noun after w.",
    exclusions="Determiners without a noun after them; candidates are the visible words other than w.",
    baseline="The best on the discovery split of: the word at one offset from −10 to +10, the first word, the words "
    "with most tokens.",
    source="This notebook.",
)
role = interp.Role(card.role, card.family, "word", "hit", card.id, WORD_BASELINES, next_noun)
pd.Series(asdict(card)).to_frame("card").style.set_properties(**{"white-space": "normal", "text-align": "left"})

# %% [markdown]
# `baselines` are the rules without a model that the head has to beat: the next word is a noun after most determiners,
# so a head that attends to the next word hits often, and has not this role.

# %% [markdown]
# ## Does it mark what it should?
#
# The first document, and what the role marks there.

# %%
corpus = interp.grammar(600)
document = corpus.documents[0]
batch = Batch.bare(
    torch.zeros(1, len(document.words), dtype=torch.long),
    torch.ones(1, len(document.words), dtype=torch.bool),
    tag=torch.tensor([[corpus.tags.index(tag) for tag in document.tags]]),
    tags=corpus.tags,
)
pairs = next_noun(batch)[0].nonzero().tolist()
pd.DataFrame([(document.words[query], document.words[key]) for query, key in pairs], columns=["from", "to"])

# %% [markdown]
# ## A positive control: a head that has it
#
# `interp.planted` is a transformer with hand-set weights. One of its heads attends from determiners to their nouns;
# others attend to the next word, to the first, or evenly. The method must find this head, and no other.

# %%
planted = interp.planted(kind="encoder")
pd.DataFrame({"head": [head.name for head, _, _ in planted.truth], "planted": [name for _, name, _ in planted.truth]}).T

# %%
columns = ["model", "role", "layer", "head", "n", "hit", "baseline", "lift", "ci_low", "ci_high", "q"]
found = interp.roles_of(planted, corpus, roles=role)
found.loc[found["role"] != "unclassified", columns].round(3)

# %% [markdown]
# The head that attends to the next word has many hits, and no lift:

# %%
control = interp.score(planted, corpus, roles=role)
control = control[control["split"] == "confirm"].sort_values("hit", ascending=False)
control[["layer", "head", "n", "hit", "baseline", "baseline_name", "lift", "ci_low", "ci_high"]].head(4).round(3)

# %% [markdown]
# ## A null: the same network with random weights
#
# Whatever has the role here would have it by the architecture, or by how the role is counted.

# %%
null = interp.roles_of(interp.random_weights(planted, seed=0), corpus, roles=role)
null["role"].value_counts().to_frame("heads")

# %% [markdown]
# ## A real model
#
# Only now a model of which nobody knows the answer. `detectable` is the lift that this corpus could have shown (80 %
# power), so that "no head has it" can be read; `guess_pos` is the best rule of gold parts of speech, which here is
# the role itself: no head can know more than that.

# %%
minilm = interp.load_model("minilm")
scores = interp.score(minilm, corpus, roles=role)
best_heads(scores)[[*columns, "detectable", "guess_pos", "lift_pos"]].round(3)

# %%
roles = interp.roles_of(minilm, corpus, roles=role)
roles.loc[roles["role"] != "unclassified", columns].round(3)

# %%
plots.role_maps(scores, roles)

# %% [markdown]
# ## From the command line
#
# In a file on the Python path the function is a family of roles, after three lines of settings: `CONTRIBUTING.md`,
# "Your own package".


# %%
def roles_of_mine(corpus: Corpus) -> tuple[interp.Role, ...]:
    """What a yaml file names under `_target_`: the roles that a corpus can be asked."""
    return (role,) if corpus.tags else ()


[one.name for one in roles_of_mine(corpus)]
