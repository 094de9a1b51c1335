"""One sender, one receiver: connect, send, reconnect, track deliveries."""
