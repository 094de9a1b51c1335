"""Records what passes over a link: bytes by cause and layer, costs, and the events of the sender's direction."""

from evaluation.simulation.links.clock import Fate, Passage
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.transmission.events import RunEvent, RunRecord
from evaluation.simulation.transmission.packets import PacketObserver, PacketView
from evaluation.simulation.transmission.path import OnPassage
from evaluation.simulation.transmission.tcp.connection import OnSegment, SegmentOnLink


class PassageRecord:
    """The record of one connection.

    Args:
        record: takes up what passes.
        link: the link.
        pictures: the picture index of each picture number.
    """

    def __init__(self, record: RunRecord, link: SimulatedLink, pictures: dict[int, int]) -> None:
        self._record, self._link, self._pictures = record, link, pictures
        self._observer = PacketObserver()

    def of_packets(self, overhead: int, *, outward: bool) -> OnPassage:
        """Return an observer of packets that travel alone.

        Args:
            overhead: bytes that the carrier adds to each.
            outward: whether the sender sends them.
        """
        extra = overhead + self._overhead(outward)

        def observe(packet: bytes, passage: Passage) -> None:
            view = self._observer.view(packet)
            if passage.fate is not Fate.DROPPED:
                self._charge(passage, len(packet) + extra)
                self._count(packet, view)
                self._record.causes["transport"] += extra
            if outward:
                self._note(view, len(packet) + extra, passage)

        return observe

    def of_segments(self, *, outward: bool) -> OnSegment:
        """Return an observer of TCP segments."""
        extra = self._overhead(outward)

        def observe(segment: SegmentOnLink, passage: Passage) -> None:
            size = segment.size + extra
            views = [(packet, self._observer.view(packet)) for packet in segment.packets]
            if passage.fate is not Fate.DROPPED:
                self._charge(passage, size)
                if segment.again:
                    self._record.causes["retransmission"] += segment.data
                    self._record.causes["transport"] += size - segment.data
                else:
                    for packet, view in views:
                        self._count(packet, view)
                    self._record.causes["transport"] += size - sum(map(len, segment.packets))
            if not outward:
                return
            rest = size - sum(map(len, segment.packets))
            for packet, view in views:
                self._note(view, len(packet) + rest, passage, cause="retransmission" if segment.again else view.cause)
                rest = 0

        return observe

    def _overhead(self, outward: bool) -> int:
        return (self._link.there if outward else self._link.back).overhead

    def _charge(self, passage: Passage, size: int) -> None:
        """Count the cost of a packet that used the link."""
        step = self._link.cost.message_bytes
        self._record.packets += 1
        self._record.charged += -(-size // step) * step
        self._record.airtime += passage.airtime

    def _count(self, packet: bytes, view: PacketView) -> None:
        """Count the bytes of a packet by cause and layer."""
        causes = self._record.causes
        if view.cause in ("payload", "repair"):
            causes[view.cause] += view.payload
            causes["framing"] += len(packet) - view.payload
        else:
            causes[view.cause] += len(packet)
        if view.payload:
            self._record.layers[view.layer] += view.payload

    def _note(self, view: PacketView, size: int, passage: Passage, *, cause: str | None = None) -> None:
        """Record the events of a packet."""
        cause, fate = cause or view.cause, passage.fate
        picture = self._pictures.get(view.picture, -1)
        self._record.add(RunEvent(passage.start, "sent", picture, view.layer, cause, size, view.section))
        if fate is Fate.LOST or fate is Fate.DROPPED:
            self._record.add(RunEvent(passage.end, fate.value, picture, view.layer, cause, size, view.section))
        elif passage.arrivals:
            event = "corrupted" if fate is Fate.CORRUPTED else "arrived"
            self._record.add(RunEvent(passage.arrivals[0], event, picture, view.layer, cause, size, view.section))
