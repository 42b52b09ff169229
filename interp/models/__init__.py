"""Ways into models: each gives a `HeadModel`."""
