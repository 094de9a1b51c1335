"""The outbox: pictures stored on disk until the receiver acknowledges them."""
