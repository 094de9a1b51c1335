"""Recipes of the tables that the coders start from."""
