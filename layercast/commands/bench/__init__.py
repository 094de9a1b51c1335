"""`layercast bench`: measurements, each a module of its name."""
