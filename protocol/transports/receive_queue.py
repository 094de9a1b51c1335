"""The received packets of transports that push them, until they are read."""

import asyncio
import logging

from layercast_common.errors import DisconnectedError
from protocol.wire.limits import MAX_PACKET

#: The most unread packets; further ones are dropped, as in any datagram socket.
MAX_UNREAD = 256

_log = logging.getLogger(__name__)


class ReceiveQueue:
    """The unread packets of one peer.

    Args:
        peer: the peer's name, for messages.

    Attributes:
        dropped: packets dropped because the queue was full.
        ended: whether no more packets will arrive.
    """

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._unread: asyncio.Queue[bytes | None] = asyncio.Queue()
        self.dropped = 0
        self.ended = False

    def put(self, packet: bytes) -> None:
        """Add a packet, or drop it if the queue is full."""
        if self.ended:
            return
        if self._unread.qsize() >= MAX_UNREAD:
            self.dropped += 1
            _log.debug("dropped packet %d from %s: the receive queue is full", self.dropped, self._peer)
            return
        # The excess of an oversized message is not needed to refuse it.
        self._unread.put_nowait(packet[: MAX_PACKET + 1])

    def end(self) -> None:
        """Mark the end: `get` returns the queued packets, and then raises."""
        if not self.ended:
            self.ended = True
            self._unread.put_nowait(None)

    async def get(self) -> bytes:
        """Return the next packet.

        Raises:
            DisconnectedError: the connection ended, and every queued packet was returned.
        """
        packet = await self._unread.get()
        if packet is None:
            self._unread.put_nowait(None)
            raise self.closed_error()
        return packet

    def closed_error(self) -> DisconnectedError:
        """Return the error to raise after the end."""
        return DisconnectedError(f"the connection to {self._peer} is closed")
