"""The pictures that the viewer shows, as values: state, encoded images, and what other formats would show."""
