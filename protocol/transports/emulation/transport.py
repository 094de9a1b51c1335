"""A transport that emulates a slow link over a fast one.

    send --> [rate, delay, loss] --> inner.send
    recv <-- [rate, delay, loss] <-- inner.recv

Wrapped around one end, it slows both directions. The emulated link accepts packets at once and keeps their order, like
a socket with a modem behind it: later packets wait behind earlier ones.
"""

import asyncio
import contextlib
import logging
import random
from collections.abc import Coroutine
from typing import Any

from layercast_common.errors import DisconnectedError
from layercast_common.tasks import start_task
from protocol.link_profiles import LinkProfile
from protocol.transports.base import Transport
from protocol.transports.emulation.link_clock import EmulatedPath, LinkClock

#: How long closing waits for packets in transit, in seconds.
DRAIN_SECONDS = 5.0

_log = logging.getLogger(__name__)


class ShapedTransport(Transport):
    """A transport that behaves like a link of the profile.

    Args:
        inner: carries the packets; closed with this transport.
        link: rate, delay, packet size and loss of both directions.
        rng: decides which packets are lost.
    """

    def __init__(self, inner: Transport, link: LinkProfile, *, rng: random.Random | None = None) -> None:
        rng = rng or random.Random()
        self.mtu = min(inner.mtu, link.mtu)
        self.reliable = inner.reliable and link.loss == 0
        self.ordered = inner.ordered
        self.one_way = inner.one_way
        self.stream_id = inner.stream_id
        self.rate_hint = link.rate or inner.rate_hint
        self.peer = inner.peer
        self._inner = inner
        self._out = EmulatedPath(LinkClock(link, rng=rng))
        self._in = EmulatedPath(LinkClock(link, rng=rng))
        self._sending = start_task(self._guard(self._pump_out()), name=f"emulated link to {inner.peer}")
        self._receiving = start_task(self._guard(self._pump_in()), name=f"emulated link from {inner.peer}")

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        if self._out.closed or self._sending.done() or self._receiving.done():
            raise DisconnectedError(f"the link to {self.peer} is closed")
        await self._out.put(packet)

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        packet = await self._in.get()
        if packet is None:
            raise DisconnectedError(f"the link to {self.peer} is closed")
        return packet

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`; packets in transit arrive first, for up to `DRAIN_SECONDS`."""
        self._out.close()
        try:
            await asyncio.wait([self._sending], timeout=DRAIN_SECONDS)
        finally:
            for task in (self._sending, self._receiving):
                task.cancel()
            await asyncio.gather(self._sending, self._receiving, return_exceptions=True)
            self._in.close()
            await self._inner.close(code)

    async def _guard(self, pump: Coroutine[Any, Any, None]) -> None:
        """Run a pump; if it fails, log the error and end both directions, so that the owner's calls raise."""
        try:
            with contextlib.suppress(DisconnectedError):
                await pump
        except Exception:
            _log.exception("the emulated link to %s failed", self.peer)
            self._out.close()
            self._in.close()

    async def _pump_out(self) -> None:
        while (packet := await self._out.get()) is not None:
            await self._inner.send(packet)

    async def _pump_in(self) -> None:
        try:
            while True:
                await self._in.put(await self._inner.recv())
        except DisconnectedError:
            self._in.close()
