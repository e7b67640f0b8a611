"""How fast a model computes in each backend: child processes that compute in turn, and what their times say."""
