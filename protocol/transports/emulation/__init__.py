"""A transport that behaves like a slow, distant or lossy link."""
