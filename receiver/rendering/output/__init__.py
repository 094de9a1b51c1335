"""Latents -> frames."""
