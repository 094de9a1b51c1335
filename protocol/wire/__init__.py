"""Bytes <-> packets: MessagePack, limits, codes, checks and signatures."""
