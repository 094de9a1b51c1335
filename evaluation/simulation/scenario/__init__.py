"""Scenarios: what to simulate, from TOML files or flags."""
