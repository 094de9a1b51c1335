"""One picture on its way out: fragments, and which of them were sent, lost or acknowledged."""
