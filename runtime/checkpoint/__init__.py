"""The checkpoint file."""
