"""The MQTT 5 client: `aiomqtt` with a will, small limits, and errors that name the way out."""

import asyncio
import logging
import os
import ssl as tls
from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any

import aiomqtt
from paho.mqtt.packettypes import PacketTypes
from paho.mqtt.properties import Properties

from layercast_common.errors import AuthenticationError, ConnectError, LayercastError
from layercast_common.tasks import start_task
from layercast_common.urls import Address
from protocol.wire.limits import MAX_PACKET

#: The environment variable with the password for an address that names only a user.
PASSWORD_VARIABLE = "LAYERCAST_MQTT_PASSWORD"  # noqa: S105 - a name, no password

#: How long the broker may take to answer anything, in seconds.
ANSWER_SECONDS = 10.0

#: How long after a client vanished the broker publishes its will, in seconds; a reconnection in time prevents it.
VANISHED_SECONDS = 10

#: Idle time after which the client pings the broker, in seconds.
KEEPALIVE_SECONDS = 30

#: The largest message that the client accepts, topic included, in bytes.
MAX_MESSAGE = MAX_PACKET + 512

#: The number of pending calls at which the library warns.
MOST_PENDING = 1024

#: Reason codes from this one on mean failure (MQTT 5, section 2.4).
FAILURES_FROM = 0x80

#: Bad user name or password; not authorised.
_NOT_AUTHORISED = frozenset({0x86, 0x87})


@dataclass(frozen=True, slots=True)
class LastWill:
    """The empty message that the broker publishes on a topic if this client vanishes; `retained` clears the topic."""

    topic: str
    retained: bool = False


@dataclass(frozen=True, slots=True)
class Subscription:
    """A topic filter; `retained` selects whether the broker also sends its retained messages."""

    topic: str
    retained: bool = True


class Client(aiomqtt.Client):
    """A client that records packet size and refusals, and stops waiting when the connection ends.

    Attributes:
        largest_packet: the largest packet that the broker accepts, in bytes; None for no limit.
        refusal: why the broker refused the last confirmed message; None if it did not.
    """

    def __init__(self, *arguments: Any, **options: Any) -> None:
        super().__init__(*arguments, **options)
        # Every link may wait for one confirmation.
        self.pending_calls_threshold = MOST_PENDING
        self.largest_packet: int | None = None
        self.refusal: str | None = None

    def _on_connect(self, client: Any, userdata: Any, flags: Any, reason: Any, properties: Any = None) -> None:
        self.largest_packet = getattr(properties, "MaximumPacketSize", None)
        super()._on_connect(client, userdata, flags, reason, properties)

    async def _wait_for(self, fut: Awaitable[Any], timeout: float | None) -> Any:  # noqa: ASYNC109 - the library's
        if fut in (self._connected, self._disconnected):
            return await super()._wait_for(fut, timeout)

        async def wait() -> Any:
            return await fut

        answer = start_task(wait(), name="answer of the broker")
        try:
            seconds = self.timeout if timeout is None else timeout
            await asyncio.wait({answer, self._disconnected}, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            if answer.done():
                return answer.result()
            raise aiomqtt.MqttError("the broker does not answer")
        finally:
            answer.cancel()

    def consume_error(self) -> None:
        """Retrieve the error of the connection, so that the event loop does not report it as unhandled."""
        if self._disconnected.done() and not self._disconnected.cancelled():
            self._disconnected.exception()

    def _on_publish(self, client: Any, userdata: Any, mid: int, reason: Any, properties: Any) -> None:
        if reason.value >= FAILURES_FROM:
            self.refusal = str(reason)
        super()._on_publish(client, userdata, mid, reason, properties)


def make_client(
    address: Address, *, name: str, ssl: tls.SSLContext | None, will: LastWill | None, fresh: bool
) -> Client:
    """Create a client, not connected yet.

    Args:
        address: the broker's address.
        name: the unique client id.
        ssl: for a secure connection, the trusted certificates.
        will: the message that the broker publishes if this client vanishes.
        fresh: whether the broker discards an earlier session of this client id.
    """
    # The session must outlive its connection; otherwise the broker would publish the will at once.
    session = properties_of(
        PacketTypes.CONNECT, SessionExpiryInterval=2 * VANISHED_SECONDS, MaximumPacketSize=MAX_MESSAGE
    )
    delay = properties_of(PacketTypes.WILLMESSAGE, WillDelayInterval=VANISHED_SECONDS)
    last = will and aiomqtt.Will(will.topic, b"", qos=1, retain=will.retained, properties=delay)
    password = address.password
    if password is None and address.user is not None:
        password = os.environ.get(PASSWORD_VARIABLE)
    return Client(
        address.host,
        address.port,
        username=address.user,
        password=password,
        identifier=name,
        protocol=aiomqtt.ProtocolVersion.V5,
        will=last,
        timeout=ANSWER_SECONDS,
        keepalive=KEEPALIVE_SECONDS,
        clean_start=fresh,
        properties=session,
        tls_context=ssl,
        logger=logging.getLogger(__name__),
    )


def properties_of(kind: int, **values: int) -> Properties:
    """Return the properties of an MQTT 5 packet."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def connection_error(address: Address, error: Exception) -> LayercastError:
    """Return the error to raise when the first connection fails."""
    code = getattr(error, "rc", None)
    if getattr(code, "value", code) in _NOT_AUTHORISED:
        return AuthenticationError(
            f"the broker at {address.public} refuses us; name a user in the address, as in "
            f"{address.scheme}://USER@{address.host}, and give the password in {PASSWORD_VARIABLE}"
        )
    if code is not None:
        return ConnectError(f"the broker at {address.public} refuses the connection: {error}")
    return ConnectError(f"no broker answers at {address.public}: {error}")


def refusal(address: Address, what: str) -> AuthenticationError:
    """Return the error to raise when the broker refuses an operation after the connection."""
    return AuthenticationError(
        f"the broker at {address.public} does not let {address.user or 'unnamed users'} {what}; "
        "its access rules must allow it"
    )
