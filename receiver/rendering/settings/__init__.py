"""A model's settings: numbers and choices that are not in its files. Loads no torch."""
