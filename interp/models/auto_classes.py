"""Which class of transformers a network is built with: a language model's where it has one, and kinds refused."""

from typing import Any

import transformers
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES as CAUSAL
from transformers.models.auto.modeling_auto import MODEL_FOR_MASKED_LM_MAPPING_NAMES as MASKED
from transformers.models.auto.modeling_auto import MODEL_FOR_SEQ_TO_SEQ_CAUSAL_LM_MAPPING_NAMES as TRANSLATING
from transformers.models.auto.modeling_auto import MODEL_FOR_TEXT_ENCODING_MAPPING_NAMES as ENCODING

from interp.errors import ModelError, cut, cut_path
from interp.models.checkpoint.in_memory import check_copied
from interp.models.hooking_errors import several_networks
from interp.models.hugging_face import language_head
from interp.models.inputs.pictures import PICTURES
from interp.models.inputs.token_ids import forget_padding_beyond

REFUSED = {
    "deberta": "its attention adds up three products (content and positions), each of which attends elsewhere, so "
    "that a pattern means something else than in all other models. Allowed: BERT, RoBERTa, ELECTRA and their kind.",
}
REFUSED["deberta-v2"] = REFUSED["deberta"]


def check_kind(config: Any, name: str) -> None:
    """Raises `ModelError` for a kind of network that is not supported, and says which are."""
    if config.model_type in REFUSED:
        raise ModelError(f"{name!r} ({cut(config.model_type)}) is not supported: {REFUSED[config.model_type]}")
    if config.model_type in PICTURES:
        return
    if (reason := several_networks(config)) is not None:
        raise ModelError(f"{name!r} ({cut(config.model_type)}) is not supported: {reason}")
    known = TRANSLATING if config.is_encoder_decoder else CAUSAL | MASKED
    if config.model_type not in known and not (encodes_only(config) and config.model_type in ENCODING):
        raise ModelError(
            f"{name!r} ({cut(config.model_type)}) is no language model of transformers. "
            "Allowed: encoder-only, decoder-only and encoder-decoder models of text; "
            f"models of pictures: {', '.join(PICTURES)}."
        )


def auto_class(config: Any) -> Any:
    """The headed class that TransformerLens's adapters expect: causal where the architecture is, masked otherwise.

    Of pictures the base model, and of an encoder alone the encoder.
    """
    if config.model_type in PICTURES:
        return transformers.AutoModel
    if encodes_only(config):
        return transformers.AutoModelForTextEncoding
    if config.is_encoder_decoder:
        return transformers.AutoModelForSeq2SeqLM
    return transformers.AutoModelForCausalLM if _is_causal(config) else transformers.AutoModelForMaskedLM


def _is_causal(config: Any) -> bool:
    named = " ".join(config.architectures or [])
    if config.model_type in MASKED and "CausalLM" not in named and "LMHead" not in named:
        return False
    return config.model_type in CAUSAL


def encodes_only(config: Any) -> bool:
    """Whether it is the encoder alone of an encoder-decoder (T5EncoderModel), which has no language head."""
    kind = config.model_type
    named = ENCODING.get(kind) in (config.architectures or ())
    return kind in TRANSLATING and (named or not (config.is_encoder_decoder or kind in CAUSAL or kind in MASKED))


def encoder_alone(model: Any) -> Any:
    """The same, saying so: umT5's encoder keeps the configuration of the whole."""
    model.config.is_encoder_decoder = False
    return model


def with_language_head(model: Any, name: str) -> tuple[Any, language_head.LanguageHead]:
    """The model itself, if it is a language model; else the same weights under such a class.

    There its head is its own where it has one beside another (BERT's for pretraining), and unused where it has none.
    A model of pictures is read without its head.
    """
    forget_padding_beyond(model.config)
    model.config._attn_implementation = "eager"
    model.config.architectures = [type(model).__name__]
    head = language_head.of_object(model)
    if model.config.model_type in PICTURES:
        return model.base_model, head
    if encodes_only(model.config):
        return encoder_alone(model), head
    if language_head.is_language_model(model):
        return model, head
    headed = auto_class(model.config).from_config(model.config, attn_implementation="eager", dtype=model.dtype)
    of_head = set(language_head.keys(headed))
    check_copied(model.base_model, headed.base_model, name, {key.rpartition(".")[0] for key in of_head})
    report = headed.base_model.load_state_dict(model.base_model.state_dict(), strict=False)
    missing = [key for key in report.missing_keys if key not in of_head]
    if head.trained:
        missing += headed.load_state_dict(model.state_dict(), strict=False).missing_keys
    if missing:
        raise ModelError(
            f"{type(model).__name__} lacks weights of its own architecture: {', '.join(map(cut_path, missing[:3]))}."
        )
    if lost := [key for key in report.unexpected_keys if not key.startswith("pooler.")]:
        raise ModelError(
            f"{name!r} ({type(model).__name__}) has weights that its architecture does not have: "
            f"{', '.join(map(cut_path, lost[:3]))}."
        )
    return headed.to(model.device), head
