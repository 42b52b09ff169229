"""How numbers are said in a run's summary."""

from typing import Any

import pandas as pd


def interval(low: Any, high: Any, digits: int = 2) -> str:
    """` [low, high]`, or nothing where there is no interval."""
    return "" if pd.isna(low) or pd.isna(high) else f" [{low:+.{digits}f}, {high:+.{digits}f}]"
