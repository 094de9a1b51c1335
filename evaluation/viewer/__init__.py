"""What the live page costs: bytes for a watcher, and the server's time for many."""
