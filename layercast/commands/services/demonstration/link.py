"""The demo's emulated link, as visitors of the page change it while pictures travel."""

import contextlib
from collections.abc import AsyncIterator
from dataclasses import replace
from typing import Any
from urllib.parse import urlsplit

from codec.encoder.options import Order
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.live.api import LiveApi
from evaluation.simulation.live.proxy import LiveLink
from layercast_common.errors import UsageError
from protocol.link_profiles import LINKS, LinkProfile
from sender.connection.options import ConnectOptions
from sender.connection.sender import Sender

#: TCP carries pieces of at least so many bytes; smaller ones would only cost time here.
MIN_PIECE = 576

#: How long the sender tries to reconnect, in seconds: visitors may take the link down for as long as they like.
RECONNECT_SECONDS = 24 * 3600.0


class DemoLink:
    """A live link, the sender that is paced to its rate, and the order of the layers.

    Args:
        live: the link.
        api: changes it.
        sender: sends over it.

    Attributes:
        order: the order of the next picture's layers.
    """

    def __init__(self, live: LiveLink, api: LiveApi, sender: Sender) -> None:
        self._live = live
        self._api = api
        self._sender = sender
        self.order: str = Order.PAPER

    def state(self) -> dict[str, Any]:
        """Return the link's values and counters, and the order of layers."""
        return self._api.state() | {"order": self.order, "orders": [str(order) for order in Order]}

    def change(self, changes: Any) -> None:
        """Change the link, or the order of layers.

        Args:
            changes: keys as for `LiveApi.change`, and "order".

        Raises:
            UsageError: a key or value is wrong; nothing changes then.
        """
        order = self.order
        if isinstance(changes, dict) and "order" in changes:
            changes = dict(changes)
            order = changes.pop("order")
            if order not in tuple(Order):
                raise UsageError(f"no order of layers is called {order!r}; there are {', '.join(Order)}")
        rate = self._live.link.mean_rate
        self._api.change(changes)
        self.order = order
        if self._live.link.mean_rate != rate:
            self._sender.limit_rate(self._live.link.mean_rate)

    def cut(self) -> None:
        """Break all connections; the sender reconnects and goes on."""
        self._api.cut()


@contextlib.asynccontextmanager
async def emulated_link(profile: LinkProfile, url: str) -> AsyncIterator[tuple[DemoLink, Sender]]:
    """Connect a sender to a receiver over an emulated link, which can be changed; yields both.

    Args:
        profile: the link at first.
        url: address of the receiver, `ws://`.

    Raises:
        ConnectError: the receiver cannot be reached.
    """
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    link = SimulatedLink.of(profile)
    link = replace(link, mtu=max(link.mtu, MIN_PIECE))
    # The handshake of the WebSocket is not part of the show: the link slows down once the sender is connected.
    fast = replace(SimulatedLink.of(LINKS["fast"]), mtu=link.mtu)
    async with LiveLink(fast, target=(parts.hostname, parts.port), listen=("127.0.0.1", 0)) as live:
        connect = ConnectOptions(reconnect_seconds=RECONNECT_SECONDS, proxy=False)
        async with Sender(f"ws://127.0.0.1:{live.port}", rate=profile.rate or None, connect=connect) as sender:
            live.link = link
            table = {"rate": profile.rate, "delay": profile.delay, "loss": profile.loss, "mtu": link.mtu}
            yield DemoLink(live, LiveApi(live, table), sender), sender
