"""Packets in, pictures out."""
