"""The client of `aiomqtt` as we want it: MQTT 5, frugal, with a will, and with errors that name the way out."""

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
from layercast_common.urls import Address
from protocol.wire.limits import MAX_PACKET

#: The variable that holds the password of an address that names only a user.
PASSWORD_VARIABLE = "LAYERCAST_MQTT_PASSWORD"  # noqa: S105 - a name, no password

#: How long the broker may take to answer anything, in seconds.
ANSWER_SECONDS = 10.0

#: How long after a client vanished the broker tells of it, in seconds; one that comes back sooner was never missed.
VANISHED_SECONDS = 10

#: Silence after which the broker is asked whether it still is there, in seconds.
KEEPALIVE_SECONDS = 30

#: The largest message that a broker may pass on to us, topic included, in bytes.
MAX_MESSAGE = MAX_PACKET + 512

#: Calls that may wait for the broker before the library warns.
MOST_PENDING = 1024

#: A reason code from here on tells of a failure (MQTT 5, section 2.4).
FAILURES_FROM = 0x80

#: Bad user name or password; not authorised.
_NOT_AUTHORISED = frozenset({0x86, 0x87})


@dataclass(frozen=True, slots=True)
class LastWill:
    """What the broker publishes when we vanish: nothing, on this topic; `retained` clears what it holds."""

    topic: str
    retained: bool = False


class Client(aiomqtt.Client):  # type: ignore[misc]
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
        if reason.value >= FAILURES_FROM:
            self.refusal = str(reason)
        super()._on_publish(client, userdata, mid, reason, properties)


def make_client(
    address: Address, *, name: str, ssl: tls.SSLContext | None, will: LastWill | None, fresh: bool
) -> Client:
    """A client that is not connected yet.

    Args:
        address: the broker's.
        name: how the broker knows us; unique.
        ssl: for a secure connection, which certificates to trust.
        will: what the broker is to do when we vanish.
        fresh: whether the broker is to forget what it knows of a client of this name.
    """
    # A session that outlives its connection: else the broker would tell at once that we vanished.
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
        logger=logging.getLogger("protocol.mqtt.client"),
    )


def properties_of(kind: int, **values: int) -> Properties:
    """The properties of a packet of MQTT 5."""
    properties = Properties(kind)  # type: ignore[no-untyped-call]
    for name, value in values.items():
        setattr(properties, name, value)
    return properties


def why_not(address: Address, error: Exception) -> LayercastError:
    """The error to raise because there is no connection."""
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
    """The error to raise because the broker lets us connect, but not do something."""
    return AuthenticationError(
        f"the broker at {address.public} does not let {address.user or 'unnamed users'} {what}; "
        "its access rules must allow it"
    )
