"""What a model has to show so that a head's queries, keys and values can be exchanged one by one."""

from typing import Protocol, runtime_checkable

from jaxtyping import Float
from torch import Tensor

from interp.errors import ModelError
from interp.models.head_weights import See
from interp.models.hugging_face.interface import Witness
from interp.types import Batch, CleanRun, HeadModel, Output, Place, Resumable, Scored, Tap


@runtime_checkable
class ShowsIngredients(Resumable, Protocol):
    """A model that shows queries, keys and values of every layer, also where it runs from a layer on."""

    def see_layers(self, batch: Batch, see: See) -> None:
        """One forward pass that gives no logits; `see` is shown what each layer attends with, and gives its z."""
        ...

    def resume(
        self,
        clean: CleanRun,
        place: Place,
        attention_output: Float[Tensor, "variant batch query d_model"],
        *,
        pattern: Tap | None = None,
        z: Tap | None = None,
        logits: Scored = True,
        pieces: bool = False,
        see: Witness | None = None,
    ) -> Output:
        """As `Resumable` has it; `see` is shown what the layers after that place attend with."""
        ...

    def enter(
        self,
        clean: CleanRun,
        place: Place | None,
        added: Float[Tensor, "variant batch pos d_model"],
        *,
        logits: Scored = True,
        see: Witness | None = None,
    ) -> Output:
        """The network from the block of `place` on (None: what follows the last one), with this added to its stream."""
        ...


def shows_ingredients(model: HeadModel, what: str) -> ShowsIngredients:
    """The same model, if it shows queries, keys and values. Raises `ModelError` if not; `what` needs them."""
    if not (isinstance(model, ShowsIngredients) and model.resumable):
        raise ModelError(
            f"{what} exchanges queries, keys and values, which {model.name!r} does not show ({type(model).__name__}). "
            "Allowed for it: experiment=patching with patching.part=z; or model.backend=attention."
        )
    return model
