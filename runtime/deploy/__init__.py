"""Exported files: what is written for other runtimes, and how they are opened and measured here."""
