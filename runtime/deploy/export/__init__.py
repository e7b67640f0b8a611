"""A model as a file for others: made in a hidden place, compared with the NumPy reference, and only then given its name."""
