"""Recipes of the codec's tables: the trained statistics that coders start from."""
