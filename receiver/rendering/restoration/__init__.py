"""Restoration of pictures from decoded wavelet planes by a small network. Imports torch."""
