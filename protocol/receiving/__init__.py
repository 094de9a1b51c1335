"""The receiving end: sessions, reassembly, acknowledgements and requests."""
