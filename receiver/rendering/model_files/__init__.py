"""Files of models on this machine: the registry, the hub's cache, downloads. Loads no torch."""
