"""A worked example of bringing one's own model: a recurrent network that attends back through multi-head attention.

It reads words and writes them backwards. A GRU (or torch's own transformer encoder) reads; another GRU writes, and
before every word it attends to what was read through `nn.MultiheadAttention`, whose heads are of the site `cross`. The
last function is all that is needed to see them: the network, a tokenizer, and how the one is called.
"""

from pathlib import Path
from typing import Any

import torch
import transformers
from jaxtyping import Bool, Float, Int
from safetensors.torch import load_file
from torch import Tensor, nn

from interp.devices import pick_device, pick_dtype
from interp.errors import ModelError, closest
from interp.models.checkpoint.files import file_digest
from interp.models.torch_modules.model import MultiheadModel, from_module
from interp.types import Batch, Output

WIDTH, HEADS, POSITIONS = 64, 4, 32

WEIGHTS = Path(__file__).parent / "reversing"
"""Weights that came of `python -m interp.training.recurrent`; its card is the README.md there."""

SHA256 = {
    "gru": "6c452696acb5a65f4b99eb8a3646d9e8be110dbc55cdbadca21071430702bc5a",
    "transformer": "6350befe464da207deca9b16840f9f3d1da87368c2037da8e32f0672e8ed2f25",
}
"""Of the weights there."""

READERS = ("gru", "transformer")


class Recurrent(nn.Module):
    """Reads a source, writes a target, and attends from every word that it writes to all that it read."""

    def __init__(self, vocabulary: int, reader: str) -> None:
        super().__init__()
        self.words = nn.Embedding(vocabulary, WIDTH)
        self.reader = GruReader() if reader == "gru" else TransformerReader()
        self.writer = nn.GRU(WIDTH, WIDTH, batch_first=True)
        self.look = nn.MultiheadAttention(WIDTH, HEADS, batch_first=True)
        self.norm = nn.LayerNorm(WIDTH)
        self.next_word = nn.Linear(WIDTH, vocabulary)

    def forward(
        self,
        source: Int[Tensor, "batch source"],
        there: Bool[Tensor, "batch source"],
        target: Int[Tensor, "batch target"],
    ) -> tuple[Float[Tensor, "batch target width"], Float[Tensor, "batch target vocabulary"]]:
        """Hidden states and the logits of the next word, at every word of the target."""
        read = self.reader(self.words(source), there)
        # the writer begins with what was made of the source's last token
        last = read[torch.arange(len(read)), there.sum(1) - 1]
        states, _ = self.writer(self.words(target), last[None])
        seen, _ = self.look(states, read, read, key_padding_mask=~there, need_weights=False)
        hidden = self.norm(states + seen)
        return hidden, self.next_word(hidden)


class GruReader(nn.Module):
    """Half of every state comes from the words before, half from those after."""

    def __init__(self) -> None:
        super().__init__()
        self.gru = nn.GRU(WIDTH, WIDTH // 2, batch_first=True, bidirectional=True)

    def forward(
        self, words: Float[Tensor, "batch source width"], there: Bool[Tensor, "batch source"]
    ) -> Float[Tensor, "batch source width"]:
        """What is made of each word."""
        # packed, so that padding is never read
        lengths = there.sum(1).cpu()
        packed = nn.utils.rnn.pack_padded_sequence(words, lengths, batch_first=True, enforce_sorted=False)
        read, _ = nn.utils.rnn.pad_packed_sequence(self.gru(packed)[0], batch_first=True, total_length=words.shape[1])
        return read


class TransformerReader(nn.Module):
    """torch's own encoder, two layers; its heads are of the site `encoder`."""

    def __init__(self) -> None:
        super().__init__()
        self.places = nn.Embedding(POSITIONS, WIDTH)
        layer = nn.TransformerEncoderLayer(WIDTH, HEADS, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.layers = nn.TransformerEncoder(layer, 2)

    def forward(
        self, words: Float[Tensor, "batch source width"], there: Bool[Tensor, "batch source"]
    ) -> Float[Tensor, "batch source width"]:
        """What is made of each word."""
        places = self.places(torch.arange(words.shape[1], device=words.device))
        return self.layers(words + places, src_key_padding_mask=~there)


def tokenizer_of(file: Path) -> transformers.PreTrainedTokenizerFast:
    """The tokenizer of this file: words, `</s>` after a text, and `<s>` before what is written."""
    special = {"pad_token": "[PAD]", "unk_token": "[UNK]", "bos_token": "<s>", "eos_token": "</s>"}
    return transformers.PreTrainedTokenizerFast(tokenizer_file=str(file), model_max_length=POSITIONS, **special)


def call(network: Recurrent, batch: Batch) -> Output:
    """The network on a batch: all that `from_module` has to be told of it."""
    if batch.target is None:
        raise ModelError("This model writes, and the batch has no target. Encode the corpus with this model.")
    return Output(*network(batch.tokens, batch.mask, batch.target.tokens))


def wrap(network: Recurrent, tokenizer: Any, name: str, provenance: dict[str, str]) -> MultiheadModel:
    """The network as a model whose heads can be watched."""
    sites = {"look": "cross", "reader.*": "encoder"}
    return from_module(network, tokenizer, call, name=name, sites=sites, has_language_head=True, provenance=provenance)


def recurrent(
    *,
    reader: str = "gru",
    init: str = "pretrained",
    seed: int = 0,
    device: str = "auto",
    dtype: str = "float32",
) -> MultiheadModel:
    """The network that writes words backwards; `reader` is what reads them, `gru` or `transformer`.

    Raises `ModelError` where the weights are not those that came with the project.
    """
    if reader not in READERS:
        raise ModelError(f"model.reader={reader} is not known. {closest(reader, READERS)}")
    if init not in ("pretrained", "random"):
        raise ModelError(f"model.init={init} is not known. {closest(init, ['pretrained', 'random'])}")
    tokenizer = tokenizer_of(WEIGHTS / "tokenizer.json")
    network = fresh(len(tokenizer), reader, seed)
    name, weights = f"recurrent-{reader}", f"random from seed {seed}"
    if init == "pretrained":
        network.load_state_dict(load_file(checked_weights(reader)))
        weights = SHA256[reader]
    else:
        name += "-random"
    return wrap(network.to(pick_device(device), pick_dtype(dtype)), tokenizer, name, {"weights_sha256": weights})


def fresh(vocabulary: int, reader: str, seed: int) -> Recurrent:
    """The network with random weights; torch's global generator is left as it was."""
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(seed)
        return Recurrent(vocabulary, reader)


def checked_weights(reader: str) -> Path:
    """The file of the weights, once it is known to be the one that came with the project."""
    file = WEIGHTS / f"{reader}.safetensors"
    found = file_digest(file) if file.is_file() else "none (there is no such file)"
    if found != SHA256[reader]:
        raise ModelError(
            f"The weights in {file} have sha256 {found}. Allowed: {SHA256[reader]}. "
            "Reinstall the package: pip install --force-reinstall interp."
        )
    return file
