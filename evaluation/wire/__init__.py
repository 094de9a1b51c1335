"""What the wire promises, measured: priority, overhead, memory, many senders, and how soon each layer is there."""
