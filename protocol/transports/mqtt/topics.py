"""The topics of one stream.

lc/1/<stream>/rx                                   the name of the receiver that serves the stream, retained
lc/1/<stream>/in/<link>                            packets to the receiver; an empty one ends the link
lc/1/<stream>/out/<link>                           packets to the sender; an empty one ends the link
lc/1/<stream>/pic/<link>/<image>/o                 a picture's OFFER, retained
lc/1/<stream>/pic/<link>/<image>/<section>/<n>     a picture's DATA, retained
"""

import re
from collections import OrderedDict
from dataclasses import dataclass

from layercast_common.errors import UsageError
from protocol.wire.limits import MAX_SECTIONS
from protocol.wire.packets import PacketKind
from protocol.wire.peek import leading_numbers

#: Bytes of a PUBLISH in addition to packet and topic: headers, lengths and the expiry.
FRAMING = 16

#: The most retained topics remembered per picture; no layercast picture has more.
MAX_KEPT_TOPICS = 4096

_STREAM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OURS = re.compile(r"rx|in/[a-z0-9]{1,16}|pic/[a-z0-9]{1,16}/[1-9][0-9]{0,9}/(o|[0-9]{1,2}/[0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one stream.

    Attributes:
        stream: the stream's name.

    Raises:
        UsageError: the name is malformed.
    """

    stream: str

    def __post_init__(self) -> None:
        if not _STREAM.fullmatch(self.stream):
            raise UsageError(
                "an MQTT address ends with the name of a stream, of letters, digits, '.', '_' and '-', "
                "as in mqtt://broker.example/garden"
            )

    @property
    def root(self) -> str:
        """The common prefix."""
        return f"lc/1/{self.stream}"

    @property
    def receiver(self) -> str:
        """The topic of the receiver's name."""
        return f"{self.root}/rx"

    def to_receiver(self, link: str) -> str:
        """Return the topic of packets to the receiver; link `+` matches any."""
        return f"{self.root}/in/{link}"

    def to_sender(self, link: str) -> str:
        """Return the topic of packets to the sender."""
        return f"{self.root}/out/{link}"

    def pictures(self, link: str) -> str:
        """Return the filter for all pictures of a link."""
        return f"{self.root}/pic/{link}/#"

    def layers(self) -> list[str]:
        """Return the filters for the pictures of all links, in the order in which a watcher subscribes."""
        return [f"{self.root}/pic/+/+/o", *(f"{self.root}/pic/+/+/{index}/+" for index in range(MAX_SECTIONS))]

    def of_packet(self, link: str, packet: bytes) -> str | None:
        """Return the topic of an OFFER or DATA packet; None for any other packet."""
        numbers = leading_numbers(packet, 5)
        match numbers:
            case (PacketKind.OFFER, _, image, *_):
                return f"{self.root}/pic/{link}/{image}/o"
            case (PacketKind.DATA, _, image, section, fragment):
                return self.of_picture(link, image, section, fragment)
        return None

    def of_picture(self, link: str, image: int, section: int, fragment: int) -> str:
        """Return the topic of a fragment."""
        return f"{self.root}/pic/{link}/{image}/{section}/{fragment}"

    def read(self, topic: str) -> tuple[str, ...]:
        """Return the parts of a topic below the root, such as ("in", "ab12cd").

        Returns an empty tuple for a topic that does not match: other clients may publish below the root, too.
        """
        below = topic.removeprefix(self.root + "/")
        return tuple(below.split("/")) if below != topic and _OURS.fullmatch(below) else ()


class RetainedPictures:
    """The topics of retained pictures: the newest pictures stay, and older ones are cleared.

    Args:
        pictures: how many pictures stay.
    """

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures
        self._kept: OrderedDict[str, set[str]] = OrderedDict()

    def add(self, topic: str) -> list[str]:
        """Record a topic with a retained message; return the topics to clear in exchange."""
        picture = "/".join(topic.split("/")[:6])
        if picture not in self._kept:
            self._kept[picture] = set()
        if len(self._kept[picture]) < MAX_KEPT_TOPICS:
            self._kept[picture].add(topic)
        if len(self._kept) <= self._pictures:
            return []
        _, topics = self._kept.popitem(last=False)
        return sorted(topics)
