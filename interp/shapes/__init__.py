"""What a head's attention is like whatever it looks at: how spread out, how far, how much the text changes it."""
