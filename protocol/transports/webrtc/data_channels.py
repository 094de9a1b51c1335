"""Packets over a pair of WebRTC data channels (RFC 8831): one that loses nothing, one that waits for nothing.

A channel that repeats what was lost makes everything behind it wait for 1 to 3 s, which is SCTP's patience. So whatever
the protocol repeats by itself, and sooner, rides on a channel without order and without repetition; the few packets
that are said once ride on the other. To the protocol both together are one transport that loses and reorders: that is
true of nearly every packet, and makes it repair them as over any bad link.
"""

import asyncio
import contextlib
from typing import Any

from layercast_common.errors import DisconnectedError
from protocol.transports.base import Transport
from protocol.transports.receive_queue import ReceiveQueue
from protocol.wire.packets import PacketKind
from protocol.wire.peek import leading_numbers

#: The largest packet, in bytes: what fits into one SCTP chunk and one datagram. One of two is lost twice as often.
MAX_MESSAGE = 1150

#: The channels' numbers, agreed upon beforehand: negotiating them would cost an exchange.
CONTROL, DETAIL = 0, 1

#: Packets that may be under way: more of them in one burst overflow a socket's buffer even within one machine.
MAX_IN_FLIGHT = 64

#: How often a full link is looked at again, in seconds: the library does not tell when a packet has arrived.
LOOK_SECONDS = 0.005

#: How long closing waits for the last packets to arrive, in seconds.
DRAIN_SECONDS = 2.0

#: What the protocol itself repeats, or can do without. Everything else rides on the channel that loses nothing.
_REPEATED = frozenset(
    {
        PacketKind.DATA,
        PacketKind.OFFER,
        PacketKind.ACK,
        PacketKind.WANT,
        PacketKind.PRIO,
        PacketKind.CANCEL,
        PacketKind.PING,
        PacketKind.PONG,
        PacketKind.REPAIR,
    }
)


class DataChannelTransport(Transport):
    """Both channels of one connection.

    Args:
        connection: an `aiortc.RTCPeerConnection` without channels, before its offer or answer is made.
        peer: the far side's network address.
    """

    def __init__(self, connection: Any, peer: str) -> None:
        self.mtu = MAX_MESSAGE
        self.reliable = False
        self.ordered = False
        self.rate_hint = 0.0
        self.peer = peer
        self._connection = connection
        self._inbox = ReceiveQueue(peer)
        self._opened = asyncio.Event()
        self._closing: asyncio.Task[None] | None = None
        self._control = connection.createDataChannel("control", negotiated=True, id=CONTROL)
        self._detail = connection.createDataChannel(
            "detail", negotiated=True, id=DETAIL, ordered=False, maxRetransmits=0
        )
        for channel in (self._control, self._detail):
            channel.on("message", self._take)
            channel.on("open", self._note_open)
            channel.on("close", self._end)
        connection.on("connectionstatechange", self._note_state)

    async def opened(self) -> None:
        """Wait until packets can be sent.

        Raises:
            DisconnectedError: no way to the far side was found.
        """
        await self._opened.wait()
        if self._inbox.ended:
            raise DisconnectedError(f"no way for data to {self.peer} was found")

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        await self._until_in_flight(MAX_IN_FLIGHT - 1)
        if self._inbox.ended:
            raise self._inbox.gone()
        kind = leading_numbers(packet, 1)
        channel = self._detail if kind and kind[0] in _REPEATED else self._control
        channel.send(packet)
        # The library sends in a task of its own; without a turn for it a burst would only pile up.
        await asyncio.sleep(0)

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        return await self._inbox.get()

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`; the last packets arrive first, within reason."""
        del code
        if self._closing is None:
            self._closing = asyncio.create_task(self._close(), name=f"closing the way to {self.peer}")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._opened.is_set() and not self._inbox.ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._until_in_flight(0)
        self._end()
        await self._connection.close()

    async def _until_in_flight(self, packets: int) -> None:
        while self._in_flight() > packets and not self._inbox.ended:  # noqa: ASYNC110 - no event tells of it
            await asyncio.sleep(LOOK_SECONDS)

    def _in_flight(self) -> int:
        sctp = self._connection.sctp
        # The library has no public word for what left and was not confirmed yet.
        return len(sctp._data_channel_queue) + len(sctp._outbound_queue) + len(sctp._sent_queue)  # noqa: SLF001

    def _take(self, message: bytes | str) -> None:
        # Text is no packet of ours; its bytes fail the check and are counted as a bad packet.
        self._inbox.put(message.encode() if isinstance(message, str) else message)

    def _note_open(self) -> None:
        if self._control.readyState == self._detail.readyState == "open":
            self._opened.set()

    def _note_state(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self._end()

    def _end(self) -> None:
        self._inbox.end()
        self._opened.set()
