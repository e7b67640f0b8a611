"""MindSpore, the machine under it and its traps."""
