"""Recipe of the restoration network."""
