"""The way into a model of transformers, through its own attention interface."""
