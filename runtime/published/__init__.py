"""Weights that others publish, by name: listed, fetched when asked, checked and kept as checkpoints of ours."""
