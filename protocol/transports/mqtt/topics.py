"""Where on a broker everything of one stream is.

lc/1/<stream>/rx                                   who answers on the stream: one receiver's id, retained
lc/1/<stream>/in/<link>                            packets to the receiver; an empty one ends the link
lc/1/<stream>/out/<link>                           packets to the sender; an empty one ends the link
lc/1/<stream>/pic/<link>/<image>/o                 a picture's OFFER, retained: the manifest, and its text
lc/1/<stream>/pic/<link>/<image>/<section>/<n>     a picture's DATA, retained
"""

import re
from collections import OrderedDict
from dataclasses import dataclass

from layercast_common.errors import UsageError
from protocol.wire.limits import MAX_SECTIONS
from protocol.wire.packets import PacketKind
from protocol.wire.peek import leading_numbers

#: Topics of one picture that are remembered to be cleared: more than any picture of ours has.
MAX_KEPT_TOPICS = 4096

_STREAM = re.compile(r"[A-Za-z0-9._-]{1,64}")
_OURS = re.compile(r"rx|in/[a-z0-9]{1,16}|pic/[a-z0-9]{1,16}/[1-9][0-9]{0,9}/(o|[0-9]{1,2}/[0-9]{1,4})")


@dataclass(frozen=True, slots=True)
class Topics:
    """The topics of one stream."""

    stream: str

    def __post_init__(self) -> None:
        if not _STREAM.fullmatch(self.stream):
            raise UsageError(
                "an address of a broker ends with the name of a stream, of letters, digits, '.', '_' and '-', "
                "as in mqtt://broker.example/garden"
            )

    @property
    def root(self) -> str:
        """What all of them begin with."""
        return f"lc/1/{self.stream}"

    @property
    def receiver(self) -> str:
        """Where the receiver says that it is there."""
        return f"{self.root}/rx"

    def to_receiver(self, link: str) -> str:
        """Packets of a sender; `+` for any."""
        return f"{self.root}/in/{link}"

    def to_sender(self, link: str) -> str:
        """Packets back to it."""
        return f"{self.root}/out/{link}"

    def pictures(self, link: str) -> str:
        """A filter for all pictures of a sender."""
        return f"{self.root}/pic/{link}/#"

    def layers(self) -> list[str]:
        """Filters for the pictures of all senders, in the order in which one who comes late wants to see them."""
        return [f"{self.root}/pic/+/+/o", *(f"{self.root}/pic/+/+/{index}/+" for index in range(MAX_SECTIONS))]

    def of_packet(self, link: str, packet: bytes) -> str | None:
        """Where a packet of a picture is kept; None for any other packet."""
        numbers = leading_numbers(packet, 5)
        match numbers:
            case (PacketKind.OFFER, _, image, *_):
                return f"{self.root}/pic/{link}/{image}/o"
            case (PacketKind.DATA, _, image, section, fragment):
                return self.of_picture(link, image, section, fragment)
        return None

    def of_picture(self, link: str, image: int, section: int, fragment: int) -> str:
        """Where a fragment is kept."""
        return f"{self.root}/pic/{link}/{image}/{section}/{fragment}"

    def read(self, topic: str) -> tuple[str, ...]:
        """The parts below the root of a topic to listen to, such as ("in", "ab12cd"); nothing for any other.

        Others may publish, too: whatever does not look like ours is no link, no picture, and nothing to log.
        """
        below = topic.removeprefix(self.root + "/")
        return tuple(below.split("/")) if below != topic and _OURS.fullmatch(below) else ()


class RetainedPictures:
    """The topics that hold pictures: the newest few stay, and what is older is to be cleared.

    Args:
        pictures: how many pictures of a sender stay.
    """

    def __init__(self, pictures: int) -> None:
        self._pictures = pictures
        self._kept: OrderedDict[str, set[str]] = OrderedDict()

    def note(self, topic: str) -> list[str]:
        """Note that something was put on a topic; gives the topics to clear because of it."""
        picture = "/".join(topic.split("/")[:6])
        if picture not in self._kept:
            self._kept[picture] = set()
        if len(self._kept[picture]) < MAX_KEPT_TOPICS:
            self._kept[picture].add(topic)
        if len(self._kept) <= self._pictures:
            return []
        _, topics = self._kept.popitem(last=False)
        return sorted(topics)
