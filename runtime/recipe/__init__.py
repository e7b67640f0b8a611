"""How a model is trained, as data."""
