"""Packets over a pair of WebRTC data channels (RFC 8831), one reliable and one unreliable.

A reliable channel that retransmits blocks everything behind it for 1 to 3 s, SCTP's retransmission timeout. So packets
that the protocol retransmits itself, and sooner, use an unordered channel without retransmission; the few packets that
are sent once use the reliable channel. To the protocol the pair is one transport that loses and reorders packets, which
is true of nearly every packet.
"""

import asyncio
import contextlib

from aiortc import RTCPeerConnection

from layercast_common.errors import DisconnectedError
from layercast_common.tasks import start_task
from protocol.transports.base import Transport
from protocol.transports.receive_queue import ReceiveQueue
from protocol.wire.packets import PacketKind
from protocol.wire.peek import leading_numbers

#: The largest packet, in bytes: it fits into one SCTP chunk and one datagram; two datagrams are lost twice as often.
MAX_MESSAGE = 1150

#: The channels' ids, fixed in advance: negotiating them would cost a round trip.
CONTROL, DETAIL = 0, 1

#: The most packets in flight: a larger burst overflows a socket's buffer even within one machine.
MAX_IN_FLIGHT = 64

#: How often to poll the number of packets in flight, in seconds: the library has no event for it.
POLL_SECONDS = 0.005

#: How long closing waits for packets in flight, in seconds.
DRAIN_SECONDS = 2.0

#: The packets that the protocol retransmits or can do without. All others use the reliable channel.
_UNRELIABLE_KINDS = frozenset(
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
        connection: a connection without channels, before its offer or answer is created.
        peer: the peer's network address.
    """

    def __init__(self, connection: RTCPeerConnection, peer: str) -> None:
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
            channel.on("message", self._on_message)
            channel.on("open", self._on_open)
            channel.on("close", self._end)
        connection.on("connectionstatechange", self._on_state_change)

    async def opened(self) -> None:
        """Wait until packets can be sent.

        Raises:
            DisconnectedError: the two ends found no network path to each other.
        """
        await self._opened.wait()
        if self._inbox.ended:
            raise DisconnectedError(f"no network path to {self.peer} was found")

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        self.check_size(packet)
        await self._wait_in_flight(MAX_IN_FLIGHT - 1)
        if self._inbox.ended:
            raise self._inbox.closed_error()
        kind = leading_numbers(packet, 1)
        channel = self._detail if kind and kind[0] in _UNRELIABLE_KINDS else self._control
        channel.send(packet)
        # The library sends in its own task, which must get a turn during a burst.
        await asyncio.sleep(0)

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        return await self._inbox.get()

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`; packets in flight arrive first, for up to `DRAIN_SECONDS`."""
        del code
        if self._closing is None:
            self._closing = start_task(self._close(), name=f"close of the data channels to {self.peer}")
        await asyncio.shield(self._closing)

    async def _close(self) -> None:
        if self._opened.is_set() and not self._inbox.ended:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(DRAIN_SECONDS):
                    await self._wait_in_flight(0)
        self._end()
        await self._connection.close()

    async def _wait_in_flight(self, packets: int) -> None:
        while self._in_flight() > packets and not self._inbox.ended:  # noqa: ASYNC110 - the library has no event
            await asyncio.sleep(POLL_SECONDS)

    def _in_flight(self) -> int:
        sctp = self._connection.sctp
        assert sctp is not None, "the connection has data channels"
        # The library has no public attribute for unacknowledged data.
        return len(sctp._data_channel_queue) + len(sctp._outbound_queue) + len(sctp._sent_queue)  # noqa: SLF001

    def _on_message(self, message: bytes | str) -> None:
        # A text message is no packet; its bytes fail the check and count as a malformed packet.
        self._inbox.put(message.encode() if isinstance(message, str) else message)

    def _on_open(self) -> None:
        if self._control.readyState == self._detail.readyState == "open":
            self._opened.set()

    def _on_state_change(self) -> None:
        if self._connection.connectionState in ("failed", "closed"):
            self._end()

    def _end(self) -> None:
        self._inbox.end()
        self._opened.set()
