"""The edge coder: an edge map as a few hundred bytes."""
