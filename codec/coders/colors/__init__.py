"""The colour coder: a colour map as a few dozen bytes."""
