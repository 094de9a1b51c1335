"""Plane coder: one embedded wavelet code for colours and detail."""
