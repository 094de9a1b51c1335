"""Recipes of the small classification networks."""
