"""Picture -> layers -> stream, within a budget of bytes."""
