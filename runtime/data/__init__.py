"""Images with labels, and what training does to them."""
