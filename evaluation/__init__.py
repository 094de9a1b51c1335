"""Benchmarks: codec, protocol, rendering, and the pictures that result."""
