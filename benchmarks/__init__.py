"""How fast this project does its two pieces of work, next to the usual ways of doing them."""
