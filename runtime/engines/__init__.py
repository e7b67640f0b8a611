"""What trains a model: a room for each framework, with nothing of it outside."""
