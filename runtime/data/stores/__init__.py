"""Where images are stored, and how such a place is read."""
