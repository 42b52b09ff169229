"""Experiments that read like a method section: each runs to tables, draws them, and sums them up."""
