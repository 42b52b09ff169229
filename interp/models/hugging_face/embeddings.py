"""What stands at the two ends of the residual stream: embeddings of positions and tokens, and the language head."""

from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.dispatching import device_of
from interp.models.hugging_face.positions import some_token
from interp.models.inputs.text import inputs_of_tokens


@torch.inference_mode()
def position_embeddings(
    network: Any, base: nn.Module, side: Any, length: int, width: int
) -> Float[Tensor, "pos d_model"] | None:
    """The absolute embeddings, learned or sinusoidal, of one side's first positions; None without any (rotary, ALiBi).

    `side` is the part that reads the tokens: `base` itself, or the encoder or decoder of an encoder-decoder. Found by
    what they do: of all its embeddings, those that differ between places that hold the same token.
    """
    outputs: list[Any] = []
    # RoBERTa's family gives padding no position of its own
    tokens = torch.full((1, length), some_token(network), device=device_of(network))
    inputs = inputs_of_tokens(network.config, tokens)
    if network.config.is_encoder_decoder:
        # the other side need not have room for as many
        other = ("", "decoder_")[side is network.get_encoder()]
        inputs |= {f"{other}{name}": inputs[name][:, :2] for name in ("input_ids", "attention_mask")}
    with ExitStack() as stack:
        for module in side.modules():
            if isinstance(module, nn.Embedding):
                stack.callback(module.register_forward_hook(lambda _module, _args, out: outputs.append(out)).remove)
        base(**inputs)
    for output in outputs:
        if output.shape[-2:] == (length, width) and output.numel() == length * width:
            embedded = output.reshape(length, width)
            if not torch.equal(embedded, embedded[:1].expand_as(embedded)):
                return embedded
    return None


@torch.inference_mode()
def from_head_to_embedding(
    network: Any, last: nn.Module, reads: Any, writes: Any, width: int
) -> Float[Tensor, "d_model d_model"] | None:
    """W_U W_E: what a direction in the residual stream does to the logits, read back by the embeddings of `reads`.

    `writes` is the part whose own tokens the logits are of, and `last` gives its final hidden states. None where there
    is no such product: where the head is no single linear map of these (masked language models transform them first),
    where embeddings have another width, and where `reads` has another table than `writes`, so that a token's number
    need not mean the same to both.
    """
    head, table, written = network.get_output_embeddings(), reads.get_input_embeddings(), writes.get_input_embeddings()
    if not isinstance(head, nn.Linear) or not isinstance(table, nn.Embedding):
        return None
    if table.weight.data_ptr() != written.weight.data_ptr() or head.weight.shape != table.weight.shape:
        return None
    if head.weight.shape[1] != width or not _reads_hidden(network, last, head):
        return None
    return head.weight.T.float() @ table.weight.float()


def _reads_hidden(network: Any, last: nn.Module, head: nn.Module) -> bool:
    """Whether the head is given exactly what `last` gives, or all of it times one positive number (T5)."""
    given: list[Tensor] = []
    hidden: list[Tensor] = []
    tokens = torch.tensor([[0, 1]], device=device_of(network))
    with ExitStack() as stack:
        stack.callback(head.register_forward_hook(lambda _module, args, _out: given.append(args[0])).remove)
        stack.callback(last.register_forward_hook(lambda _module, _args, out: hidden.append(out[0])).remove)
        network(**inputs_of_tokens(network.config, tokens))
    if len(given) != 1 or given[0].shape != hidden[0].shape:
        return False
    factor = given[0].norm() / hidden[0].norm()
    return torch.equal(given[0], hidden[0]) or torch.allclose(given[0], hidden[0] * factor, rtol=1e-3, atol=1e-6)
