"""One client of an MQTT 5 broker for as long as it is wanted: it comes back by itself when the connection breaks.

What is published meanwhile waits, and what a broken connection swallowed is lost: a broker's confirmation tells nothing
of the subscriber anyway, so the protocol's own acknowledgements are what counts.
"""

import asyncio
import logging
import os
import random
import ssl as tls
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties
from paho.mqtt.subscribeoptions import SubscribeOptions

from layercast_errors import AuthenticationError, ConnectError, DisconnectedError, LayercastError
from protocol.limits import MAX_PACKET
from protocol.transports.urls import Address

#: The variable that holds the password of an address that names only a user.
PASSWORD_VARIABLE = "LAYERCAST_MQTT_PASSWORD"  # noqa: S105 - a name, no password

#: How long the broker may take to answer anything, in seconds.
ANSWER_SECONDS = 10.0

#: How long after a client vanished the broker tells of it, in seconds; one that comes back sooner was never missed.
VANISHED_SECONDS = 10

#: The first and the longest wait before a new connection, in seconds; it doubles in between.
FIRST_WAIT, LONGEST_WAIT = 0.2, 10.0

#: Silence after which the broker is asked whether it still is there, in seconds.
KEEPALIVE_SECONDS = 60

#: The largest message that a broker may pass on to us, topic included, in bytes.
MAX_MESSAGE = MAX_PACKET + 512

#: Calls that may wait for the broker before the library warns.
MOST_PENDING = 1024

_NOT_AUTHORISED = frozenset({4, 5, 134, 135})
_FAILURES_FROM = 0x80

_log = logging.getLogger("protocol.mqtt")


@dataclass(frozen=True, slots=True)
class Subscription:
    """Topics to hear of; `retained` tells whether also of what they hold already."""

    topic: str
    retained: bool = True


@dataclass(frozen=True, slots=True)
class LastWill:
    """What the broker publishes when we vanish: nothing, on this topic; `retained` clears what it holds."""

    topic: str
    retained: bool = False


class _Client(aiomqtt.Client):  # type: ignore[misc]
    """Remembers what the library hears and does not tell, and waits for no answers of a broker that is gone."""

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Every link waits for its own publication; only many more of them than links would be odd.
        self.pending_calls_threshold = MOST_PENDING
        self.largest_packet: int | None = None
        self.refusal: str | None = None

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any = None) -> None:
        self.largest_packet = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason, properties)

    async def _wait_for(self, fut: Awaitable[Any], timeout: float | None) -> Any:  # noqa: ASYNC109 - the library's
        if fut in (self._connected, self._disconnected):
            return await super()._wait_for(fut, timeout)
        answer = asyncio.ensure_future(fut)
        try:
            seconds = self.timeout if timeout is None else timeout
            await asyncio.wait({answer, self._disconnected}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            raise aiomqtt.MqttError("the broker does not answer")
        finally:
            answer.cancel()

    def note_end(self) -> None:
        """Look at why the connection ended: nobody else does, and the event loop would complain."""
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        if reason.value >= _FAILURES_FROM:
            self.refusal = str(reason)
        super()._on_publish(client, userdata, mid, reason, properties)


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
        self._client: _Client | None = None
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
        properties = None if expiry is None else _properties(PacketTypes.PUBLISH, MessageExpiryInterval=expiry)
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
                    raise self._refused(f"write to {topic} ({client.refusal})")
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

    async def _standing(self) -> _Client:
        await self._connected.wait()
        if self._client is None:
            raise DisconnectedError(f"the connection to {self._address.public} is closed")
        return self._client

    async def _run(self, first: "asyncio.Future[None]") -> None:
        waits = 0
        try:
            while not self._closing:
                client = self._make_client(fresh=not first.done())
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
                        first.set_exception(self._why_not(error))
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

    async def _settle(self, client: _Client) -> None:
        self.largest_packet = client.largest_packet
        for subscription in list(self._subscriptions.values()):
            await self._subscribe(client, subscription)
        self._client = client
        self._connected.set()
        if self._on_connect is not None:
            await self._on_connect()

    async def _subscribe(self, client: _Client, subscription: Subscription) -> None:
        handling = (
            SubscribeOptions.RETAIN_SEND_ON_SUBSCRIBE if subscription.retained else SubscribeOptions.RETAIN_DO_NOT_SEND
        )
        answers = await client.subscribe(subscription.topic, options=SubscribeOptions(qos=1, retainHandling=handling))
        if any(answer.value >= _FAILURES_FROM for answer in answers):
            raise self._refused(f"read {subscription.topic} ({answers[0]})")

    def _make_client(self, *, fresh: bool) -> _Client:
        # A session that outlives its connection: else the broker would tell at once that we vanished.
        properties = _properties(
            PacketTypes.CONNECT, SessionExpiryInterval=2 * VANISHED_SECONDS, MaximumPacketSize=MAX_MESSAGE
        )
        will = None
        if self._will is not None:
            delay = _properties(PacketTypes.WILLMESSAGE, WillDelayInterval=VANISHED_SECONDS)
            will = aiomqtt.Will(self._will.topic, b"", qos=1, retain=self._will.retained, properties=delay)
        password = self._address.password
        if password is None and self._address.user is not None:
            password = os.environ.get(PASSWORD_VARIABLE)
        return _Client(
            self._address.host,
            self._address.port,
            username=self._address.user,
            password=password,
            identifier=self._name,
            protocol=aiomqtt.ProtocolVersion.V5,
            will=will,
            timeout=ANSWER_SECONDS,
            keepalive=KEEPALIVE_SECONDS,
            clean_start=fresh,
            properties=properties,
            tls_context=self._ssl,
            logger=logging.getLogger("protocol.mqtt.client"),
        )

    def _why_not(self, error: Exception) -> LayercastError:
        code = getattr(error, "rc", None)
        code = getattr(code, "value", code)
        if code in _NOT_AUTHORISED:
            return AuthenticationError(
                f"the broker at {self._address.public} refuses us; name a user in the address, as in "
                f"{self._address.scheme}://USER@{self._address.host}, and give the password in {PASSWORD_VARIABLE}"
            )
        if code is not None:
            return ConnectError(f"the broker at {self._address.public} refuses the connection: {error}")
        return ConnectError(f"no broker answers at {self._address.public}: {error}")

    def _refused(self, what: str) -> AuthenticationError:
        return AuthenticationError(
            f"the broker at {self._address.public} does not let {self._address.user or 'unnamed users'} {what}; "
            "its access rules must allow it"
        )


def _properties(kind: int, **values: int) -> Properties:
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties
