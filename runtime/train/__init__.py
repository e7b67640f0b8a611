"""What a run is going to do, and the loop that does it; no framework."""
