"""The ends of a link through a broker: the sender's, the receiver's, and that of one who only watches."""

import asyncio
import contextlib
import logging
import ssl as tls

from layercast_common.errors import AuthenticationError, ConnectError, DisconnectedError, LayercastError
from layercast_common.urls import Address
from protocol.transports.base import Transport
from protocol.transports.mqtt.broker import Broker, Subscription
from protocol.transports.mqtt.client import LastWill
from protocol.transports.mqtt.topics import RetainedPictures, Topics
from protocol.transports.receive_queue import ReceiveQueue
from protocol.wire.limits import MAX_PACKET, MIN_PACKET
from protocol.wire.packets import PacketKind
from protocol.wire.peek import leading_numbers

#: Pictures of one stream that the broker keeps.
KEPT_PICTURES = 8

#: How long the broker keeps a picture at most, in seconds.
KEPT_SECONDS = 3600

#: How long to wait for word of a receiver, in seconds.
PRESENCE_SECONDS = 5.0

#: How long the last word to the far side may take, in seconds.
FAREWELL_SECONDS = 2.0

#: Silence after which a sender is no longer watched until it is heard of again, in seconds: its name is new whenever it
#: comes back, and it says no farewell to those who watch.
QUIET_SECONDS = 900.0

#: Bytes of a PUBLISH besides packet and topic: headers, lengths and the expiry.
FRAMING = 16

_log = logging.getLogger("protocol.mqtt")


class MqttTransport(Transport):
    """One link through a broker.

    Args:
        broker: the connection to it.
        topics: the stream's.
        link: the link's name.
        peer: the far side's name.
    """

    def __init__(self, broker: Broker, topics: Topics, link: str, peer: str) -> None:
        self.mtu = MAX_PACKET
        self.reliable = False
        self.ordered = False
        self.rate_hint = 0.0
        self.peer = peer
        self.link = link
        self.stream_id = link.encode()
        #: What came on the link's topic, put there by whoever hears of it.
        self.inbox = ReceiveQueue(peer)
        self._broker = broker
        self._topics = topics

    def fit(self) -> None:
        """Keep within what the connected broker takes.

        Raises:
            ConnectError: it takes next to nothing.
        """
        if self._broker.largest_packet is None:
            return
        overhead = FRAMING + len(self._topics.of_picture(self.link, 0xFFFF_FFFF, 99, 9999))
        self.mtu = min(MAX_PACKET, self._broker.largest_packet - overhead)
        if self.mtu < MIN_PACKET:
            raise ConnectError(
                f"the broker takes messages of {self._broker.largest_packet} bytes at most, where layercast needs "
                f"{MIN_PACKET + overhead}; raise its max_packet_size"
            )

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        return await self.inbox.get()

    async def _publish(self, topic: str, packet: bytes, *, careful: bool = False, expiry: int | None = None) -> None:
        self.check_size(packet)
        if self.inbox.ended:
            raise self.inbox.gone()
        try:
            await self._broker.publish(topic, packet, careful=careful, retain=expiry is not None, expiry=expiry)
        except AuthenticationError as error:
            _log.error("%s", error)
            raise DisconnectedError(str(error)) from error

    async def _say_goodbye(self, topic: str) -> None:
        self.inbox.end()
        with contextlib.suppress(TimeoutError, LayercastError):
            async with asyncio.timeout(FAREWELL_SECONDS):
                await self._broker.publish(topic, b"", careful=True)


class MqttSenderTransport(MqttTransport):
    """A sender's end. Has the connection to the broker to itself.

    Args:
        address: the broker's.
        topics: the stream's.
        link: the link's name, unique.
        ssl: as for `Broker`.
        retain: whether pictures are kept by the broker, for those who come later.
        broadcast: whether nobody is expected to answer.
    """

    def __init__(
        self,
        address: Address,
        topics: Topics,
        link: str,
        *,
        ssl: tls.SSLContext | None,
        retain: bool,
        broadcast: bool,
    ) -> None:
        broker = Broker(
            address,
            name=f"layercast-{link}",
            ssl=ssl,
            will=None if broadcast else LastWill(topics.to_receiver(link)),
            subscriptions=[]
            if broadcast
            else [Subscription(topics.receiver), Subscription(topics.to_sender(link), retained=False)],
            on_message=self._hear,
        )
        super().__init__(broker, topics, link, address.host)
        self.one_way = broadcast
        self._retain = retain or broadcast
        self._may_keep = False
        self._shelf = RetainedPictures(KEPT_PICTURES)
        self._receiver = ""
        self._answered = asyncio.Event()
        self._missing: asyncio.TimerHandle | None = None
        self._closed = False

    async def open(self) -> None:
        """Connect to the broker, and find the receiver.

        Raises:
            AuthenticationError: the broker refuses us.
            ConnectError: there is no broker, or no receiver.
        """
        await self._broker.open()
        self.fit()
        if not self.one_way:
            async with asyncio.timeout(PRESENCE_SECONDS):
                await self._answered.wait()

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        kept = self._topics.of_packet(self.link, packet) if self._retain else None
        if kept is not None:
            # Where nobody answers, nobody else clears what is too old.
            for old in self._shelf.note(kept) if self.one_way else ():
                await self._broker.publish(old, b"", retain=True)
            # Nobody would tell that the broker drops pictures; so the first packet asks, and waits for the answer.
            await self._publish(kept, packet, careful=not self._may_keep, expiry=KEPT_SECONDS)
            self._may_keep = True
        elif self.one_way:
            self.check_size(packet)
        else:
            greets = leading_numbers(packet, 1) == (PacketKind.HELLO,)
            await self._publish(self._topics.to_receiver(self.link), packet, careful=greets)

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        del code
        if self._closed:
            return
        self._closed = True
        if self._missing is not None:
            self._missing.cancel()
        if self.one_way or not self._answered.is_set():
            self.inbox.end()
        else:
            await self._say_goodbye(self._topics.to_receiver(self.link))
        await self._broker.close()

    def _hear(self, topic: str, payload: bytes) -> None:
        if topic == self._topics.receiver:
            self._note_receiver(payload.decode("utf-8", "replace"))
        elif payload:
            self.inbox.put(payload)
        else:
            self.inbox.end()

    def _note_receiver(self, name: str) -> None:
        if self._missing is not None:
            self._missing.cancel()
            self._missing = None
        if not name:
            # It may be the farewell of a receiver before ours, which then says at once that it is there.
            self._missing = asyncio.get_running_loop().call_later(PRESENCE_SECONDS, self.inbox.end)
        elif not self._receiver:
            self._receiver = name
            self._answered.set()
        elif name != self._receiver:
            _log.warning("another receiver answers on %s now", self._topics.root)
            self.inbox.end()


class ReceiverLink(MqttTransport):
    """A receiver's end of a link that a sender opened."""

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        await self._publish(self._topics.to_sender(self.link), packet)

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        del code
        if not self.inbox.ended:
            await self._say_goodbye(self._topics.to_sender(self.link))


class MqttBroadcastTransport(MqttTransport):
    """Pictures of one sender that are only read."""

    one_way = True

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        try:
            async with asyncio.timeout(QUIET_SECONDS):
                return await self.inbox.get()
        except TimeoutError:
            self.inbox.end()
            raise self.inbox.gone() from None

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`; nobody would hear it."""
        self.check_size(packet)
        if self.inbox.ended:
            raise self.inbox.gone()

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        del code
        self.inbox.end()
