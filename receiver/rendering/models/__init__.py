"""Loaded models: parts, schedulers, device and number format. Loads torch."""
