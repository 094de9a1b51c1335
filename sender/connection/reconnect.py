"""How a sender comes to its receiver: the first time, and again when the way breaks."""

import asyncio
import contextlib
import random

from layercast_common.errors import ConnectError
from layercast_common.urls import public_url
from protocol.link_profiles import LinkProfile, parse_link
from protocol.transports.addresses import open_transport
from protocol.transports.base import DialOptions, Transport
from protocol.transports.emulation.transport import ShapedTransport
from sender.connection.backoff import Backoff


class Connector:
    """Opens transports to one address.

    Args:
        url: the address.
        options: how to connect.
        link: a link to emulate around the transport, by name or as a profile.
        rate: the most that may be sent, in bit/s; replaces the link's.
        transport: an open transport to use instead, once.
        patience: how long to try to open it again, in seconds.

    Raises:
        UsageError: there is no such link, or the rate makes no sense.
    """

    def __init__(
        self,
        url: str,
        options: DialOptions,
        *,
        link: LinkProfile | str | None,
        rate: float | None,
        transport: Transport | None,
        patience: float,
    ) -> None:
        self._url = url
        self._options = options
        self._profile = link if isinstance(link, LinkProfile) else parse_link(link, rate)
        self._emulates = link is not None
        self._given = transport
        self._patience = 0.0 if transport else patience
        #: The address as it may be shown: without a broker's password.
        self.shown = public_url(url)

    @property
    def comes_back(self) -> bool:
        """Whether a way that breaks is opened again."""
        return self._patience > 0

    async def open(self) -> Transport:
        """Open the transport.

        Raises:
            ConnectError: nobody listens there.
            UsageError: that is no address.
        """
        transport = self._given or await open_transport(self._url, self._options)
        return ShapedTransport(transport, self._profile) if self._emulates and self._profile else transport

    async def open_again(self, unless: asyncio.Event) -> Transport | None:
        """Open it again; None if that did not succeed in time, or nobody wants it any more."""
        loop = asyncio.get_running_loop()
        backoff = Backoff(random.random)
        give_up = loop.time() + self._patience
        while (wait := backoff.next_wait()) < give_up - loop.time():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await unless.wait()
                    return None
            with contextlib.suppress(ConnectError):
                return await self.open()
        return None

    def rate_over(self, transport: Transport) -> float:
        """How fast to send over a transport, in bit/s; 0 if that is to be measured."""
        return self._profile.rate if self._profile else transport.rate_hint
