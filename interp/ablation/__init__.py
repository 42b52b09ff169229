"""Ablate heads and measure what the model loses."""
