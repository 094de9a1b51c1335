"""The pictures of a simulation: our streams, the rivals' files, and what every part of them shows."""
