"""Packets and their bytes: MessagePack, limits, codes, checksums and signatures."""
