"""Quality of a picture against its original: one implementation of every figure, for every measurement."""
