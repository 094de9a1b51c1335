"""Quality of rendered pictures against their originals, and against other formats of the same size in bytes."""
