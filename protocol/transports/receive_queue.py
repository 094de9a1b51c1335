"""Packets that came by themselves and wait for a reader."""

import asyncio
import logging

from layercast_common.errors import DisconnectedError
from protocol.wire.limits import MAX_PACKET

#: Packets that may wait; what comes beyond is lost, as in any datagram socket.
MAX_UNREAD = 256

_log = logging.getLogger("protocol.transports")


class ReceiveQueue:
    """What came from one peer.

    Args:
        peer: the peer's name, for messages.
    """

    def __init__(self, peer: str) -> None:
        self._peer = peer
        self._unread: asyncio.Queue[bytes | None] = asyncio.Queue()
        #: Packets that came and found no room.
        self.lost = 0
        #: Whether nothing more will come.
        self.ended = False

    def put(self, packet: bytes) -> None:
        """Take a packet in, if there is room for it."""
        if self.ended:
            return
        if self._unread.qsize() >= MAX_UNREAD:
            self.lost += 1
            _log.debug("a packet from %s is lost, the %dth: nobody reads", self._peer, self.lost)
            return
        # What is larger than any packet need not be held whole to be refused.
        self._unread.put_nowait(packet[: MAX_PACKET + 1])

    def end(self) -> None:
        """Nothing more will come."""
        if not self.ended:
            self.ended = True
            self._unread.put_nowait(None)

    async def get(self) -> bytes:
        """The next packet.

        Raises:
            DisconnectedError: nothing more will come, and everything that came was handed out.
        """
        packet = await self._unread.get()
        if packet is None:
            self._unread.put_nowait(None)
            raise self.gone()
        return packet

    def gone(self) -> DisconnectedError:
        """The error that tells of the end."""
        return DisconnectedError(f"the connection to {self._peer} is gone")
