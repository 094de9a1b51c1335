"""Packets in, pictures out.

Where to look, from the wire to the page:

    intake, permissions     listens, lets senders in, runs one connection for each
    session                 the receiver as a whole: starts and stops everything
    pictures, arrival       the pictures under way: what came of each, and what becomes of it
    rendering/              draws them, in a thread or on a cluster
    archive/, files         keeps them on disk, within bounds; replay draws again what was kept
    events, metrics         what is told of all that
    viewer/                 the live page
"""
