"""From a model and something small, such as one sentence, to tables that show themselves in a notebook."""
