"""A loaded model: its parts, its schedulers, its device. Loads torch."""
