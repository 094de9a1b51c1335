"""The sending end: the choice of the next packet, and its contents."""
