"""When a head has a role: how large its lift, how sure, and how much text a test needs at least."""

from dataclasses import dataclass
from typing import Literal, no_type_check

from interp.errors import COUNT, SHARE, require_choice, require_number

Correction = Literal["bh", "max_t"]
"""For the search over heads and roles: the false discovery rate, or the family-wise error."""

CORRECTIONS = ("bh", "max_t")


# the tests' type checks would come before the checks below, and answer in their stead
@no_type_check
@dataclass(frozen=True)
class Criteria:
    """The thresholds of one run. Raises `InterpError` for a value that none can have; the names are `classify.*`'s."""

    margin: float = 0.10
    """Lift over the baseline, per scored query, on both halves."""
    alpha: float = 0.05
    """False discovery rate over all heads and roles or, with `max_t`, family-wise error."""
    correction: Correction = "bh"
    min_queries: int = 50
    """Scored queries in each half."""
    min_blocks: int = 12
    """Non-empty blocks of source documents in each half; also what an interval needs."""
    min_word_mass: float = 0.10
    """Attention on words at all, of roles that are judged by hits."""

    def __post_init__(self) -> None:
        """Checks every value, once, wherever the criteria come from."""
        for name in ("margin", "alpha", "min_word_mass"):
            require_number(f"classify.{name}", getattr(self, name), SHARE)
        for name in ("min_queries", "min_blocks"):
            require_number(f"classify.{name}", getattr(self, name), COUNT)
        require_choice("classify.correction", self.correction, CORRECTIONS)


STANDARD = Criteria()
"""The contract's own."""
