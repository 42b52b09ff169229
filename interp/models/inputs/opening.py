"""The tokenizer or image processor of a network, read from its folder, and the reader that is made of it."""

from typing import Any

import transformers

from interp.models.inputs.pictures import PICTURES, PictureReader
from interp.models.inputs.token_ids import check_counted_from
from interp.models.inputs.tokenizer import TextReader
from interp.models.library_errors import refusing


def tokenizer_or_processor(folder: str, config: Any) -> Any:
    """The tokenizer, or the image processor: PIL's, so that pixels do not depend on what else is installed."""
    if config.model_type in PICTURES:
        return transformers.AutoImageProcessor.from_pretrained(folder, trust_remote_code=False, backend="pil")
    return transformers.AutoTokenizer.from_pretrained(folder, trust_remote_code=False)


def reader_of(model: Any, read_with: Any, name: str) -> TextReader | PictureReader:
    """How this network is given text or pictures. Raises `ModelError` where there is no way."""
    with refusing(
        f"{name!r} ({type(model).__name__}) gives no way to read for it",
        "Allowed: models that can be run on a few tokens.",
    ):
        if model.config.model_type in PICTURES:
            return PictureReader(read_with, model, name)
        check_counted_from(model, name)
        return TextReader(read_with, model, name)
