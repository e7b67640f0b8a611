"""The loop, one step of it as a Cell, and the measuring of what came out."""
