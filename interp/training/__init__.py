"""How the project's own small language model is made: `python -m interp.training --out DIR`."""
