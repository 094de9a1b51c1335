"""What commands share that send by way of an outbox."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from layercast.commands.options.peer import shared_key_of, trust_of
from layercast.commands.options.token import token_of

if TYPE_CHECKING:
    from sender.connection.sender import Sender

#: How long finishing what is under way may take once we are told to leave, in seconds.
DRAIN_SECONDS = 15.0


def connector(options: argparse.Namespace) -> "Callable[[bytes, int], Sender]":
    """Makes connections to the receiver that the options name, for a stream's id and epoch.

    Raises:
        UsageError: the options make no sense.
    """
    from protocol.link_profiles import parse_link
    from sender.connection.sender import Sender

    link = parse_link(options.link, options.rate)
    token, trust, shared_key = token_of(options), trust_of(options), shared_key_of(options)

    def connect(stream: bytes, epoch: int) -> Sender:
        return Sender(
            options.to,
            token=token,
            link=link,
            order=options.order,
            ssl=trust,
            ice_servers=options.ice_server,
            shared_key=shared_key,
            stream=stream,
            epoch=epoch,
        )

    # What makes no sense is told now, and not when the first picture is there.
    connect(b"", 0)
    return connect
