"""Pictures -> layers -> streams, within a byte budget."""
