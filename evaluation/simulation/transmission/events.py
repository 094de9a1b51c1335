"""The record of a run: what happened when, to which picture, at what cost."""

from collections import Counter
from dataclasses import dataclass, field

#: Causes of bytes on the link, in the order of reports.
CAUSES = ("payload", "framing", "retransmission", "repair", "acknowledgement", "control", "transport")


@dataclass(frozen=True, slots=True)
class RunEvent:
    """One event.

    Attributes:
        t: seconds since the start.
        event: offered, sent, lost, dropped, corrupted, arrived (a packet), section, done, aborted, joined, restarted.
        picture: index of the picture; -1 for none.
        layer: number of the layer; -1 for none.
        cause: for packets, one of `CAUSES`.
        size: bytes, with all headers for packets.
        section: index of the section; -1 for none.
    """

    t: float
    event: str
    picture: int = -1
    layer: int = -1
    cause: str = ""
    size: int = 0
    section: int = -1

    def row(self) -> list[float | str | int]:
        """Return the event as a row of JSON, times to the microsecond."""
        return [round(self.t, 6), self.event, self.picture, self.layer, self.cause, self.size, self.section]


@dataclass(slots=True)
class RunRecord:
    """Everything recorded of one system in one run.

    Attributes:
        events: in order of recording.
        causes: bytes on the link by cause, both directions.
        layers: bytes of payload on the link by layer, retransmissions and repair included.
        packets: packets on the link.
        charged: bytes that the link's price applies to.
        airtime: how long the link was used, in seconds.
    """

    events: list[RunEvent] = field(default_factory=list)
    causes: "Counter[str]" = field(default_factory=Counter)
    layers: "Counter[int]" = field(default_factory=Counter)
    packets: int = 0
    charged: int = 0
    airtime: float = 0.0

    def add(self, event: RunEvent) -> None:
        """Record an event."""
        self.events.append(event)
