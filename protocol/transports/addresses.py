"""From an address to a transport, by its scheme. A new kind of link is one file and one row in each function here."""

import ssl as tls
from collections.abc import Sequence

from layercast_errors import UsageError
from protocol.transports.base import Handler, Listener, Transport

#: The schemes that can be connected to and listened on.
SCHEMES = ("ws", "wss")


async def open_transport(url: str, *, ssl: tls.SSLContext | None = None) -> Transport:
    """Connect to a receiver.

    Args:
        url: its address.
        ssl: for secure schemes, which certificates to trust; the system's by default.

    Raises:
        ConnectError: nobody answers there, or it is no receiver.
        UsageError: the address is not one that we can connect to.
    """
    _check_scheme(url)
    from protocol.transports.websocket import connect_websocket

    return await connect_websocket(url, ssl=ssl)


async def open_listener(
    url: str, handler: Handler, *, ssl: tls.SSLContext | None = None, origins: Sequence[str] = ()
) -> Listener:
    """Wait for senders.

    Args:
        url: the address to listen on.
        handler: what to do with each sender.
        ssl: for secure schemes, the certificate to show.
        origins: the web pages that may connect from a browser.

    Raises:
        ListenError: the address cannot be listened on.
        UsageError: the address is not one that we can listen on.
    """
    _check_scheme(url)
    from protocol.transports.websocket import listen_websocket

    return await listen_websocket(url, handler, ssl=ssl, origins=origins)


def _check_scheme(url: str) -> None:
    scheme, _, _ = url.partition("://")
    if scheme not in SCHEMES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise UsageError(f"'{url}' is not an address that layercast knows; it speaks {known}")
