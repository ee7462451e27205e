"""Target models: the built-in networks, the names they go by, and how they are trained."""
