"""Latents -> frames: decoding, and fitting to the received edges and colours."""
