"""Recipes of the small classification networks: the mini captioner, and a judge of objects."""
