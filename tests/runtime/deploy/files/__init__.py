"""Exported files that compute, sound, foreign and hostile."""
