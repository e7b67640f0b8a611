"""The hand-written cells that generated source carries with it; never imported, read as text."""
