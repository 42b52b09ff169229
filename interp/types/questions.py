"""What is asked of heads: a role says where one would attend, a metric what the model is good for."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from jaxtyping import Bool, Float, Int
from torch import Tensor

from interp.heads import Site
from interp.types.batch import Batch
from interp.types.model import Expansion
from interp.types.output import Output


@dataclass(frozen=True)
class Role:
    """Where a head with this role would attend. How it is scored belongs to the tally, not to the role.

    `view` says whose attention answers: the query's own over the keys (`rows`), that over the keys that are no special
    tokens (`own`), that of its first token alone (`first`), or what the query gets from each key (`columns`: the
    attention of the keys, down the query's column).
    `sites` are those at which it can be asked; there `targets(batch)` is given the side that asks, at `cross` both. It
    marks the keys that answer each query, over tokens, words or mentions as `unit` says. `baselines` are the
    baselines it is held against, `definition` its id with version. `reflexive`: the query itself may be a target.
    """

    name: str
    family: str
    unit: Literal["token", "word", "mention"]
    statistic: Literal["hit", "mass"]
    definition: str
    baselines: tuple[str, ...]
    targets: Callable[[Batch], Bool[Tensor, "batch query key"]] = field(repr=False)
    reflexive: bool = False
    sites: tuple[Site, ...] = ("self", "encoder", "decoder")
    view: Literal["rows", "own", "columns", "first"] = "rows"


@dataclass(frozen=True, eq=False)
class Metric:
    """A number per document, larger is better, NaN for a document too short to have one.

    `measure(output, batch, intact)` sees the intact model's output too. A metric that is not `signed` measures the size
    of a change and cannot be negative by construction: it has no p-value. `language` metrics need logits, at every
    position or only at those that `positions(batch)` marks. A metric with an `expansion` measures each of its rows, and
    `combine` makes one number of the rows of a document: Float[*, row] → Float[*, document].
    """

    name: str
    signed: bool
    language: bool
    measure: Callable[[Output, Batch, Output], Float[Tensor, " batch"]]
    scored_tokens: Callable[[Batch], Int[Tensor, " batch"]]
    positions: Callable[[Batch], Bool[Tensor, "batch pos"]] | None = None
    expansion: Expansion | None = None
    combine: Callable[[Tensor, Batch], Tensor] | None = None
    direction: Callable[[Output, Batch, Sequence[np.random.Generator]], Float[Tensor, " batch"]] | None = None
    """A random linear view of what is compared with the intact model, one generator a document.

    Half its squared change is, on average and to second order, what the metric loses; none where a gradient tells.
    """
    piecewise: bool = False
    """Whether `measure` also reads logits in pieces (`Output.pieces`), so that those of all variants are never whole.

    The intact model's are whole all the same.
    """
