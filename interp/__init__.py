"""Finds what every attention head of a pretrained transformer attends to, and whether it matters.

model = interp.load_model("minilm")            # or "small", a directory, a name on the hub
corpus = interp.read_conllu("en_ewt-ud-dev.conllu")
scores = interp.score(model, corpus, roles="syntax")
roles = interp.roles_of(model, corpus)         # which roles every head has
effects = interp.ablate(model, corpus, replacement="mean")
table = interp.anatomy(model, corpus)          # every head's weights and what it writes
runs = interp.load_runs("outputs/**")          # tables of many runs, stacked
interp.explain_sentence(model, "The cat saw the dog because it barked.", query="it", candidates=["cat", "dog"])

What there is, by what it gives:
- tables: `score`, `roles_of`, `ablate`, `ablate_sets`, `anatomy`; `definitions` and `columns` say what they mean;
  `explain_sentence` of one sentence; `load_runs` of runs, and `load_examples` the attention that a
  run has kept
- to other tools: `heads_with_role` and `transformer_lens_hook`, heads as TransformerLens has them; `head_cards`, all
  of each head as JSON, and `load_head_cards` of a run; `token_attention` of a text and `kept_attention` of a run in
  viewers, `to_circuitsvis` and `to_bertviz`
- a model: `load_model`, `from_transformers`, `from_bridge`, `from_module`; the examples `planted` and `recurrent`; the
  null model `random_weights`; `prove` checks one, `head_weights` takes a head's own weights out of it
- a corpus read from files: `read_conllu`, `read_coreference`, `read_entities`, `read_minimal_pairs`, `read_pictures`,
  `read_text`; of one `sentence`; or generated: `grammar`, `repeats`, `reversal`, `drawings`
- a corpus of prompts with a right and a wrong answer: `agreement`, `greater_than`, `induction`, `ioi`, `pronoun`,
  `successor`, and `blimp` from a file
- what to ask, as modules: `roles` and `metrics`, whose functions have the names of the command line; figures: `plots`
- to bring one's own: `Corpus`, `Document`, `HeadModel`, `Head`, `Role`, `Metric`; `head_name` and `parse_head` write
  and read a head as `3.1`; every error that a user can mend is an `InterpError`
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp import metrics as metrics
    from interp import plots as plots
    from interp import roles as roles
    from interp.api import ablate as ablate
    from interp.api import ablate_sets as ablate_sets
    from interp.api import anatomy as anatomy
    from interp.api import columns as columns
    from interp.api import definitions as definitions
    from interp.api import prove as prove
    from interp.api import roles_of as roles_of
    from interp.api import score as score
    from interp.corpora.behaviours import agreement as agreement
    from interp.corpora.behaviours import blimp as blimp
    from interp.corpora.behaviours import greater_than as greater_than
    from interp.corpora.behaviours import induction as induction
    from interp.corpora.behaviours import ioi as ioi
    from interp.corpora.behaviours import pronoun as pronoun
    from interp.corpora.behaviours import successor as successor
    from interp.corpora.conllu import read_conllu as read_conllu
    from interp.corpora.coreference import read_coreference as read_coreference
    from interp.corpora.drawings import drawings as drawings
    from interp.corpora.entities import read_entities as read_entities
    from interp.corpora.grammar import grammar as grammar
    from interp.corpora.minimal_pairs import read_minimal_pairs as read_minimal_pairs
    from interp.corpora.pictures import read_pictures as read_pictures
    from interp.corpora.repeats import repeats as repeats
    from interp.corpora.reversal import reversal as reversal
    from interp.corpora.text import read_text as read_text
    from interp.corpora.text import sentence as sentence
    from interp.documents import Corpus as Corpus
    from interp.documents import Document as Document
    from interp.errors import InterpError as InterpError
    from interp.examples import load_examples as load_examples
    from interp.explaining.sentence import explain_sentence as explain_sentence
    from interp.heads import Head as Head
    from interp.heads import head_name as head_name
    from interp.heads import parse_head as parse_head
    from interp.interchange.bertviz import to_bertviz as to_bertviz
    from interp.interchange.circuitsvis import to_circuitsvis as to_circuitsvis
    from interp.interchange.head_cards import head_cards as head_cards
    from interp.interchange.head_cards import load_head_cards as load_head_cards
    from interp.interchange.hook_names import transformer_lens_hook as transformer_lens_hook
    from interp.interchange.reading import token_attention as token_attention
    from interp.interchange.role_lists import heads_with_role as heads_with_role
    from interp.interchange.token_attention import kept_attention as kept_attention
    from interp.models.head_weights import head_weights as head_weights
    from interp.models.loading import from_bridge as from_bridge
    from interp.models.loading import from_transformers as from_transformers
    from interp.models.loading import load_model as load_model
    from interp.models.loading import random_weights as random_weights
    from interp.models.planted import planted as planted
    from interp.models.recurrent import recurrent as recurrent
    from interp.models.torch_modules.model import from_module as from_module
    from interp.results import load_runs as load_runs
    from interp.types.model import HeadModel as HeadModel
    from interp.types.questions import Metric as Metric
    from interp.types.questions import Role as Role

_HOME = {
    "ablate": "interp.api",
    "ablate_sets": "interp.api",
    "roles_of": "interp.api",
    "anatomy": "interp.api",
    "columns": "interp.api",
    "definitions": "interp.api",
    "prove": "interp.api",
    "score": "interp.api",
    "load_examples": "interp.examples",
    "explain_sentence": "interp.explaining.sentence",
    "read_conllu": "interp.corpora.conllu",
    "read_coreference": "interp.corpora.coreference",
    "read_entities": "interp.corpora.entities",
    "read_minimal_pairs": "interp.corpora.minimal_pairs",
    "read_pictures": "interp.corpora.pictures",
    "read_text": "interp.corpora.text",
    "sentence": "interp.corpora.text",
    "grammar": "interp.corpora.grammar",
    "repeats": "interp.corpora.repeats",
    "reversal": "interp.corpora.reversal",
    "drawings": "interp.corpora.drawings",
    "agreement": "interp.corpora.behaviours",
    "blimp": "interp.corpora.behaviours",
    "greater_than": "interp.corpora.behaviours",
    "induction": "interp.corpora.behaviours",
    "ioi": "interp.corpora.behaviours",
    "pronoun": "interp.corpora.behaviours",
    "successor": "interp.corpora.behaviours",
    "Corpus": "interp.documents",
    "Document": "interp.documents",
    "InterpError": "interp.errors",
    "Head": "interp.heads",
    "head_name": "interp.heads",
    "parse_head": "interp.heads",
    "heads_with_role": "interp.interchange.role_lists",
    "transformer_lens_hook": "interp.interchange.hook_names",
    "head_cards": "interp.interchange.head_cards",
    "load_head_cards": "interp.interchange.head_cards",
    "token_attention": "interp.interchange.reading",
    "kept_attention": "interp.interchange.token_attention",
    "to_circuitsvis": "interp.interchange.circuitsvis",
    "to_bertviz": "interp.interchange.bertviz",
    "from_bridge": "interp.models.loading",
    "from_transformers": "interp.models.loading",
    "load_model": "interp.models.loading",
    "random_weights": "interp.models.loading",
    "planted": "interp.models.planted",
    "recurrent": "interp.models.recurrent",
    "from_module": "interp.models.torch_modules.model",
    "head_weights": "interp.models.head_weights",
    "load_runs": "interp.results",
    "HeadModel": "interp.types.model",
    "Metric": "interp.types.questions",
    "Role": "interp.types.questions",
}
_MODULES = ("metrics", "plots", "roles")

__all__ = [*_HOME, *_MODULES]  # pyright: ignore[reportUnsupportedDunderAll] - the names are found by __getattr__


# oneDNN keeps the code it compiled for each of the last 1,024 shapes, and a corpus brings new shapes with every batch;
# held between large tensors, they keep the allocator from joining what was freed: 100 MB and more over a treebank
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4")
# threads that wait for the next piece of work would otherwise spin: beside another job on the same cores they take the
# time that the others need; read by OpenMP when torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    """Import on first use: torch and TransformerLens take seconds, and a notebook that only draws needs neither."""
    if name in _MODULES:
        return import_module(f"interp.{name}")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'interp' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return sorted(__all__)
