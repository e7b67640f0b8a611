"""From images to answers: backends that compute logits, and all that is asked of them."""
