"""Wavelet coefficients of pictures, and partial knowledge of them by bit planes."""
