"""What a run gives to other tools: viewers of attention, lists of heads as TransformerLens has them, cards as JSON."""
