"""MindCV's training files as recipes."""
