"""What every attention head of a pretrained transformer looks at, and whether it matters.

model = interp.load_model("minilm")            # or "small", a directory, a name on the hub
corpus = interp.read_conllu("en_ewt-ud-dev.conllu")
scores = interp.score(model, corpus, roles=interp.roles.syntax())
effects = interp.ablate(model, corpus, replacement="mean")
table = interp.anatomy(model, corpus)          # every head's weights and what it writes
runs = interp.load_runs("outputs/**")          # tables of many runs, stacked
"""

import os
from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from interp import roles as roles
    from interp.api import ablate as ablate
    from interp.api import ablate_sets as ablate_sets
    from interp.api import anatomy as anatomy
    from interp.api import definitions as definitions
    from interp.api import prove as prove
    from interp.api import roles_of as roles_of
    from interp.api import score as score
    from interp.corpora.conllu import read_conllu as read_conllu
    from interp.corpora.drawings import drawings as drawings
    from interp.corpora.grammar import grammar as grammar
    from interp.corpora.minimal_pairs import read_minimal_pairs as read_minimal_pairs
    from interp.corpora.pictures import read_pictures as read_pictures
    from interp.corpora.text import read_text as read_text
    from interp.errors import InterpError as InterpError
    from interp.models.loading import from_bridge as from_bridge
    from interp.models.loading import from_transformers as from_transformers
    from interp.models.loading import load_model as load_model
    from interp.models.torch_modules.model import from_module as from_module
    from interp.models.weights import head_weights as head_weights
    from interp.results import load_runs as load_runs

_HOME = {
    "ablate": "interp.api",
    "ablate_sets": "interp.api",
    "roles_of": "interp.api",
    "prove": "interp.api",
    "anatomy": "interp.api",
    "score": "interp.api",
    "definitions": "interp.api",
    "read_conllu": "interp.corpora.conllu",
    "grammar": "interp.corpora.grammar",
    "read_minimal_pairs": "interp.corpora.minimal_pairs",
    "read_pictures": "interp.corpora.pictures",
    "drawings": "interp.corpora.drawings",
    "read_text": "interp.corpora.text",
    "InterpError": "interp.errors",
    "from_bridge": "interp.models.loading",
    "from_transformers": "interp.models.loading",
    "from_module": "interp.models.torch_modules.model",
    "load_model": "interp.models.loading",
    "head_weights": "interp.models.weights",
    "load_runs": "interp.results",
}

__all__ = [*_HOME, "roles"]  # pyright: ignore[reportUnsupportedDunderAll] - the names are found by __getattr__


# oneDNN keeps the code it compiled for each of the last 1,024 shapes, and a corpus brings new shapes with every batch;
# held between large tensors, they keep the allocator from joining what was freed: 100 MB and more over a treebank
os.environ.setdefault("ONEDNN_PRIMITIVE_CACHE_CAPACITY", "4")
# threads that wait for the next piece of work would otherwise spin: beside another job on the same cores they take the
# time that the others need; read by OpenMP when torch is imported
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")


def __getattr__(name: str) -> Any:
    """Import on first use: torch and TransformerLens take seconds, and a notebook that only draws needs neither."""
    if name == "roles":
        return import_module("interp.roles")
    if name in _HOME:
        return getattr(import_module(_HOME[name]), name)
    raise AttributeError(f"module 'interp' has no attribute {name!r}")


def __dir__() -> list[str]:
    """The public names, for tab completion."""
    return sorted(__all__)
