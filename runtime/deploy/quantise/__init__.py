"""Static int8: which nodes, on which images, at what loss, and who is to blame for it."""
