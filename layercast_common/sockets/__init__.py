"""Listening sockets that bound what their peers may hold: caps per address and in all, and descriptors in reserve."""
