"""The run directory, and what a person sees and says while it is written."""
