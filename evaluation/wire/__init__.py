"""Measurements of the wire protocol: priority, overhead, memory, concurrency and latency."""
