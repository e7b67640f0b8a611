"""What a checkpoint says of single images, and where in them it finds it."""
