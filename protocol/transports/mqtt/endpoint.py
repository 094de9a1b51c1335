"""Packets through an MQTT 5 broker: `mqtt://[user@]broker[:port]/stream`, or `mqtts://`; topics as in `mqtt_topics`.

A sender and the one receiver that answers on a stream talk over two topics, and pictures lie where everyone may read
them: OFFER and DATA are retained, each on a topic of its own, so that one packet serves the receiver at once and those
who come later. These watch, at `?watch`, any number of them, and read layer by layer: the base first. A sender that
wants no answer at all publishes for watchers only, at `?broadcast`; one that wants nothing kept says `?retain=no`.

A broker's confirmation is no delivery, so the protocol acknowledges from end to end, and repeats what gets lost where a
connection breaks. So packets are published without asking for one (QoS 0) - except where nobody would ever be told that
the broker refuses: greetings, a link's first picture, who is there, and farewells (QoS 1).
"""

import string
from secrets import choice

from layercast_common.errors import ConnectError, ListenError, UsageError
from layercast_common.urls import Address, parse_address
from protocol.transports.base import DialOptions, Handler, ListenOptions
from protocol.transports.mqtt.listener import StreamListener, StreamWatcher
from protocol.transports.mqtt.topics import Topics
from protocol.transports.mqtt.transport import MqttSenderTransport

_PORTS = {"mqtt": 1883, "mqtts": 8883}
_EXAMPLE = "mqtt://broker.example/garden"

_LETTERS = string.ascii_lowercase + string.digits

#: Letters of a link's and of a receiver's name: short, since topics cost bytes, and by chance never twice in a stream.
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
    """Answer senders on a stream, or with `?watch` only read what they send; see `addresses.open_listener`."""
    address, topics = _parse(url, {"watch"})
    kind = StreamWatcher if "watch" in address.query else StreamListener
    listener = kind(address, topics, _name(_RECEIVER_NAME), handler, ssl=options.trust)
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
        raise UsageError(f"?{unknown[0]} means nothing in an address here; {allowed} would")
    return address, Topics(address.path.removeprefix("/"))


def _name(letters: int) -> str:
    return "".join(choice(_LETTERS) for _ in range(letters))
