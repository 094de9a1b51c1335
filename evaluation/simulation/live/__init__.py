"""A simulated link between real programs, which changes while they run."""
