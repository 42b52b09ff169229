"""Settings that a configuration takes as they are typed: checked here, in one place, before anything is loaded."""

import math
from collections.abc import Mapping
from typing import Any, NamedTuple

from interp.errors import InterpError, closest
from interp.results import flatten


class _Range(NamedTuple):
    """The numbers that a setting may have; `null`: what null means, where it is allowed as well."""

    whole: bool
    lowest: float
    highest: float = math.inf
    null: str = ""

    def holds(self, value: object) -> bool:
        if value is None:
            return bool(self.null)
        kind = int if self.whole else int | float
        return isinstance(value, kind) and not isinstance(value, bool) and self.lowest <= value <= self.highest

    def __str__(self) -> str:
        number = "a whole number" if self.whole else "a number"
        bounds = f"of {self.lowest} or more" if self.highest == math.inf else f"from {self.lowest} to {self.highest}"
        return f"{number} {bounds}" + (f", or null for {self.null}" if self.null else "")


SEED, SHARE, COUNT = _Range(True, 0, 2**32 - 1), _Range(False, 0, 1), _Range(True, 1)
LIMIT = COUNT._replace(null="all")

NUMBERS = {
    "seed": SEED,
    "model.seed": SEED,
    "corpus.seed": SEED,
    "corpus.documents": COUNT,
    "corpus.limit": LIMIT,
    "corpus.first": LIMIT,
    "ablation.limit": LIMIT,
    "ablation.sample": COUNT,
    "ablation.until": SHARE._replace(null="no end before the last document"),
    "ablation.top": COUNT._replace(null="no race"),
    "ablation.margin": SHARE,
    "pruning.steps": COUNT._replace(lowest=2),
    "pruning.seeds": COUNT,
    "null_seeds": COUNT,
    "planted.seeds": COUNT,
    "random_init.seeds": COUNT,
    "random_init.layers": COUNT._replace(null="all layers"),
    "planted.repeats": COUNT,
    "calibration.relations": COUNT,
    "sensitivity.seeds": COUNT._replace(lowest=0),
    "stability.documents": COUNT,
    "stability.permutations": COUNT,
    "calibration.repeats": COUNT._replace(lowest=2),
    "copying.threshold": SHARE,
    "shapes.reach": COUNT,
    "corpus.length": COUNT._replace(lowest=2),
    "corpus.times": COUNT._replace(lowest=2),
    "classify.margin": SHARE,
    "classify.alpha": SHARE,
    "classify.min_queries": COUNT,
    "classify.min_blocks": COUNT,
    "classify.min_word_mass": SHARE,
}
CHOICES = {
    "model.init": ("pretrained", "random"),
    "classify.correction": ("bh", "max_t"),
    "ablation.engine": ("auto", "fast", "plain"),
    "ablation.precision": ("float32", "delta", "bfloat16"),
    "corpus.multiword": ("first", "last", "content"),
    "ablation.estimate": ("null", "gate_gradient", "attribution", "gauss_newton"),
}
SWITCHES = ("json", "quiet", "corpus.subtypes")
TEXTS = ("device", "dtype", "model.device", "model.dtype", "model.path", "model.name", "corpus.path")
ASKED_OF_A_SENTENCE = {
    "text": "corpus.text",
    "words": "corpus.words",
    "query": "experiment.query",
    "candidates": "experiment.candidates",
}


def check(config: Mapping[str, Any]) -> None:
    """Raises `InterpError` for the first setting of a resolved configuration that has a value it cannot have."""
    flat = flatten(config)
    for key, allowed in NUMBERS.items():
        if key in flat and not allowed.holds(flat[key]):
            raise _refusal(key, flat[key], str(allowed))
    for key, options in CHOICES.items():
        given = "null" if key in flat and flat[key] is None else flat.get(key)
        if key in flat and given not in options:
            raise InterpError(f"{key}={given} is not known. {closest(given, options)}")
    if not isinstance(gate := flat.get("gate", "on"), bool) and gate not in ("on", "off"):
        raise InterpError(f"gate={'null' if gate is None else gate} is not known. {closest(gate, ('on', 'off'))}")
    for key in SWITCHES:
        if key in flat and not isinstance(flat[key], bool):
            raise _refusal(key, flat[key], "true or false")
    for key in TEXTS:
        if key in flat and not isinstance(flat[key], str):
            raise _refusal(key, flat[key], f"a text (in quotes where it looks like a number: {key}=\"'7'\")")
    candidates = flat.get("candidates")
    if not isinstance(candidates, list | None) or any(not isinstance(word, str | int) for word in candidates or ()):
        raise _refusal("candidates", candidates, "words or their numbers in brackets: candidates=[quiz,student]")
    words = flat.get("words")
    if not isinstance(words, str | list | None) or words == [] or any(not isinstance(w, str) for w in words or ()):
        raise _refusal(
            "words", words, "the words of the sentence in brackets or with spaces between them: words=[it,'s]"
        )
    if not isinstance(flat.get("query"), str | int | None):
        raise _refusal("query", flat["query"], "a word of the sentence, or its number from 0")
    if not isinstance(flat.get("model.label"), str | None):
        raise _refusal("model.label", flat["model.label"], "a name (in quotes where it looks like a number), or null")
    if not isinstance(flat.get("pruning.role"), str | None):
        raise _refusal("pruning.role", flat["pruning.role"], "the name of a role, such as obj.to_governor, or null")
    for key, used in ASKED_OF_A_SENTENCE.items():
        if flat.get(key) is not None and used not in flat:
            raise InterpError(f"{key}=… is given, and nothing here reads it. Add experiment=sentence, or leave it out.")


def _refusal(key: str, value: object, allowed: str) -> InterpError:
    return InterpError(f"{key}={'null' if value is None else value} is not allowed. Allowed: {allowed}.")
