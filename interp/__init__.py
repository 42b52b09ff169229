"""What every attention head of a pretrained transformer looks at, and whether it matters."""
