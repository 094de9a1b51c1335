"""Opens transports and listeners by the scheme of an address.

A new kind of transport is a module with `connect` and `listen`, and its rows in the table here.
"""

import importlib
from typing import Protocol, cast

from layercast_common.errors import MissingExtraError, UsageError
from layercast_common.urls import public_url
from protocol.transports.base import DialOptions, Handler, Listener, ListenOptions, Transport


class _Endpoint(Protocol):
    """The functions of a transport module."""

    async def connect(self, url: str, options: DialOptions) -> Transport: ...

    async def listen(self, url: str, handler: Handler, options: ListenOptions) -> Listener: ...


#: The module of each scheme, and the extra of this distribution that it needs.
_MODULES: dict[str, tuple[str, str | None]] = {
    "ws": ("protocol.transports.websocket.endpoint", None),
    "wss": ("protocol.transports.websocket.endpoint", None),
    "webrtc+http": ("protocol.transports.webrtc.endpoint", "webrtc"),
    "webrtc+https": ("protocol.transports.webrtc.endpoint", "webrtc"),
    "mqtt": ("protocol.transports.mqtt.endpoint", "mqtt"),
    "mqtts": ("protocol.transports.mqtt.endpoint", "mqtt"),
}

#: The supported schemes.
SCHEMES = tuple(_MODULES)


async def open_transport(url: str, options: DialOptions | None = None) -> Transport:
    """Connect to a receiver.

    Args:
        url: its address.
        options: how to connect.

    Raises:
        AuthenticationError: the receiver refuses the token, or the broker refuses the user and password.
        ConnectError: no receiver answers at the address.
        MissingExtraError: a library for the scheme is not installed.
        UsageError: the address is malformed, or its scheme is unknown.
    """
    return await _endpoint_of(url).connect(url, options or DialOptions())


async def open_listener(url: str, handler: Handler, options: ListenOptions | None = None) -> Listener:
    """Listen for senders.

    Args:
        url: the address to listen on.
        handler: serves each sender.
        options: how to listen.

    Raises:
        AuthenticationError: the broker refuses the user and password.
        ListenError: the address is not available.
        MissingExtraError: a library for the scheme is not installed.
        UsageError: the address is malformed, or its scheme is unknown.
    """
    return await _endpoint_of(url).listen(url, handler, options or ListenOptions())


def _endpoint_of(url: str) -> _Endpoint:
    scheme, mark, _ = url.partition("://")
    if not mark or scheme not in _MODULES:
        known = ", ".join(f"{known}://" for known in SCHEMES)
        raise UsageError(f"'{public_url(url)}' is not an address that layercast supports; the schemes are {known}")
    module, extra = _MODULES[scheme]
    try:
        return cast(_Endpoint, importlib.import_module(module))
    except ModuleNotFoundError as error:
        if extra is None:
            raise
        raise MissingExtraError(f"{scheme}://", extra) from error
