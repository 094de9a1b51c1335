"""Runtimes that may replace plain torch."""
