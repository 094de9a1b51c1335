"""The prompt of a picture: where it may be found, and how each program writes it."""
