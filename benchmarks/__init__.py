"""How fast this project does its two pieces of work, next to the usual ways of doing them."""

# sets the environment that torch and its libraries read when they are imported
import interp as interp
