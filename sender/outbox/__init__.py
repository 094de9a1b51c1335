"""The outbox: pictures on disk until the receiver acknowledges them, and the relay that delivers them."""
