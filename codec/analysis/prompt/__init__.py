"""Prompts of pictures: their sources, and the metadata formats of generators."""
