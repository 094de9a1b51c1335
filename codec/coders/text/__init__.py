"""The text coder: a prompt as a few dozen bytes."""
