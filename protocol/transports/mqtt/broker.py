"""One client of an MQTT 5 broker that reconnects by itself.

Messages published without a connection wait; those that a broken connection loses stay lost. A broker's confirmation
does not mean delivery to a subscriber, so the protocol relies on its own acknowledgements.
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
from layercast_common.tasks import start_task
from layercast_common.urls import Address
from protocol.transports.mqtt.client import (
    FAILURES_FROM,
    Client,
    LastWill,
    Subscription,
    connection_error,
    make_client,
    properties_of,
    refusal,
)

#: The first and the longest wait before a new connection, in seconds; it doubles in between.
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokerCallbacks:
    """The functions that a broker connection calls.

    Attributes:
        on_message: called with the topic and the payload of every message.
        on_connect: called after each connection, once its subscriptions are in force.
        on_failure: called once if the connection loop stops because of an unexpected error, which is logged.
    """

    on_message: Callable[[str, bytes], None]
    on_failure: Callable[[Exception], None]
    on_connect: Callable[[], Awaitable[None]] | None = None


class Broker:
    """A connection to a broker.

    Args:
        address: the broker's address.
        name: the unique client id.
        ssl: for `mqtts://`, the trusted certificates; the system's if None.
        will: the message that the broker publishes if this client vanishes.
        subscriptions: the initial subscriptions, made one after the other.
        callbacks: called on messages, connections and failure.

    Attributes:
        largest_packet: the largest packet that the broker accepts, topic included, in bytes; None for no limit.
    """

    def __init__(
        self,
        address: Address,
        *,
        name: str,
        ssl: tls.SSLContext | None,
        will: LastWill | None,
        subscriptions: Sequence[Subscription],
        callbacks: BrokerCallbacks,
    ) -> None:
        self._address = address
        self._name = name
        self._ssl = (ssl or tls.create_default_context()) if address.scheme == "mqtts" else None
        self._will = will
        self._subscriptions = {one.topic: one for one in subscriptions}
        self._callbacks = callbacks
        self._client: Client | None = None
        self._connected = asyncio.Event()
        self._confirmed_publish = asyncio.Lock()
        self._running: asyncio.Task[None] | None = None
        self._closing = False
        self.largest_packet: int | None = None

    async def open(self) -> None:
        """Connect.

        Raises:
            AuthenticationError: the broker refuses the user or password, or a subscription.
            ConnectError: the broker does not answer, or refuses the connection for another reason.
        """
        first: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._running = start_task(self._run_guarded(first), name=f"broker connection to {self._address.host}")
        try:
            await first
        except BaseException:
            await self.close()
            raise

    async def publish(
        self, topic: str, payload: bytes, *, confirmed: bool = False, retain: bool = False, expiry: int | None = None
    ) -> None:
        """Publish a message; waits while there is no connection.

        Args:
            topic, payload: the message.
            confirmed: whether to wait for the broker's confirmation (QoS 1), and to retry without it.
            retain: whether the broker retains the message.
            expiry: how long the broker keeps it, in seconds; None for no limit.

        Raises:
            AuthenticationError: the broker refuses a confirmed message.
            DisconnectedError: the connection was closed.
        """
        properties = None if expiry is None else properties_of(PacketTypes.PUBLISH, MessageExpiryInterval=expiry)
        if not confirmed:
            client = await self._wait_connected()
            try:
                await client.publish(topic, payload, qos=0, retain=retain, properties=properties)
            except aiomqtt.MqttError as error:
                # The protocol retransmits what is lost.
                _log.debug("a packet to the broker is lost: %s", error)
            return
        # One at a time: the library reports a refusal without its message.
        async with self._confirmed_publish:
            while True:
                client = await self._wait_connected()
                client.refusal = None
                try:
                    await client.publish(topic, payload, qos=1, retain=retain, properties=properties)
                except aiomqtt.MqttError as error:
                    _log.debug("the broker did not confirm a message; retrying: %s", error)
                    await asyncio.sleep(FIRST_WAIT)
                    continue
                if client.refusal is not None:
                    raise refusal(self._address, f"write to {topic} ({client.refusal})")
                return

    async def subscribe(self, subscription: Subscription) -> None:
        """Subscribe to a topic filter, now and after every reconnection.

        Raises:
            AuthenticationError: the broker refuses.
            DisconnectedError: the connection was closed.
        """
        self._subscriptions[subscription.topic] = subscription
        client = await self._wait_connected()
        try:
            await self._subscribe(client, subscription)
        except aiomqtt.MqttError as error:
            _log.debug("subscribing to %s after the next connection: %s", subscription.topic, error)

    async def unsubscribe(self, topic: str) -> None:
        """Remove a subscription."""
        self._subscriptions.pop(topic, None)
        if self._client is not None and self._connected.is_set():
            try:
                await self._client.unsubscribe(topic)
            except aiomqtt.MqttError as error:
                _log.debug("the connection broke before unsubscribing from %s: %s", topic, error)

    async def close(self) -> None:
        """Disconnect in order; the broker discards the will."""
        # The library may answer a cancellation with an error of its own.
        self._closing = True
        if self._running is not None:
            self._running.cancel()
            await asyncio.gather(self._running, return_exceptions=True)
        self._connected.set()

    async def _wait_connected(self) -> Client:
        await self._connected.wait()
        if self._client is None:
            raise DisconnectedError(f"the connection to {self._address.public} is closed")
        return self._client

    async def _run_guarded(self, first: "asyncio.Future[None]") -> None:
        """Run the connection loop; if it fails, log the error, release waiting callers and call `on_failure`."""
        try:
            await self._run(first)
        except Exception as error:
            if self._closing:
                return
            _log.exception("the connection to %s failed", self._address.public)
            if not first.done():
                first.set_exception(error)
                return
            self._connected.set()
            self._callbacks.on_failure(error)

    async def _run(self, first: "asyncio.Future[None]") -> None:
        waits = 0
        try:
            while not self._closing:
                fresh = not first.done()
                client = make_client(self._address, name=self._name, ssl=self._ssl, will=self._will, fresh=fresh)
                try:
                    async with client:
                        await self._on_connected(client)
                        waits = 0
                        if not first.done():
                            first.set_result(None)
                        async for message in client.messages:
                            self._callbacks.on_message(str(message.topic), bytes(message.payload or b""))
                except aiomqtt.MqttError as error:
                    if not first.done():
                        first.set_exception(connection_error(self._address, error))
                        return
                    _log.warning("the connection to %s broke; reconnecting: %s", self._address.public, error)
                except LayercastError as error:
                    if not first.done():
                        first.set_exception(error)
                        return
                    _log.warning("reconnecting to %s: %s", self._address.public, error)
                finally:
                    client.consume_error()
                    self._connected.clear()
                if not self._closing:
                    wait = min(LONGEST_WAIT, FIRST_WAIT * 2.0 ** min(waits, 16))
                    waits += 1
                    await asyncio.sleep(wait * random.uniform(0.5, 1.0))
        finally:
            self._client = None

    async def _on_connected(self, client: Client) -> None:
        self.largest_packet = client.largest_packet
        for subscription in list(self._subscriptions.values()):
            await self._subscribe(client, subscription)
        self._client = client
        self._connected.set()
        if self._callbacks.on_connect is not None:
            await self._callbacks.on_connect()

    async def _subscribe(self, client: Client, subscription: Subscription) -> None:
        handling = (
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if subscription.retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        )
        answers = await client.subscribe(subscription.topic, options=SubscribeOptions(qos=1, retainHandling=handling))
        if any((one if isinstance(one, int) else one.value) >= FAILURES_FROM for one in answers):
            raise refusal(self._address, f"read {subscription.topic} ({answers[0]})")
