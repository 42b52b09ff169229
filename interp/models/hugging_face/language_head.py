"""Whether a model has a language head of its own: what its class's head is for, not which weights are missing.

A head that shares the embedding's weights is never missing from a checkpoint, even where the model was saved without
one; and T5's has no place of its own outside the base model.
"""

from collections.abc import Collection, Iterator, Mapping
from typing import Any, NamedTuple

import torch
import transformers
from torch import nn
from transformers.models.auto import modeling_auto as auto

from interp.errors import cut
from interp.models.dispatching import is_dispatched


class LanguageHead(NamedTuple):
    """Whether there is one that was trained (or, where all weights are random, would be), and by what that is known."""

    trained: bool
    why: str
    sure: bool = True
    """False where nothing says so for certain; then it is taken for none."""

    @property
    def doubts(self) -> dict[str, str]:
        """What the manifest, and the end of a run, say of a language head that is in doubt."""
        return {} if self.sure else {"language_head": self.why}


def _names(*mappings: Mapping[Any, str | Collection[str]]) -> frozenset[str]:
    """Every class that these mappings of transformers name, some of them several for one type of model."""
    named = [name for mapping in mappings for name in mapping.values()]
    return frozenset(one for name in named for one in ([name] if isinstance(name, str) else name))


LANGUAGE = _names(
    auto.MODEL_FOR_CAUSAL_LM_MAPPING_NAMES,
    auto.MODEL_FOR_MASKED_LM_MAPPING_NAMES,
    auto.MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES,
)
"""Classes whose head is for language."""

OLDER = {"T5WithLMHeadModel": "T5ForConditionalGeneration", "BartForMaskedLM": "BartForConditionalGeneration"}
"""Names that classes had in older versions of transformers, and what they are called today."""

HEADLESS = _names(auto.MODEL_MAPPING_NAMES, auto.MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES) - LANGUAGE
"""Classes without a head."""


def is_language_model(model: Any) -> bool:
    """Whether its class, or one that this inherits from, is a language model's."""
    return any(kind.__name__ in LANGUAGE for kind in type(model).__mro__)


def of_object(model: Any) -> LanguageHead:
    """Whether one's own model has one, by its class.

    Classes for pretraining may have one beside another head (BERT's) or none (ELECTRA's): then it is asked for.
    """
    name = type(model).__name__
    if is_language_model(model) or name in HEADLESS:
        return _said(name not in HEADLESS, name)
    return _said(model.get_output_embeddings() is not None, name)


def of_directory(config: Any, network: Any, missing: Collection[str] | None) -> LanguageHead:
    """Whether the model of a directory has one: by the class that its config.json names, as if it were an object.

    `network` is what was built of it; `missing` are the weights it has and the directory lacks, None where all are
    random. Where no class of transformers is named, these decide; where not even they can, it is taken for none.
    """
    named = next((kind.__name__ for name in config.architectures or [] if (kind := class_of(name)) is not None), None)
    absent = sorted(set(missing or ()) & set(keys(network)))
    if named is not None:
        if named in HEADLESS and missing is not None and any(True for _ in keys(network)) and not absent:
            why = (
                f"none: config.json names {named}, which has none. Nothing that {type(network).__name__} has is "
                "missing: if it was trained as one, name that in architectures of config.json"
            )
            return LanguageHead(False, why, sure=False)
        if not _is_for_language(named, config):
            return _said(False, named)
        if absent:
            why = f"none: config.json names {named}, but its weights are not there ({', '.join(absent[:3])})"
            return LanguageHead(False, why, sure=False)
        return _said(True, named)
    listed = ", ".join(map(cut, (config.architectures or [])[:3]))
    given = f"config.json names {listed or 'none'}"
    unclear = f"{given}, which is no class of transformers" if config.architectures else f"{given} in architectures"
    own = set(keys(network)) - set(_shared(network))
    if missing is not None and own and not absent:
        return LanguageHead(True, f"trained: {unclear}, and the directory holds the head's weights", sure=False)
    return LanguageHead(
        False, f"none: {unclear}, and the weights do not tell whether there is a language head", sure=False
    )


def renamed(config: Any, factory: Any) -> dict[str, str] | None:
    """How the weights of the class that a config.json names are called in the class that a factory makes of it.

    None where they are called the same: only some heads for something else have the base model under another name.
    """
    kind: Any = next((found for name in config.architectures or [] if (found := class_of(name)) is not None), None)
    made: Any = factory._model_mapping.get(type(config), None)
    before, after = (getattr(one, "base_model_prefix", "") for one in (kind, made))
    return {rf"^{before}\.": f"{after}."} if before and after and before != after else None


def keys(network: Any) -> Iterator[str]:
    """The names of the weights that only the language head uses."""
    base, prefix = network.base_model, network.base_model_prefix
    if base is not network:
        yield from (name for name in network.state_dict() if not name.startswith(f"{prefix}."))
        return
    head = network.get_output_embeddings()
    for path, module in network.named_modules():
        if head is not None and module is head:
            yield from (f"{path}.{name}" for name in module.state_dict())


def _shared(network: Any) -> Iterator[str]:
    """Those that are the embedding's at the same time."""
    if is_dispatched(network):
        # offloaded weights lie nowhere that could be compared
        yield from {*network.all_tied_weights_keys, *network.all_tied_weights_keys.values()}
        return
    tables = {module.weight.data_ptr() for module in network.modules() if isinstance(module, nn.Embedding)}
    yield from (name for name, value in network.state_dict().items() if value.data_ptr() in tables)


def class_of(name: str) -> type | None:
    """The class of transformers of that name, today's where it is an older one; None where there is none."""
    today = name.removeprefix("TF").removeprefix("Flax").replace("LLaMA", "Llama")
    found = getattr(transformers, OLDER.get(today, today), None) if name.isidentifier() else None
    return found if isinstance(found, type) and issubclass(found, transformers.PreTrainedModel) else None


def _is_for_language(name: str, config: Any) -> bool:
    if name in LANGUAGE or name in HEADLESS:
        return name in LANGUAGE
    kind: Any = class_of(name)
    if kind.config_class is None or not isinstance(config, kind.config_class):
        return False
    with torch.device("meta"):
        return kind(config).get_output_embeddings() is not None


def _said(trained: bool, name: str) -> LanguageHead:
    return LanguageHead(trained, f"trained: {name} has one" if trained else f"none: {name} has none")
