"""Other picture formats: encoders and decoders, and the best that each can do within a number of bytes."""
