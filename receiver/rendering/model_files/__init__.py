"""Files of models on this machine: the registry, the hub cache, downloads. Loads no torch."""
