"""Receives packets, renders pictures.

Modules, in the order in which data passes:

    server, permissions              listen, admit senders, run one connection per sender
    receiver, options, condition     the receiver as a whole: configuration, start, stop
    pipeline, incoming_picture       the pictures in progress: decode, render, archive
    rendering/                       diffusion models, in a thread or on a cluster
    archive/, replay                 pictures on disk within limits; stored streams are rendered at the next start
    events, metrics                  what the application, the viewer and Prometheus see
    viewer/                          the live page
"""
