"""Captions for pictures that come without a prompt."""
