"""Who a sender is to its receivers."""

import argparse

from layercast_common.errors import UsageError


def add_identity(parser: argparse.ArgumentParser) -> None:
    """`--stream`."""
    parser.add_argument(
        "--stream",
        metavar="NAME",
        help="name the stream that the pictures belong to, up to 16 bytes, for receivers that allow a token only "
        "certain streams (default: made up, or the outbox's)",
    )


def stream_of(options: argparse.Namespace) -> bytes | None:
    """The stream's id; None if none was named.

    Raises:
        UsageError: the name is too long, or empty.
    """
    from protocol.wire.limits import MAX_ID

    if options.stream is None:
        return None
    stream: bytes = options.stream.encode("utf-8", "surrogateescape")
    if not 0 < len(stream) <= MAX_ID:
        raise UsageError(f"a stream's name has 1 to {MAX_ID} bytes, not {len(stream)}")
    return stream
