"""One client of an MQTT 5 broker for as long as it is wanted: it comes back by itself when the connection breaks.

What is published meanwhile waits, and what a broken connection swallowed is lost: a broker's confirmation tells nothing
of the subscriber anyway, so the protocol's own acknowledgements are what counts.
"""

import asyncio
import logging
import random
import ssl as tls
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.subscribeoptions import SubscribeOptions

from layercast_common.errors import DisconnectedError, LayercastError
from layercast_common.urls import Address
from protocol.transports.mqtt.client import (
    FAILURES_FROM,
    Client,
    LastWill,
    make_client,
    properties_of,
    refusal,
    why_not,
)

#: The first and the longest wait before a new connection, in seconds; it doubles in between.
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0

_log = logging.getLogger("protocol.mqtt")


@dataclass(frozen=True, slots=True)
class Subscription:
    """Topics to hear of; `retained` tells whether also of what they hold already."""

    topic: str
    retained: bool = True


class Broker:
    """A connection to a broker.

    Args:
        address: the broker's.
        name: how the broker knows us; unique.
        ssl: for `mqtts://`, which certificates to trust; the system's if None.
        will: what the broker is to do when we vanish.
        subscriptions: what to hear of from the start, in this order, each once the one before is in force.
        on_message: told of every message: its topic and its payload.
        on_connect: called each time a connection stands and its subscriptions are in force.
    """

    def __init__(
        self,
        address: Address,
        *,
        name: str,
        ssl: tls.SSLContext | None,
        will: LastWill | None,
        subscriptions: Sequence[Subscription],
        on_message: Callable[[str, bytes], None],
        on_connect: Callable[[], Awaitable[None]] | None = None,
    ) -> None:
        self._address = address
        self._name = name
        self._ssl = (ssl or tls.create_default_context()) if address.scheme == "mqtts" else None
        self._will = will
        self._subscriptions = {one.topic: one for one in subscriptions}
        self._on_message = on_message
        self._on_connect = on_connect
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._carefully = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._closing = False
        #: The largest packet that the broker takes, in bytes, topic included; None for any.
        self.largest_packet: int | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            AuthenticationError: the broker refuses our user or password, or one of our topics.
            ConnectError: it does not answer, or refuses us for another reason.
        """
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = asyncio.create_task(self._run(first), name=f"broker {self._address.host}")
        try:
            await first
        except BaseException:
            await self.close()
            raise

    async def publish(
        self, topic: str, payload: bytes, *, careful: bool = False, retain: bool = False, expiry: int | None = None
    ) -> None:
        """Publish; waits while there is no connection.

        Args:
            topic, payload: what and where.
            careful: whether to wait for the broker's word, and to try again where it does not come.
            retain: whether the broker keeps it.
            expiry: for how long, in seconds.

        Raises:
            AuthenticationError: the broker refuses what was published carefully.
            DisconnectedError: the connection was closed.
        """
        properties = None if expiry is None else properties_of(PacketTypes.PUBLISH, MessageExpiryInterval=expiry)
        if not careful:
            client = await self._standing()
            try:
                await client.publish(topic, payload, qos=0, retain=retain, properties=properties)
            except aiomqtt.MqttError as error:
                # Lost, or late: the protocol repairs either.
                _log.debug("a packet to the broker is lost: %s", error)
            return
        # One at a time: the library tells of a refusal, but not of what.
        async with self._carefully:
            while True:
                client = await self._standing()
                client.refusal = None
                try:
                    await client.publish(topic, payload, qos=1, retain=retain, properties=properties)
                except aiomqtt.MqttError as error:
                    _log.debug("the broker did not confirm, so again: %s", error)
                    await asyncio.sleep(FIRST_WAIT)
                    continue
                if client.refusal is not None:
                    raise refusal(self._address, f"write to {topic} ({client.refusal})")
                return

    async def subscribe(self, subscription: Subscription) -> None:
        """Hear of further topics, from now on and after every new connection.

        Raises:
            AuthenticationError: the broker refuses.
            DisconnectedError: the connection was closed.
        """
        self._subscriptions[subscription.topic] = subscription
        client = await self._standing()
        try:
            await self._subscribe(client, subscription)
        except aiomqtt.MqttError as error:
            _log.debug("the next connection will subscribe to %s: %s", subscription.topic, error)

    async def unsubscribe(self, topic: str) -> None:
        """Hear of topics no more."""
        self._subscriptions.pop(topic, None)
        if self._client is not None and self._connected.is_set():
            try:
                await self._client.unsubscribe(topic)
            except aiomqtt.MqttError as error:
                _log.debug("the connection broke before %s was left: %s", topic, error)

    async def close(self) -> None:
        """Say goodbye to the broker; no will is executed."""
        # The library may answer a cancellation with an error of its own.
        self._closing = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._connected.set()

    async def _standing(self) -> Client:
        await self._connected.wait()
        if self._client is None:
            raise DisconnectedError(f"the connection to {self._address.public} is closed")
        return self._client

    async def _run(self, first: "asyncio.Future[None]") -> None:
        waits = 0
        try:
            while not self._closing:
                fresh = not first.done()
                client = make_client(self._address, name=self._name, ssl=self._ssl, will=self._will, fresh=fresh)
                try:
                    async with client:
                        await self._settle(client)
                        waits = 0
                        if not first.done():
                            first.set_result(None)
                        async for message in client.messages:
                            self._on_message(str(message.topic), bytes(message.payload or b""))
                except aiomqtt.MqttError as error:
                    if not first.done():
                        first.set_exception(why_not(self._address, error))
                        return
                    _log.warning("the connection to %s broke, and is made again: %s", self._address.public, error)
                except LayercastError as error:
                    if not first.done():
                        first.set_exception(error)
                        return
                    _log.warning("%s", error)
                finally:
                    client.note_end()
                    self._connected.clear()
                if not self._closing:
                    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(waits, 16))
                    waits += 1
                    await asyncio.sleep(wait * random.uniform(0.5, 1.0))
        finally:
            self._client = None

    async def _settle(self, client: Client) -> None:
        self.largest_packet = client.largest_packet
        for subscription in list(self._subscriptions.values()):
            await self._subscribe(client, subscription)
        self._client = client
        self._connected.set()
        if self._on_connect is not None:
            await self._on_connect()

    async def _subscribe(self, client: Client, subscription: Subscription) -> None:
        handling = (
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if subscription.retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        )
        answers = await client.subscribe(subscription.topic, options=SubscribeOptions(qos=1, retainHandling=handling))
        if any(answer.value >= FAILURES_FROM for answer in answers):
            raise refusal(self._address, f"read {subscription.topic} ({answers[0]})")
