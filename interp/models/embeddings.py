"""What stands at the two ends of the residual stream: embeddings of positions and tokens, and the language head."""

from contextlib import ExitStack
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor, nn

from interp.models.attention import AttentionModel
from interp.models.pictures import PictureReader


@torch.inference_mode()
def position_embeddings(model: AttentionModel, length: int) -> Float[Tensor, "pos d_model"] | None:
    """The learned absolute embeddings of the first positions; None in a model that has none (rotary, ALiBi).

    Found by what they do: of all embeddings, those that differ between places that hold the same token. A model of
    pictures has them as they are.
    """
    if isinstance(model.reader, PictureReader):
        return model.reader.position_embeddings()[:length]
    outputs: list[Any] = []
    table = model.network.get_input_embeddings()
    # RoBERTa's family gives padding no position of its own
    filler = next(token for token in range(table.weight.shape[0]) if token not in _padding(model))
    tokens = torch.full((1, length), filler, device=model.device)
    with ExitStack() as stack:
        for module in model.base.modules():
            if isinstance(module, nn.Embedding):
                stack.callback(module.register_forward_hook(lambda _module, _args, out: outputs.append(out)).remove)
        options = {"use_cache": False} if model.causal else {}
        model.base(input_ids=tokens, attention_mask=torch.ones_like(tokens), **options)
    width = model.layers[0].output_weights().shape[-1]
    for output in outputs:
        if output.shape[-2:] == (length, width) and output.numel() == length * width:
            embedded = output.reshape(length, width)
            if not torch.equal(embedded, embedded[:1].expand_as(embedded)):
                return embedded
    return None


@torch.inference_mode()
def from_head_to_embedding(model: AttentionModel) -> Float[Tensor, "d_model d_model"] | None:
    """W_U W_E: what a direction in the residual stream does to the logits, read back by the tokens' embeddings.

    None where there is no such product: without a trained language head, where the head is no single linear map of the
    final hidden states (masked language models transform these first), and where embeddings have another width.
    """
    head, table = model.network.get_output_embeddings(), model.network.get_input_embeddings()
    if not model.has_language_head or not isinstance(head, nn.Linear) or not isinstance(table, nn.Embedding):
        return None
    width = model.layers[0].output_weights().shape[-1]
    if head.weight.shape != table.weight.shape or head.weight.shape[1] != width or not _reads_hidden(model, head):
        return None
    return head.weight.T.float() @ table.weight.float()


def _reads_hidden(model: AttentionModel, head: nn.Module) -> bool:
    """Whether the head is given exactly what the base model gives."""
    given: list[Tensor] = []
    hidden: list[Tensor] = []
    tokens = torch.tensor([[0, 1]], device=model.device)
    with ExitStack() as stack:
        stack.callback(head.register_forward_hook(lambda _module, args, _out: given.append(args[0])).remove)
        stack.callback(model.base.register_forward_hook(lambda _module, _args, out: hidden.append(out[0])).remove)
        model.network(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    return len(given) == 1 and given[0].shape == hidden[0].shape and torch.equal(given[0], hidden[0])


def _padding(model: Any) -> set[int | None]:
    return {model.pad_token, model.network.config.pad_token_id}
