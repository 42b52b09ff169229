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
# # Bring your own model
#
# This notebook shows how any torch module with `nn.MultiheadAttention` is asked what its heads do, and how one finds
# out that the answer is not what it seems. Run it with `make notebook`; the module is trained here, in a few seconds.

# %%
from dataclasses import asdict

import pandas as pd
import torch
import transformers
from tokenizers import Tokenizer, models, pre_tokenizers
from torch import nn

import interp
from interp import plots
from interp.types import Batch, Output

# %% [markdown]
# ## The module
#
# A causal language model of one's own: words and places, one layer of four heads, and a map back to words. It knows
# nothing of this library.

# %%
WORDS, LENGTH, TIMES, WIDTH = 200, 10, 2, 64
LONGEST = LENGTH * TIMES


class OneLayer(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS + 1, WIDTH)
        self.places = nn.Embedding(LONGEST, WIDTH)
        self.attention = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.next_word = nn.Linear(WIDTH, WORDS + 1)

    def forward(self, tokens: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        size = tokens.shape[1]
        stream = self.words(tokens) + self.places(torch.arange(size))
        later = torch.ones(size, size, dtype=torch.bool).triu(1)
        attended, _ = self.attention(stream, stream, stream, attn_mask=later, need_weights=False)
        return stream + attended, self.next_word(stream + attended)


# %% [markdown]
# It learns to write ten random words, and the same ten again. The first half cannot be known (ln 200 = 5.3 nats a
# word); the second can.

# %%
torch.manual_seed(0)
network, untrained = OneLayer(), OneLayer()
optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
for _ in range(600):
    once = torch.rand(64, WORDS).argsort(1)[:, :LENGTH] + 1  # different words, as in the corpus below
    tokens = once.repeat(1, TIMES)
    _, logits = network(tokens[:, :-1])
    losses = nn.functional.cross_entropy(logits.mT, tokens[:, 1:], reduction="none")
    loss = losses.mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
print(f"first half {losses[:, : LENGTH - 1].mean():.2f} nats a word, second half {losses[:, LENGTH - 1 :].mean():.2f}")

# %% [markdown]
# ## Three things make it a model here
#
# The module, a fast tokenizer of transformers, and how the module is called with a batch. `causal` says that a word
# sees only what is before it, `has_language_head` that its logits were trained.

# %%
words = Tokenizer(models.WordLevel({"[PAD]": 0, **{f"w{n}": n for n in range(1, WORDS + 1)}}, unk_token="[PAD]"))
words.pre_tokenizer = pre_tokenizers.Whitespace()
tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_object=words, pad_token="[PAD]", model_max_length=LONGEST)


def call(module: nn.Module, batch: Batch) -> Output:
    return Output(*module(batch.tokens))


own = {"causal": True, "has_language_head": True}
model = interp.from_module(network, tokenizer, call, name="one-layer", **own)
null = interp.from_module(untrained, tokenizer, call, name="one-layer-untrained", **own)
model

# %% [markdown]
# ## Is what is seen what the module computes?
#
# The correctness gate holds the hooks against the module without them: rows of attention, what each head writes, that
# ablating a head takes away its share and nothing else. A check that fails is an error that names it; one that cannot
# be asked of this model has no `deviation`.

# %%
corpus = interp.repeats(length=LENGTH, times=TIMES, documents=200)
checks = interp.prove(model, corpus)
pd.DataFrame([asdict(check) for check in checks])[["name", "deviation", "allowed"]]

# %% [markdown]
# ## Roles, and the same module untrained
#
# An induction head attends to the token after an earlier occurrence of the same token. (The last of ten queries has
# nothing to write, so where it attends was never trained.)

# %%
columns = ["model", "role", "layer", "head", "n", "mass", "baseline", "lift", "ci_low", "ci_high", "q"]
roles = interp.roles_of(model, corpus, roles="copying")
roles[columns].round(3)

# %%
interp.roles_of(null, corpus, roles="copying")[["model", "layer", "head", "role"]]

# %% [markdown]
# ## What is lost without a head
#
# Effects are in nats per token; positive means that the head helped.

# %%
effects = interp.ablate(model, corpus)
effects[["layer", "head", "metric", "n", "intact", "ablated", "effect", "ci_low", "ci_high"]].round(3)

# %%
plots.effect_map(effects)

# %% [markdown]
# ## Does it look for the word, or for the place?
#
# So far all documents repeat after ten words, so that a head that attends nine words back is right whatever stands
# there. The same model on seven words, and the same seven again:

# %%
other = interp.repeats(length=7, times=TIMES, documents=200)
scores = interp.score(model, other, roles="copying")
on_role = scores.query("role == 'induction' and split == 'confirm'")
on_role[["role", "layer", "head", "n", "mass", "baseline", "lift", "ci_low", "ci_high"]].round(3)

# %% [markdown]
# Heads of one layer cannot know which word came before another one, so these count places: on other documents the
# lift is gone. A role is a claim about a corpus, too; `experiment=sensitivity` asks which roles depend on such a
# choice.
#
# ## A model of transformers
#
# One that is in memory needs no call: `from_transformers` copies it, and finds its layers. This one is untrained, and
# has no role, as it should.

# %%
config = transformers.GPT2Config(
    vocab_size=WORDS + 1, n_layer=2, n_head=2, n_embd=32, n_positions=LONGEST, bos_token_id=0, eos_token_id=0
)
gpt2 = interp.from_transformers(transformers.GPT2LMHeadModel(config), tokenizer, name="my-gpt2")
interp.prove(gpt2, corpus)
interp.roles_of(gpt2, corpus, roles="copying")[["model", "layer", "head", "role"]]

# %% [markdown]
# Modules with several attentions (an encoder, a decoder, cross-attention) say which is which by their names:
# `from_module(…, sites={"look": "cross", "reader.*": "encoder"})`. The worked example is a recurrent network that
# reads words and writes them backwards: `interp.recurrent()`, in `interp/models/recurrent.py`.
