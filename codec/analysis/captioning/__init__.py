"""Captions for pictures without a prompt."""
