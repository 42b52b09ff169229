"""The way into any torch module whose attention is `nn.MultiheadAttention`."""
