"""What happens to one image between its file and the model."""
