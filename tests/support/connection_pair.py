"""Two connections and the link between them, without an event loop: time leaps from one happening to the next."""

import heapq
import itertools
import math
import random
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from protocol.connection.base import Connection
from protocol.connection.events import Event
from protocol.connection.states import State
from protocol.link_profiles import LinkProfile
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.reassembly import Held, holds_nothing
from protocol.receiving.sessions import Sessions
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.handshake import SenderCredentials
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.transports.emulation.link_clock import LinkClock
from protocol.wire.limits import Limits
from protocol.wire.seals import Sealing
from tests.support.tokens import admit_token

Kind = TypeVar("Kind")

#: Turns without progress that tell of a connection that never sleeps.
SPIN_LIMIT = 100


def section(
    payload: bytes, *, urgency: int = 3, layer: int = 1, incremental: bool = False, lifetime: float = math.inf
) -> OutgoingSection:
    """A section to send of which only what matters is told."""
    return OutgoingSection(
        layer=layer, coder=layer, payload=payload, urgency=urgency, incremental=incremental, lifetime=lifetime
    )


class End:
    """One connection with what it told and the packets it sent."""

    def __init__(self, connection: Connection[Any], clock: LinkClock) -> None:
        self.connection = connection
        self.clock = clock
        self.events: list[tuple[float, Event]] = []
        self.sent: list[tuple[float, bytes]] = []


class Pair:
    """A sender and a receiver over a link.

    Args:
        link: both directions.
        drop: tells which packets vanish besides those that chance takes: (from the sender?, its place in the row).
        mangle: what becomes of a packet on its way: (from the sender?, its bytes).
    """

    def __init__(
        self,
        link: LinkProfile,
        *,
        seed: int = 0,
        duplicate: float = 0.0,
        jitter: float = 0.0,
        token: str | None = None,
        shown_token: str = "",
        limits: Limits | None = None,
        rate: float | None = None,
        overhead: int = 0,
        reliable: bool | None = None,
        stream: bytes = b"",
        epoch: int = 0,
        resumable: bool = False,
        one_way: bool = False,
        held: Held = holds_nothing,
        keys: tuple[Sealing | None, Sealing | None] = (None, None),
        drop: Callable[[bool, int], bool] = lambda _from_sender, _place: False,
        mangle: Callable[[bool, bytes], bytes] = lambda _from_sender, packet: packet,
    ) -> None:
        rng = random.Random(seed)
        limits = limits or Limits()
        self.now = 0.0
        self.sender = SenderConnection(
            now=0.0,
            limits=Limits(silence_seconds=limits.silence_seconds),
            resumable=resumable,
            key=keys[0],
            credentials=SenderCredentials(token=shown_token, stream_id=stream, epoch=epoch),
            path=PathOptions(
                rate=link.rate if rate is None else rate,
                mtu=link.mtu,
                overhead=overhead,
                reliable=link.loss == 0 if reliable is None else reliable,
                one_way=one_way,
            ),
        )
        self.sessions = Sessions(limits)
        self._link = link
        self._limits = limits
        self._admit = admit_token(token)
        self._one_way = one_way
        self._held = held
        self._key = keys[1]
        self._receivers = itertools.count(1)
        self.receiver = self._new_receiver()
        clocks = [LinkClock(link, rng=rng, duplicate=duplicate, jitter=jitter) for _ in range(2)]
        self.sending = End(self.sender, clocks[0])
        self.receiving = End(self.receiver, clocks[1])
        self._drop = drop
        self._mangle = mangle
        self._travelling: list[tuple[float, int, End, bytes]] = []
        self._tie = itertools.count()

    def run(self, until: float = 1e6, *, done: Callable[[], bool] = lambda: False) -> None:
        """Let time pass until `done`, until nothing happens any more, or until a moment."""
        spins = 0
        while not done():
            self._turn(self.sending, self.receiving)
            self._turn(self.receiving, self.sending)
            if done():
                return
            upcoming = [t for end in self._ends() if (t := end.connection.next_wakeup()) is not None]
            if self._travelling:
                upcoming.append(self._travelling[0][0])
            if not upcoming or min(upcoming) > until:
                return
            spins = spins + 1 if min(upcoming) <= self.now else 0
            assert spins < SPIN_LIMIT, "a connection wants to be woken again and again"
            self.now = max(self.now, min(upcoming))
            while self._travelling and self._travelling[0][0] <= self.now:
                _, _, end, data = heapq.heappop(self._travelling)
                end.connection.receive(data, self.now)

    def cut(self) -> None:
        """Break the transport: what travels is gone, and both ends know."""
        self._travelling.clear()
        for end in self._ends():
            end.connection.disconnect(self.now)
            end.events.extend((self.now, event) for event in end.connection.take_events())

    def reconnect(self, link: LinkProfile | None = None) -> None:
        """Give the sender another transport, to a new connection of the same receiver."""
        self._link = link or self._link
        self.replace_receiver()
        self.sender.resume(
            self.now,
            PathOptions(
                mtu=self._link.mtu,
                reliable=self._link.loss == 0,
                rate=self._link.rate,
                one_way=self._one_way,
            ),
        )

    def replace_receiver(self) -> None:
        """Let another connection of the receiver take the sender's packets; what travels is gone."""
        self._travelling.clear()
        self.receiver = self.receiving.connection = self._new_receiver()

    def replace_sender(self, sender: SenderConnection) -> None:
        """Let another sender speak, to a new connection of the receiver."""
        self.replace_receiver()
        self.sender = self.sending.connection = sender

    def greet(self) -> None:
        """Run until pictures may be offered."""
        self.run(done=lambda: self.sender.state is State.READY)
        self.sending.events.extend((self.now, event) for event in self.sender.take_events())
        assert self.sender.state is State.READY

    def offer(self, *sections: OutgoingSection, head: bytes = b"head") -> int:
        """Offer a picture."""
        return self.sender.offer(head, sections)

    def events(self, kind: type[Kind]) -> list[Kind]:
        """What either end told, of one kind, in order."""
        return [event for end in self._ends() for _, event in end.events if isinstance(event, kind)]

    def when(self, kind: type, image: int) -> float:
        """When an event of a picture happened."""
        return next(
            at
            for end in self._ends()
            for at, event in end.events
            if isinstance(event, kind) and getattr(event, "picture_id", None) == image
        )

    def _new_receiver(self) -> ReceiverConnection:
        return ReceiverConnection(
            session=b"test%d" % next(self._receivers),
            mtu=self._link.mtu,
            one_way=self._one_way,
            now=self.now,
            options=ReceiverOptions(
                admit=self._admit, limits=self._limits, held=self._held, sessions=self.sessions, key=self._key
            ),
        )

    def _ends(self) -> Sequence[End]:
        return (self.sending, self.receiving)

    def _turn(self, end: End, other: End) -> None:
        end.connection.tick(self.now)
        while (packet := end.connection.next_packet(self.now)) is not None:
            place = len(end.sent)
            end.sent.append((self.now, packet))
            arrivals = end.clock.arrivals(len(packet), self.now)
            if not self._drop(end is self.sending, place):
                mangled = self._mangle(end is self.sending, packet)
                for arrival in arrivals:
                    heapq.heappush(self._travelling, (arrival, next(self._tie), other, mangled))
        end.events.extend((self.now, event) for event in end.connection.take_events())
