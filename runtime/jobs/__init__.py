"""Several workers on one task: who they are, how they are started, and that they live."""
