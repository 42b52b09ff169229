"""How models are given what they read: text, pictures, targets, drawn tokens."""
