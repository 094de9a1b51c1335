"""Option for the stream id of a sender."""

import argparse

from layercast_common.errors import UsageError


def add_identity(parser: argparse.ArgumentParser) -> None:
    """Add `--stream`."""
    parser.add_argument(
        "--stream",
        dest="stream_id",
        metavar="NAME",
        help="name of the stream that the pictures belong to, 1 to 16 bytes; receivers may limit a token to certain "
        "streams (default: the outbox's, or a random one)",
    )


def stream_id_of(options: argparse.Namespace) -> bytes | None:
    """Return the stream id; None if none is given.

    Raises:
        UsageError: the name is empty or too long.
    """
    from protocol.wire.limits import MAX_ID

    if options.stream_id is None:
        return None
    stream_id: bytes = options.stream_id.encode("utf-8", "surrogateescape")
    if not 0 < len(stream_id) <= MAX_ID:
        raise UsageError(f"a stream's name has 1 to {MAX_ID} bytes, not {len(stream_id)}")
    return stream_id
