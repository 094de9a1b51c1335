"""Acknowledgement, loss detection, round trips, pacing, windows and forward error correction."""
