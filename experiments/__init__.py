"""Experiments that read like a method section: each runs to tables, draws them, and sums them up."""

from time import perf_counter

BEGAN = perf_counter()
"""When the program began: libraries take seconds to import, and a run counts them."""
