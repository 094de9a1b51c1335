"""Transports that emulate slow, distant or lossy links."""
