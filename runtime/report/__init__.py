"""A run, or several beside each other, as a page and as curves: read from the files that runs left."""
