"""What every component of a language model writes into the residual stream, and how that is read in the end."""

from dataclasses import dataclass
from typing import Protocol, runtime_checkable

from jaxtyping import Float, Int
from torch import Tensor

from interp.types.batch import Batch
from interp.types.model import HeadModel


@dataclass(frozen=True, eq=False)
class FinalNorm:
    """The last norm of a model as it acted on each row: (x − mean x, if centred) · gain ÷ scale + bias.

    With the scale that a row had, it is linear in x: so what each component wrote can be followed through it.
    """

    gain: Float[Tensor, " d_model"]
    bias: Float[Tensor, " d_model"]
    scale: Float[Tensor, " batch"]
    centred: bool

    def read_along(self, direction: Float[Tensor, "batch d_model"]) -> Float[Tensor, "batch d_model"]:
        """The direction before the norm along which it reads this direction after it, bias aside."""
        through = self.gain * direction / self.scale[:, None]
        return through - through.mean(-1, keepdim=True) if self.centred else through


@dataclass(frozen=True, eq=False)
class Written:
    """What was written at one position of each row; all of it, heads through W_O, adds up to `final`."""

    embedding: Float[Tensor, "batch d_model"]
    position: Float[Tensor, "batch d_model"] | None
    """Absolute position embeddings; None where the model has none."""
    z: dict[int, Float[Tensor, "batch head d_head"]]
    """Of each layer."""
    attention_bias: dict[int, Float[Tensor, " d_model"] | None]
    mlp: dict[int, Float[Tensor, "batch d_model"]]
    """What each layer adds beside its attention."""
    final: Float[Tensor, "batch d_model"]
    norm: FinalNorm
    pattern: dict[int, Float[Tensor, "batch head key"]]
    """Where the heads of each layer attend from that position: with `value`, which key brings what of z."""
    value: dict[int, Float[Tensor, "batch head key d_head"]]


@runtime_checkable
class HasStream(HeadModel, Protocol):
    """A causal language model whose residual stream can be taken apart."""

    def written(self, batch: Batch, at: Int[Tensor, " batch"]) -> Written:
        """One forward pass; what every component writes at one position of each row."""
        ...

    def unembedding(self) -> tuple[Float[Tensor, "vocab d_model"], Float[Tensor, " vocab"] | None]:
        """W_U, a row for each token, and its bias."""
        ...
