"""A model before it is trusted: the files of its directory, their settings and weights, or the objects in memory."""
