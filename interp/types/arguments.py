"""Whether what a public function is given is a model and a corpus; what is to be done where it is something else."""

import re
from collections.abc import Callable
from pathlib import Path

from torch import nn

from interp.documents import Corpus
from interp.errors import InterpError, ModelError
from interp.types.model import HeadModel

READERS: dict[str, Callable[[str], str]] = {
    ".conllu": lambda path: f"interp.read_conllu({path})",
    ".conllup": lambda path: f"interp.read_conllu({path})",
    ".conll": lambda path: f'interp.read_coreference({path}, format="conll2012")',
    ".tsv": lambda path: f'interp.read_coreference({path}, format="gap")',
    ".jsonl": lambda path: f"interp.read_minimal_pairs({path})",
    ".txt": lambda path: f"interp.read_text({path})",
}
"""What reads a file, by its suffix."""

GENERATORS = ("grammar", "repeats", "reversal", "drawings")
"""Corpora that are generated, by the name that the command line has for them."""


def check_arguments(model: object, corpus: object) -> None:
    """Raises `InterpError`, with what to do, where one of these is no model or no corpus."""
    check_model(model)
    check_corpus(corpus)


def check_corpus(given: object) -> None:
    """Raises `InterpError`, with the call that makes one, for what is no corpus: a text, a path, a list."""
    if isinstance(given, Corpus):
        return
    if isinstance(given, str | Path):
        kind = "a path" if isinstance(given, Path) else "a text"
        raise InterpError(f"{str(given)!r} is {kind}, not a corpus. Read it first: corpus = {_reader(str(given))}.")
    raise InterpError(
        f"{_shown(given)} is no corpus. Read one with interp.read_conllu, interp.read_text or another reader, or make "
        "one of documents: interp.Corpus(name, documents, digest)."
    )


def check_model(given: object) -> None:
    """Raises `ModelError`, with the call that makes one, for what is no model whose heads can be watched."""
    if isinstance(given, HeadModel):
        return
    if isinstance(given, str | Path):
        kind = "a path" if isinstance(given, Path) else "a text"
        raise ModelError(
            f"{str(given)!r} is {kind}, not a model. Load it first: model = interp.load_model({str(given)!r})."
        )
    if isinstance(given, Corpus):
        raise ModelError("A corpus is given where the model belongs. Allowed: the model first, then the corpus.")
    if isinstance(given, nn.Module):
        name = type(given).__name__
        libraries = {base.__module__.partition(".")[0] for base in type(given).__mro__}
        if "transformer_lens" in libraries:
            raise ModelError(
                f"{name} is a bridge of TransformerLens. Wrap it first: model = interp.from_bridge(bridge)."
            )
        if "transformers" in libraries:
            raise ModelError(
                f"{name} is a model of transformers. Wrap it first, with its tokenizer: "
                "model = interp.from_transformers(model, tokenizer)."
            )
        raise ModelError(
            f"{name} is a torch module. Wrap it first, with its tokenizer and how it is called: "
            "model = interp.from_module(module, tokenizer, call)."
        )
    missing = [name for name in _members() if not hasattr(given, name)]
    raise ModelError(
        f"{_shown(given)} is no model: it lacks {', '.join(missing)}. Allowed: what interp.load_model, "
        "interp.from_transformers, interp.from_bridge or interp.from_module gives, and what has all that "
        "interp.types.HeadModel asks for."
    )


def _reader(path: str) -> str:
    """The call that makes a corpus of what a text most likely names."""
    name = Path(path).name.removesuffix(".gz")
    reader = next((READERS[suffix] for suffix in READERS if name.endswith(suffix)), None)
    if reader is not None:
        return reader(repr(path))
    if path in GENERATORS:
        return f"interp.{path}()"
    # of a name without a known end a treebank is as likely as anything
    is_sentence = " " in path.strip() and re.search(r"\.\w+$", path) is None
    return f"interp.sentence({path!r})" if is_sentence else READERS[".conllu"](repr(path))


def _members() -> list[str]:
    """What `HeadModel` asks for."""
    return [*HeadModel.__annotations__, *(name for name, one in vars(HeadModel).items() if _is_public(name, one))]


def _is_public(name: str, one: object) -> bool:
    return callable(one) and not name.startswith("_")


def _shown(given: object) -> str:
    return f"An object of the type {type(given).__name__}" if given is not None else "None"
