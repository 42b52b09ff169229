"""Where a network gives NaN or ∞: the document, the layer and the heads are named, and nothing is summed.

The correctness gate reads a few short documents. A token that none of them holds may have an embedding that is not
finite, and a long document may overflow in half precision.
"""

from collections.abc import Sequence

from jaxtyping import Bool, Float
from torch import Tensor

from interp.errors import ModelError
from interp.types import Batch, Head, HeadModel, HeadOutput, Metric, Output, Site

WHAT_TO_DO = (
    "The weights hold NaN or ∞ (such as the embedding of a token that only some documents have), or half precision "
    "overflows. Mend the weights, take dtype=float32, or leave the document out."
)
LONGEST = 60
"""Characters of a document that are shown."""


def finite_attention(
    model: HeadModel,
    batch: Batch,
    visible: Bool[Tensor, "batch query key"],
    site: Site,
    layer: int,
    first: int,
    pattern: Float[Tensor, "batch head shown attended"],
    query: int = 0,
    *,
    by_softmax: bool = False,
) -> Float[Tensor, "batch head shown attended"]:
    """The same attention, if that of every query that is no padding and sees any key is finite.

    It is that of some queries, from `query` on. `by_softmax` promises that a row is finite as a whole or nowhere.

    What is attended to may be more than the keys that are tokens (`interp.types.HasSinks`).

    Other rows, such as those of padding, are made zero where they are not finite. Raises `ModelError` that names
    document, layer and heads.
    """
    is_finite = (pattern[..., 0] if by_softmax else pattern.sum(-1)).isfinite()
    if is_finite.all():
        return pattern
    shown = slice(query, query + pattern.shape[2])
    query_side = batch.query_side(site).mask[:, shown] & visible[:, shown].any(-1)
    found = (~is_finite & query_side[:, None]).any(-1)
    if found.any():
        raise _refusal(model, batch, f"Attention {_at(site, layer, first, found)}", found.any(1))
    return pattern.masked_fill(~is_finite[..., None], 0.0)


def finite_z(model: HeadModel, batch: Batch, site: Site, layer: int, z: HeadOutput) -> HeadOutput:
    """The same, if what heads write at every token that is no padding is finite; at padding it is made zero elsewhere.

    Raises `ModelError` that names document, layer and heads.
    """
    if z.sum(-1).isfinite().all():
        return z
    mask = batch.query_side(site).mask
    found = _not_finite(z, mask)
    if found.any():
        raise _refusal(model, batch, f"What heads write {_at(site, layer, 0, found)}", found.any(1))
    return z.masked_fill(~mask[:, :, None, None], 0.0)


def insist_on_finite_values(
    model: HeadModel,
    rows: Batch,
    metrics: Sequence[Metric],
    sets: Sequence[Sequence[Head]],
    before: Float[Tensor, "metric row"],
    after: Float[Tensor, "metric set row"],
) -> None:
    """Of metrics of these rows: those of the intact model, and with each set of heads ablated.

    A row may have no value (NaN) with the intact model, if what the network made of it is finite: it is too short.
    Raises `ModelError` for any other number that is not finite, with the document, and the layer and heads where the
    intact network has the first, or the heads without which it has one.
    """
    if before.isfinite().all() and after.isfinite().all():
        return
    known = before.isfinite()
    if not known.all():
        language = any(metric.language for metric, of_metric in zip(metrics, known, strict=True) if not of_metric.all())
        broken = (~known).any(0) & (_is_broken(model.run(rows, logits=language), rows) | before.isinf().any(0))
        if broken.any():
            raise _first_refusal(model, rows, broken)
    lost = ~after.isfinite() & known[:, None]
    if lost.any():
        metric, number, _ = (int(place) for place in lost.nonzero()[0])
        without = ", ".join(head.name for head in sets[number])
        raise _refusal(model, rows, f"{metrics[metric].name} without the heads {without}", lost[metric, number])


def _is_broken(output: Output, rows: Batch) -> Bool[Tensor, " row"]:
    """The rows of which the network makes what is not finite; −∞ is a logit like any other of what can never come."""
    mask = rows.written.mask
    broken = (~output.hidden.isfinite()).any(-1) & mask
    if output.logits is not None:
        at = mask if output.at is None else output.at
        logits = output.logits[mask] if output.at is None else output.logits
        broken = broken.masked_scatter(at, broken[at] | logits.isnan().any(-1))
    return broken.any(-1)


def _first_refusal(model: HeadModel, rows: Batch, broken: Bool[Tensor, " row"]) -> ModelError:
    """Looks once more at every layer, for the first whose attention or output is not finite in a broken row."""
    found: list[ModelError] = []

    def look(what: str, site: Site, layer: int, heads: Bool[Tensor, "row head"]) -> None:
        heads = heads & broken[:, None]
        if heads.any() and not found:
            found.append(_refusal(model, rows, f"{what} {_at(site, layer, 0, heads)}", heads.any(1)))

    def pattern(site: Site, layer: int, activation: Tensor) -> None:
        real = rows.query_side(site).mask
        look("Attention", site, layer, (~activation.sum(-1).isfinite() & real[:, None]).any(-1))

    def z(site: Site, layer: int, activation: Tensor) -> None:
        look("What heads write", site, layer, _not_finite(activation, rows.query_side(site).mask))

    model.run(rows, pattern=pattern, z=z, logits=False)
    after = "The output after the last layer (all heads' attention is finite)"
    return found[0] if found else _refusal(model, rows, after, broken)


def _not_finite(z: HeadOutput, mask: Bool[Tensor, "batch query"]) -> Bool[Tensor, "batch head"]:
    return (~z.sum(-1).isfinite() & mask[..., None]).any(1)


def _refusal(model: HeadModel, batch: Batch, what: str, rows: Bool[Tensor, " batch"]) -> ModelError:
    row = int(rows.nonzero()[0])
    more = f" and in {int(rows.sum()) - 1} more of the same batch" if rows.sum() > 1 else ""
    document = f"document {int(batch.document[row])} of the corpus (counted from 0){_beginning(model, batch, row)}"
    return ModelError(f"{what} of {model.name!r} is not finite (NaN or ∞) in {document}{more}. {WHAT_TO_DO}")


def _beginning(model: HeadModel, batch: Batch, row: int) -> str:
    decode = getattr(model, "decode", None)
    own = batch.tokens[row][batch.mask[row] & ~batch.special[row]].cpu().numpy()
    text = decode(own) if decode is not None else None
    if not text:
        return ""
    text = " ".join(text.split())
    return f", {text if len(text) <= LONGEST else text[: LONGEST - 1] + '…'!r}"


def _at(site: Site, layer: int, first: int, found: Bool[Tensor, "batch head"]) -> str:
    heads = (found.any(0).nonzero()[:, 0] + first).tolist()
    listed = ", ".join(map(str, heads[:4])) + (f" and {len(heads) - 4} more" if len(heads) > 4 else "")
    return f"in {_of(site)}layer {layer}, head{'s' if len(heads) > 1 else ''} {listed}"


def _of(site: str) -> str:
    return "" if site == "self" else f"{site} "
