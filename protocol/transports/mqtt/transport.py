"""The ends of a link over a broker: sender, receiver and watcher."""

import asyncio
import contextlib
import logging
import ssl as tls

from layercast_common.errors import AuthenticationError, ConnectError, DisconnectedError, LayercastError
from layercast_common.urls import Address
from protocol.transports.base import Transport
from protocol.transports.mqtt.broker import Broker, BrokerCallbacks
from protocol.transports.mqtt.client import LastWill, Subscription
from protocol.transports.mqtt.topics import FRAMING, RetainedPictures, Topics
from protocol.transports.receive_queue import ReceiveQueue
from protocol.wire.limits import MAX_PACKET, MIN_PACKET
from protocol.wire.packets import PacketKind
from protocol.wire.peek import leading_numbers

#: How many pictures of one stream the broker retains.
KEPT_PICTURES = 8

#: How long the broker retains a picture, in seconds.
KEPT_SECONDS = 3600

#: How long to wait for the name of a receiver, in seconds.
PRESENCE_SECONDS = 5.0

#: How long publishing the message that ends a link may take, in seconds.
CLOSE_SECONDS = 2.0

#: Idle time after which a watcher drops a link, in seconds: a sender does not announce its end to watchers, and its
#: next link has a new name.
IDLE_SECONDS = 900.0

_log = logging.getLogger(__name__)


class MqttTransport(Transport):
    """One link over a broker.

    Args:
        broker: the connection to the broker.
        topics: the topics of the stream.
        link: the link's name.
        peer: the peer's name.

    Attributes:
        link: as above.
        inbox: the packets published on the link's topic; the owner of the broker connection adds them.
    """

    def __init__(self, broker: Broker, topics: Topics, link: str, peer: str) -> None:
        self.mtu = MAX_PACKET
        self.reliable = False
        self.ordered = False
        self.rate_hint = 0.0
        self.peer = peer
        self.link = link
        self.stream_id = link.encode()
        self.inbox = ReceiveQueue(peer)
        self._broker = broker
        self._topics = topics

    def limit_mtu(self) -> None:
        """Limit the MTU to what the connected broker accepts.

        Raises:
            ConnectError: the broker's limit is too small.
        """
        if self._broker.largest_packet is None:
            return
        overhead = FRAMING + len(self._topics.of_picture(self.link, 0xFFFF_FFFF, 99, 9999))
        self.mtu = min(MAX_PACKET, self._broker.largest_packet - overhead)
        if self.mtu < MIN_PACKET:
            raise ConnectError(
                f"the broker takes messages of {self._broker.largest_packet} bytes at most, and layercast needs "
                f"{MIN_PACKET + overhead}; raise its max_packet_size"
            )

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        return await self.inbox.get()

    async def _publish(self, topic: str, packet: bytes, *, confirmed: bool = False, expiry: int | None = None) -> None:
        self.check_size(packet)
        if self.inbox.ended:
            raise self.inbox.closed_error()
        try:
            await self._broker.publish(topic, packet, confirmed=confirmed, retain=expiry is not None, expiry=expiry)
        except AuthenticationError as error:
            _log.error("%s", error)
            raise DisconnectedError(str(error)) from error

    async def _publish_end(self, topic: str) -> None:
        self.inbox.end()
        with contextlib.suppress(TimeoutError, LayercastError):
            async with asyncio.timeout(CLOSE_SECONDS):
                await self._broker.publish(topic, b"", confirmed=True)


class MqttSenderTransport(MqttTransport):
    """A sender's end, with its own connection to the broker.

    Args:
        address: the broker's address.
        topics: the topics of the stream.
        link: the link's unique name.
        ssl: as for `Broker`.
        retain: whether the broker retains pictures for watchers.
        broadcast: whether to publish for watchers only, without a receiver.
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
            callbacks=BrokerCallbacks(on_message=self._on_message, on_failure=lambda _error: self.inbox.end()),
        )
        super().__init__(broker, topics, link, address.host)
        self.one_way = broadcast
        self._retain = retain or broadcast
        self._retain_confirmed = False
        self._retained = RetainedPictures(KEPT_PICTURES)
        self._receiver = ""
        self._receiver_found = asyncio.Event()
        self._receiver_timeout: asyncio.TimerHandle | None = None
        self._closed = False

    async def open(self) -> None:
        """Connect to the broker, and wait for the name of the receiver.

        Raises:
            AuthenticationError: the broker refuses the connection or a subscription.
            ConnectError: there is no broker.
            TimeoutError: there is no receiver.
        """
        await self._broker.open()
        self.limit_mtu()
        if not self.one_way:
            async with asyncio.timeout(PRESENCE_SECONDS):
                await self._receiver_found.wait()

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        topic = self._topics.of_packet(self.link, packet) if self._retain else None
        if topic is not None:
            # Without a receiver, the sender clears old pictures.
            for old in self._retained.add(topic) if self.one_way else ():
                await self._broker.publish(old, b"", retain=True)
            # Only a confirmation reveals that the broker refuses pictures, so the first packet waits for one.
            await self._publish(topic, packet, confirmed=not self._retain_confirmed, expiry=KEPT_SECONDS)
            self._retain_confirmed = True
        elif self.one_way:
            self.check_size(packet)
        else:
            is_hello = leading_numbers(packet, 1) == (PacketKind.HELLO,)
            await self._publish(self._topics.to_receiver(self.link), packet, confirmed=is_hello)

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        del code
        if self._closed:
            return
        self._closed = True
        if self._receiver_timeout is not None:
            self._receiver_timeout.cancel()
        if self.one_way or not self._receiver_found.is_set():
            self.inbox.end()
        else:
            await self._publish_end(self._topics.to_receiver(self.link))
        await self._broker.close()

    def _on_message(self, topic: str, payload: bytes) -> None:
        if topic == self._topics.receiver:
            self._on_receiver_name(payload.decode("utf-8", "replace"))
        elif payload:
            self.inbox.put(payload)
        else:
            self.inbox.end()

    def _on_receiver_name(self, name: str) -> None:
        if self._receiver_timeout is not None:
            self._receiver_timeout.cancel()
            self._receiver_timeout = None
        if not name:
            # An earlier receiver may have left; then ours announces its name at once.
            self._receiver_timeout = asyncio.get_running_loop().call_later(PRESENCE_SECONDS, self.inbox.end)
        elif not self._receiver:
            self._receiver = name
            self._receiver_found.set()
        elif name != self._receiver:
            _log.warning("another receiver took over %s", self._topics.root)
            self.inbox.end()


class ReceiverLink(MqttTransport):
    """A receiver's end of a link."""

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`."""
        await self._publish(self._topics.to_sender(self.link), packet)

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        del code
        if not self.inbox.ended:
            await self._publish_end(self._topics.to_sender(self.link))


class MqttBroadcastTransport(MqttTransport):
    """A watcher's end of a link: receives pictures and sends nothing."""

    one_way = True

    async def recv(self) -> bytes:
        """See `Transport.recv`."""
        try:
            async with asyncio.timeout(IDLE_SECONDS):
                return await self.inbox.get()
        except TimeoutError:
            self.inbox.end()
            raise self.inbox.closed_error() from None

    async def send(self, packet: bytes) -> None:
        """See `Transport.send`; the packet is discarded."""
        self.check_size(packet)
        if self.inbox.ended:
            raise self.inbox.closed_error()

    async def close(self, code: int = 0) -> None:
        """See `Transport.close`."""
        del code
        self.inbox.end()
