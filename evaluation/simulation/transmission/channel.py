"""The link of one run: its two clocks, shared by all senders, and the record of what passes."""

import random

from evaluation.simulation.links.clock import DirectionClock, Fate, Passage
from evaluation.simulation.links.model import SimulatedLink
from evaluation.simulation.transmission.carriers import Carrier
from evaluation.simulation.transmission.events import RunEvent, RunRecord
from evaluation.simulation.transmission.packets import PacketObserver
from evaluation.simulation.transmission.path import (
    PathSettings,
    SimulatedPath,
    SimulatedTransport,
    carrier_timeout,
)


class Channel:
    """A link with its record.

    Args:
        link: the link.
        carrier: the transport over it.
        seed: of everything random on the link.
        record: takes up what passes.
    """

    def __init__(self, link: SimulatedLink, carrier: Carrier, seed: int, record: RunRecord) -> None:
        self._link, self._carrier, self._record = link, carrier, record
        self._rng = random.Random(f"bits {seed}")
        # Random numbers of a direction do not depend on what the other one carries.
        self._there = DirectionClock(link.there, rng=random.Random(f"there {seed}"))
        self._back = DirectionClock(link.back, rng=random.Random(f"back {seed}"))

    def connect(self, pictures: dict[int, int], *, rate_hint: float) -> tuple[SimulatedTransport, SimulatedTransport]:
        """Return both ends of a new connection: the sender's and the receiver's.

        Args:
            pictures: the picture index of each picture number, for the record.
            rate_hint: the rate that the modem reports to the sender, in bit/s; 0 if unknown.
        """
        observer = PacketObserver()
        there = self._path(self._there, self._back, observer, pictures)
        back = self._path(self._back, self._there, observer, pictures)
        options = {"carrier": self._carrier, "mtu": self._link.mtu, "rate_hint": rate_hint}
        return SimulatedTransport(there, back, **options), SimulatedTransport(back, there, **options)  # type: ignore[arg-type]

    def charge(self, passage: Passage, size: int) -> None:
        """Count the cost of a packet that used the link.

        Args:
            passage: its passage.
            size: its size with all headers, in bytes.
        """
        if passage.fate is Fate.DROPPED:
            return
        step = self._link.cost.message_bytes
        self._record.packets += 1
        self._record.charged += -(-size // step) * step
        self._record.airtime += passage.airtime

    def _path(
        self, clock: DirectionClock, other: DirectionClock, observer: PacketObserver, pictures: dict[int, int]
    ) -> SimulatedPath:
        outward = clock is self._there
        carrier, link = self._carrier, self._link

        def on_passage(packet: bytes, passage: Passage, again: bool) -> None:
            view = observer.view(packet)
            extra = carrier.overhead + clock.direction.overhead
            size = len(packet) + extra
            record, fate = self._record, passage.fate
            picture = pictures.get(view.picture, -1)
            if fate is not Fate.DROPPED:
                self.charge(passage, size)
                cause = "retransmission" if again else view.cause
                record.causes["transport"] += extra
                if cause in ("payload", "repair"):
                    record.causes[cause] += view.payload
                    record.causes["framing"] += len(packet) - view.payload
                else:
                    record.causes[cause] += len(packet)
                if view.payload:
                    record.layers[view.layer] += view.payload
            else:
                cause = view.cause
            if not outward:
                return
            record.add(RunEvent(passage.start, "sent", picture, view.layer, cause, size, view.section))
            if fate is Fate.LOST or fate is Fate.DROPPED:
                record.add(RunEvent(passage.end, fate.value, picture, view.layer, cause, size, view.section))
            elif passage.arrivals:
                event = "corrupted" if fate is Fate.CORRUPTED else "arrived"
                record.add(RunEvent(passage.arrivals[0], event, picture, view.layer, cause, size, view.section))

        def on_acknowledged() -> None:
            if carrier.acknowledgement:
                size = carrier.acknowledgement + other.direction.overhead
                self.charge(other.passage(carrier.acknowledgement, path.now), size)
                self._record.causes["transport"] += size

        round_trip = link.there.delay + link.back.delay
        options = PathSettings(
            carrier=carrier,
            timeout=carrier_timeout(round_trip),
            on_passage=on_passage,
            on_acknowledged=on_acknowledged,
        )
        path = SimulatedPath(clock, options, self._rng)
        return path
