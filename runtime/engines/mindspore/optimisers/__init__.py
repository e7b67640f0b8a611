"""Optimisers as Cells, exactly as their papers define them."""
