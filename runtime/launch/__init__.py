"""Starting the workers of a distributed job with msrun, and staying with them."""
