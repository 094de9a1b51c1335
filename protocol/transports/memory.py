"""A link inside one process, with configurable rate, delay and loss: for tests and measurements."""

import random

from layercast_common.errors import DisconnectedError
from protocol.link_profiles import LINKS, LinkProfile
from protocol.transports.base import Transport
from protocol.transports.emulation.link_clock import EmulatedPath, LinkClock


class MemoryTransport(Transport):
    """One end of a link; `memory_pair` creates both.

    Args:
        out: carries the packets of this end.
        into: carries the packets of the other end.
        link: the profile of both directions.
        ordered: whether packets keep their order.
    """

    def __init__(self, *, out: EmulatedPath, into: EmulatedPath, link: LinkProfile, ordered: bool) -> None:
        self.mtu = link.mtu
        self.reliable = link.loss == 0
        self.ordered = ordered
        self.rate_hint = link.rate
        self.peer = "memory"
        self._out = out
        self._in = into

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        if self._out.closed:
            raise DisconnectedError("the link is closed")
        await self._out.put(packet)

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        packet = await self._in.get()
        if packet is None:
            raise DisconnectedError("the link is closed")
        return packet

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`; the peer receives the packets in transit first."""
        del code
        self._out.close()
        self._in.close()


def memory_pair(
    link: LinkProfile = LINKS["fast"], *, seed: int = 0, duplicate: float = 0.0, jitter: float = 0.0
) -> tuple[MemoryTransport, MemoryTransport]:
    """Return two connected transports in the running event loop.

    Args:
        link: rate, delay, packet size and loss of both directions.
        seed: decides which packets are lost, duplicated and delayed.
        duplicate: the share of packets that arrive twice, 0 to 1.
        jitter: the largest random extra delay, in seconds; it reorders packets.
    """
    rng = random.Random(seed)
    there, back = (EmulatedPath(LinkClock(link, rng=rng, duplicate=duplicate, jitter=jitter)) for _ in range(2))
    ordered = jitter == 0
    return (
        MemoryTransport(out=there, into=back, link=link, ordered=ordered),
        MemoryTransport(out=back, into=there, link=link, ordered=ordered),
    )
