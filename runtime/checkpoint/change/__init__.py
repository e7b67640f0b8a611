"""Weights for another model than the one they were trained in."""
