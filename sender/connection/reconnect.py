"""Opens a sender's transport, and opens it again when the connection breaks."""

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
        options: transport options.
        link: a link to emulate around the transport, by name or as a profile.
        rate: rate limit in bit/s; replaces the link's rate.
        transport: an open transport to use once instead of connecting to `url`.
        reconnect_seconds: how long to try to open the transport again, in seconds.

    Raises:
        UsageError: the link does not exist, or the rate is out of range.
    """

    def __init__(
        self,
        url: str,
        options: DialOptions,
        *,
        link: LinkProfile | str | None,
        rate: float | None,
        transport: Transport | None,
        reconnect_seconds: float,
    ) -> None:
        self._url = url
        self._options = options
        self._profile = link if isinstance(link, LinkProfile) else parse_link(link, rate)
        self._emulates = link is not None
        self._given = transport
        self._reconnect_seconds = 0.0 if transport else reconnect_seconds
        #: The address for logs and error texts: without a broker's password.
        self.shown = public_url(url)

    @property
    def reconnects(self) -> bool:
        """Whether a broken transport is opened again."""
        return self._reconnect_seconds > 0

    async def open(self) -> Transport:
        """Open the transport.

        Raises:
            ConnectError: the receiver cannot be reached.
            UsageError: the address is not valid.
        """
        transport = self._given or await open_transport(self._url, self._options)
        return ShapedTransport(transport, self._profile) if self._emulates and self._profile else transport

    async def reopen(self, closing: asyncio.Event) -> Transport | None:
        """Open the transport again. Return None after `reconnect_seconds` without success, or once `closing` is set.

        Raises:
            UsageError: the address is not valid.
        """
        loop = asyncio.get_running_loop()
        backoff = Backoff(random.random)
        give_up = loop.time() + self._reconnect_seconds
        while (wait := backoff.next_wait()) < give_up - loop.time():
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(wait):
                    await closing.wait()
                    return None
            with contextlib.suppress(ConnectError):
                return await self.open()
        return None

    def limit_rate(self, rate: float) -> None:
        """Replace the configured rate, in bit/s; 0 if it must be measured."""
        self._profile = LinkProfile(name="custom", rate=rate)

    def rate_over(self, transport: Transport) -> float:
        """Return the rate to send at over a transport, in bit/s; 0 if it must be measured."""
        return self._profile.rate if self._profile else transport.rate_hint
