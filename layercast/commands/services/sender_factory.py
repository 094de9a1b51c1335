"""Creates senders from command line options."""

import argparse
from collections.abc import Callable
from typing import TYPE_CHECKING

from layercast.commands.options.peer import shared_key_of, trust_of
from layercast.commands.options.token import token_of

if TYPE_CHECKING:
    from sender.connection.options import SenderIdentity
    from sender.connection.sender import Sender


def sender_factory(options: argparse.Namespace) -> "Callable[[SenderIdentity | None], Sender]":
    """Return a function that creates a sender to the receiver in the options, not yet connected, for an identity.

    Raises:
        StorageError: a token, key or certificate file cannot be read.
        UsageError: an option is not valid.
    """
    from protocol.link_profiles import parse_link
    from sender.connection.options import ConnectOptions
    from sender.connection.sender import Sender

    link, token = parse_link(options.link, options.rate), token_of(options)
    connect = ConnectOptions(
        ssl=trust_of(options),
        ice_servers=options.ice_server,
        shared_key=shared_key_of(options),
        proxy=not options.no_proxy,
    )

    def create(identity: "SenderIdentity | None") -> Sender:
        return Sender(options.to, token=token, link=link, order=options.order, identity=identity, connect=connect)

    # Report invalid options now, and not when the first picture is there.
    create(None)
    return create
