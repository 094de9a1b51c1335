"""Decoded wavelet planes -> pictures, by a small network. Loads torch."""
