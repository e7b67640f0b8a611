"""Training by MindSpore: one step as one Cell, its optimisers, its collectives."""
