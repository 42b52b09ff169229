"""How a vision transformer (Dosovitskiy et al. 2021) is given pictures: one token for each patch, [CLS] in front."""

import re
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import torch
from jaxtyping import Float, Int
from torch import Tensor, nn
from transformers.image_processing_utils import BaseImageProcessor

from interp.errors import ModelError
from interp.models.dispatching import device_of
from interp.types import Batch, Encoding, Grid, Picture

PICTURES = ("vit",)
"""The families of transformers that read pictures here, by their `model_type`."""


class PictureReader:
    """What `TextReader` is to a model of text: the names of the patches as tokens, and pixels for the network.

    A token's id is its place: what a patch shows has no name. Raises `ModelError` for what is no image processor, and
    for a model that does not read red, green and blue.
    """

    tokenizer = mask_token = unknown_token = None
    pad_token = 0
    translates = causal = False

    def __init__(self, processor: Any, network: Any, name: str) -> None:
        if not isinstance(processor, BaseImageProcessor):
            raise ModelError(
                f"{name!r} reads pictures, and was given a {type(processor).__name__} to prepare them. Allowed: its "
                "image processor. Load it with transformers' AutoImageProcessor.from_pretrained(DIR)."
            )
        config = network.config
        if config.num_channels != 3:
            raise ModelError(
                f"{name!r} reads pictures of {config.num_channels} channels. Allowed: 3 (red, green and blue)."
            )
        self.processor, self.name = processor, name
        self.size, patch = _pair(config.image_size), _pair(config.patch_size)
        self.grid: Grid = (self.size[0] // patch[0], self.size[1] // patch[1])
        self.positions = 1 + self.grid[0] * self.grid[1]
        self._embeddings: nn.Module = network.base_model.embeddings

    def encode(self, texts: Sequence[str]) -> list[Encoding]:
        """[CLS] and a token for every patch that a text names. Raises `ModelError` where these are not the model's."""
        return [self._encode_one(text) for text in texts]

    def decode(self, tokens: Int[np.ndarray, " pos"]) -> None:  # noqa: ARG002 - asked as of a model of text
        """None: patches spell nothing."""
        return

    def pixels(self, pictures: Sequence[Picture]) -> Float[Tensor, "batch channel height width"]:
        """Resized and normalised as the image processor says. Raises `ModelError` where the network reads other sizes.

        On the CPU, in float32.
        """
        made = self.processor(list(pictures), return_tensors="pt", input_data_format="channels_last")["pixel_values"]
        if made.shape[1:] != (3, *self.size):
            raise ModelError(
                f"The image processor of {self.name!r} gives pictures of {' × '.join(map(str, made.shape[1:]))}, and "
                f"the network reads 3 × {self.size[0]} × {self.size[1]} (channels, height, width). "
                "Mend size in preprocessor_config.json, or image_size in config.json."
            )
        return made

    def inputs(self, batch: Batch) -> dict[str, Any]:
        """What the network is called with."""
        return {"pixel_values": batch.pixels, "attention_mask": batch.mask.long()}

    def call(self, module: Any, inputs: dict[str, Any]) -> Any:
        """What the network makes of these pictures: of their first tokens, where the mask is shorter than a picture.

        So a few patches can be run as a few words of a text are; a whole picture goes through untouched.
        """
        tokens = inputs["attention_mask"].shape[1]
        if tokens == self.positions:
            return module(**inputs)
        handle = self._embeddings.register_forward_hook(lambda _module, _args, embedded: embedded[:, :tokens])
        try:
            return module(**inputs)
        finally:
            handle.remove()

    def probe(self, device: torch.device) -> dict[str, Any]:
        """Two tokens."""
        return self._black(1, 2, device)

    def single_tokens(self, network: Any, rows: int) -> dict[str, Any]:
        """Rows of one token each."""
        return self._black(rows, 1, device_of(network))

    def position_embeddings(self) -> Float[Tensor, "pos d_model"]:
        """What is added to [CLS] and to each patch for its place."""
        return self._embeddings.position_embeddings[0]  # pyright: ignore[reportIndexIssue, reportReturnType] - a parameter

    def _black(self, rows: int, tokens: int, device: torch.device) -> dict[str, Any]:
        mask = torch.ones(rows, tokens, dtype=torch.long, device=device)
        return {"pixel_values": torch.zeros(rows, 3, *self.size, device=device), "attention_mask": mask}

    def _encode_one(self, text: str) -> Encoding:
        named = [match.span() for match in re.finditer(r"\S+", text)]
        if len(named) != self.positions - 1:
            raise ModelError(
                f"{self.name!r} reads pictures of {self.grid[0]} × {self.grid[1]} patches, and was given the text "
                f"{text[:40]!r} of {len(named)} words. Allowed: a corpus of pictures (interp.read_pictures(FOLDER))."
            )
        places = np.arange(self.positions, dtype=np.int32)
        return Encoding(places, np.array([(0, 0), *named], dtype=np.int32), places == 0)


def _pair(size: int | Iterable[int]) -> tuple[int, int]:
    """Height and width, of one number for both or of two."""
    height, width = size if isinstance(size, Iterable) else (size, size)
    return int(height), int(width)
