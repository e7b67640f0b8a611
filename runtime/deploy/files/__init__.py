"""Exported files that compute: opened with suspicion, in a process of their own."""
