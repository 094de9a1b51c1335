"""From an address to a transport, by its scheme. A new kind of link is one file with `connect` and `listen`, and its
rows in the table here."""

import importlib
from typing import Protocol, cast

from layercast_common.errors import MissingExtraError, UsageError
from layercast_common.urls import public_url
from protocol.transports.base import DialOptions, Handler, Listener, ListenOptions, Transport


class _Endpoint(Protocol):
    """What the module of a kind of link offers."""

    async def connect(self, url: str, options: DialOptions) -> Transport: ...

    async def listen(self, url: str, handler: Handler, options: ListenOptions) -> Listener: ...


#: Which module speaks a scheme, and the extra of this distribution that it needs besides.
_CARRIERS: dict[str, tuple[str, str | None]] = {
    "ws": ("protocol.transports.websocket", None),
    "wss": ("protocol.transports.websocket", None),
    "webrtc+http": ("protocol.transports.webrtc.endpoint", "webrtc"),
    "webrtc+https": ("protocol.transports.webrtc.endpoint", "webrtc"),
    "mqtt": ("protocol.transports.mqtt.endpoint", "mqtt"),
    "mqtts": ("protocol.transports.mqtt.endpoint", "mqtt"),
}

#: The schemes that can be connected to and listened on.
SCHEMES = tuple(_CARRIERS)


async def open_transport(url: str, options: DialOptions | None = None) -> Transport:
    """Connect to a receiver.

    Args:
        url: its address.
        options: how to connect.

    Raises:
        AuthenticationError: the far side refuses our token, or our user and password.
        ConnectError: nobody answers there, or it is no receiver.
        MissingExtraError: a library for this kind of link is not installed.
        UsageError: the address is not one that we can connect to.
    """
    return await _carrier_of(url).connect(url, options or DialOptions())


async def open_listener(url: str, handler: Handler, options: ListenOptions | None = None) -> Listener:
    """Wait for senders.

    Args:
        url: the address to listen on.
        handler: what to do with each sender.
        options: how to wait.

    Raises:
        AuthenticationError: a broker refuses our user and password.
        ListenError: the address cannot be listened on.
        MissingExtraError: a library for this kind of link is not installed.
        UsageError: the address is not one that we can listen on.
    """
    return await _carrier_of(url).listen(url, handler, options or ListenOptions())


def _carrier_of(url: str) -> _Endpoint:
    scheme, mark, _ = url.partition("://")
    if not mark or scheme not in _CARRIERS:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise UsageError(f"'{public_url(url)}' is not an address that layercast knows; it speaks {known}")
    module, extra = _CARRIERS[scheme]
    try:
        return cast(_Endpoint, importlib.import_module(module))
    except ModuleNotFoundError as error:
        if extra is None:
            raise
        raise MissingExtraError(f"{scheme}://", extra) from error
