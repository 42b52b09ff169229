"""Folds over a corpus: attention into sums per head and block, while batches stream by."""
