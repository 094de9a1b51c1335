"""Links, simulators, metrics and baselines: how well it all works."""
