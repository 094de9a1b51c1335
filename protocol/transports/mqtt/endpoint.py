"""MQTT addresses: `mqtt://[user@]broker[:port]/stream`, or `mqtts://`; `topics.py` lists the topics.

A sender and the receiver of a stream exchange packets over two topics. OFFER and DATA are retained, each on its own
topic, so that one message serves the receiver now and watchers later. Any number of receivers may watch (`?watch`);
they read layer by layer, the base first. A sender may publish for watchers only (`?broadcast`), or without retained
messages (`?retain=no`).

A broker's confirmation is not a delivery, so the protocol acknowledges end to end. Packets are published with QoS 0,
except where only a confirmation reveals that access rules refuse them: HELLO, the first packet of a link's first
picture, the receiver's name, and the empty messages that end a link. Those use QoS 1.
"""

import string
from secrets import choice

from layercast_common.errors import ConnectError, ListenError, UsageError
from layercast_common.urls import Address, parse_address
from protocol.transports.base import DialOptions, Handler, ListenOptions
from protocol.transports.mqtt.listener import StreamListener
from protocol.transports.mqtt.topics import Topics
from protocol.transports.mqtt.transport import MqttSenderTransport
from protocol.transports.mqtt.watcher import StreamWatcher

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXAMPLE = "mqtt://broker.example/garden"

_LETTERS = string.ascii_lowercase + string.digits

#: Lengths of the random names of links and receivers: short, since topics cost bytes, and unique in practice.
_LINK_NAME, _RECEIVER_NAME = 6, 10


async def connect(url: str, options: DialOptions) -> MqttSenderTransport:
    """Open a link to the receiver of a stream; see `addresses.open_transport`."""
    address, topics = _parse(url, {"broadcast", "retain"})
    link = MqttSenderTransport(
        address,
        topics,
        _name(_LINK_NAME),
        ssl=options.ssl,
        retain=address.query.get("retain") != "no",
        broadcast="broadcast" in address.query,
    )
    try:
        await link.open()
    except TimeoutError as error:
        await link.close()
        raise ConnectError(
            f"no receiver answers at {address.public}; start one: layercast receive --listen {address.public} "
            f"(if there is one, the broker does not let us read {topics.receiver})"
        ) from error
    except BaseException:
        await link.close()
        raise
    return link


async def listen(url: str, handler: Handler, options: ListenOptions) -> StreamListener:
    """Accept the senders of a stream, or watch them with `?watch`; see `addresses.open_listener`."""
    address, topics = _parse(url, {"watch"})
    kind = StreamWatcher if "watch" in address.query else StreamListener
    listener = kind(address, topics, _name(_RECEIVER_NAME), handler, options)
    try:
        await listener.open()
    except ConnectError as error:
        raise ListenError(str(error)) from error
    return listener


def _parse(url: str, known: set[str]) -> tuple[Address, Topics]:
    address = parse_address(url, _PORTS, _EXAMPLE)
    unknown = sorted(set(address.query) - known)
    if unknown:
        allowed = " or ".join(f"?{name}" for name in sorted(known))
        raise UsageError(f"?{unknown[0]} is not an option of this address; the options are {allowed}")
    return address, Topics(address.path.removeprefix("/"))


def _name(letters: int) -> str:
    return "".join(choice(_LETTERS) for _ in range(letters))
