"""How heads are ablated: what takes the place of a head's output, on how many documents, and how exactly."""

from dataclasses import dataclass
from typing import Literal, no_type_check

from interp.ablation.estimates import ESTIMATES
from interp.ablation.replacements import Replacement, named
from interp.ablation.sets import HeadSets
from interp.ablation.sweep import ENGINES, PRECISIONS
from interp.errors import COUNT, SHARE, InterpError, require_choice, require_number


# the tests' type checks would come before the checks below, and answer in their stead
@no_type_check
@dataclass(frozen=True)
class Plan:
    """One plan for a whole run; raises `InterpError` for a value that none can have. The names are `ablation.*`'s.

    What depends on the model, such as an engine that it does not offer, is seen when the plan meets it.
    """

    replacement: str | Replacement = "mean"
    """What takes the place of z: `zero`, `mean`, `resample`, `uniform`, or a function of one's own."""
    limit: int | None = None
    """Documents swept, evenly spaced over the corpus; all without it. A replacement measures on the whole corpus."""
    engine: Literal["auto", "fast", "plain"] = "auto"
    precision: Literal["float32", "delta", "bfloat16"] = "float32"
    """`delta`: bfloat16 on the difference from the clean run. Lower ones have their error measured on a sample."""
    until: float | None = None
    """Each head is measured until its interval is narrower than this share of the largest effect."""
    top: int | None = None
    """Heads are measured until so many are settled as the top, at 95 %."""
    margin: float = 0.05
    """… up to this share of the largest effect."""
    estimate: Literal["gate_gradient", "attribution", "gauss_newton"] | None = None
    """From gradients, for all heads at once, in place of a sweep."""
    sample: int = 32
    """Documents that are swept exactly, to hold an estimate or a lower precision against."""
    sets: HeadSets | None = None
    """Heads ablated together, in a table of their own: `layers`, or names with heads."""

    def __post_init__(self) -> None:
        """Checks every value, and that they go together, once, wherever the plan comes from."""
        named(self.replacement)
        require_number("ablation.limit", self.limit, COUNT._replace(null="all documents"))
        require_number("ablation.sample", self.sample, COUNT)
        require_number("ablation.until", self.until, SHARE._replace(above=True, null="no end before the last document"))
        require_number("ablation.top", self.top, COUNT._replace(null="no race"))
        require_number("ablation.margin", self.margin, SHARE)
        require_choice("ablation.engine", self.engine, ENGINES)
        require_choice("ablation.precision", self.precision, PRECISIONS)
        if self.estimate is not None:
            require_choice("ablation.estimate", self.estimate, ("null", *ESTIMATES))
        less = {"until": self.until, "top": self.top, "estimate": self.estimate}
        given = [f"ablation.{setting}={value}" for setting, value in less.items() if value is not None]
        if len(given) > 1:
            raise InterpError(f"{' and '.join(given)} are different ways to need less work. Give one of them.")
        if self.estimate is not None and self.precision != "float32":
            raise InterpError(
                f"ablation.precision={self.precision} is for sweeps, not for ablation.estimate={self.estimate}. "
                "Give one of them."
            )

    @property
    def name(self) -> str:
        """What the column `ablation` says."""
        return named(self.replacement)[0]


MEAN = Plan()
"""The contract's own: mean ablation of every head, on all documents, exactly."""
