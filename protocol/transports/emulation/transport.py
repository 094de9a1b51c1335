"""A slow link around a fast one: whatever carries the packets, they take the time that the emulated link would.

    send --> [rate, delay, loss] --> inner.send
    recv <-- [rate, delay, loss] <-- inner.recv

Wrapped around one end, it slows both directions. The emulated link takes packets at once and lets none overtake
another, like a socket with a modem behind it: whoever fills it waits behind their own bytes.
"""

import asyncio
import contextlib
import random

from layercast_common.errors import DisconnectedError
from protocol.link_profiles import LinkProfile
from protocol.transports.base import Transport
from protocol.transports.emulation.link_clock import EmulatedPath, LinkClock

#: How long closing waits for packets that still travel, in seconds.
DRAIN_SECONDS = 5.0


class ShapedTransport(Transport):
    """A transport that behaves like a link of the profile.

    Args:
        inner: what carries the packets; closed with this one.
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
        self._sending = asyncio.create_task(self._pump_out(), name=f"shaped link to {inner.peer}")
        self._receiving = asyncio.create_task(self._pump_in(), name=f"shaped link from {inner.peer}")

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        if self._out.closed or self._sending.done() or self._receiving.done():
            raise DisconnectedError(f"the link to {self.peer} is gone")
        await self._out.put(packet)

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        packet = await self._in.get()
        if packet is None:
            raise DisconnectedError(f"the link to {self.peer} is gone")
        return packet

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`; packets that still travel arrive first, within reason."""
        self._out.close()
        try:
            await asyncio.wait([self._sending], timeout=DRAIN_SECONDS)
        finally:
            for task in (self._sending, self._receiving):
                task.cancel()
            await asyncio.gather(self._sending, self._receiving, return_exceptions=True)
            self._in.close()
            await self._inner.close(code)

    async def _pump_out(self) -> None:
        with contextlib.suppress(DisconnectedError):
            while (packet := await self._out.get()) is not None:
                await self._inner.send(packet)

    async def _pump_in(self) -> None:
        try:
            while True:
                await self._in.put(await self._inner.recv())
        except DisconnectedError:
            self._in.close()
