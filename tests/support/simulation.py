"""A sender, a receiver and everything that may happen to them: cuts, outages, restarts. Time leaps.

    book (what was accepted) --> SenderConnection --> hostile link --> ReceiverConnection --> shelf (what is whole)
                                                                            |
                                                                         Sessions

The book and the shelf stand for disks: they survive restarts of their side. Everything else does not.
"""

import heapq
import itertools
import random
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import Any

from layercast_common.errors import DisconnectedError, RemoteProtocolError
from protocol.connection.base import MAX_CONTROL, Connection
from protocol.connection.events import (
    Event,
    OfferReceived,
    PictureAborted,
    PictureAcknowledged,
    PictureDone,
    PictureRefused,
    SectionReceived,
)
from protocol.connection.states import State
from protocol.link_profiles import LinkProfile
from protocol.receiving.connection import ReceiverConnection
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.sessions import Sessions
from protocol.recovery.path import PathOptions
from protocol.sending.connection import SenderConnection
from protocol.sending.handshake import SenderCredentials
from protocol.sending.pictures.fragmentation import OutgoingSection
from protocol.transports.emulation.link_clock import LinkClock
from protocol.wire.codes import Code
from protocol.wire.limits import Limits

#: Turns at one moment that tell of a connection that never sleeps.
SPIN_LIMIT = 200

#: How long a sender waits before it dials again, in seconds.
REDIAL_SECONDS = 1.0


@dataclass(slots=True)
class Picture:
    """A picture that the sender accepted, and what became of it."""

    sections: tuple[OutgoingSection, ...]
    offered: bool = False
    outcome: str | None = None


@dataclass(slots=True)
class Shelf:
    """What the receiving application was told. `whole` survives a restart, `parts` does not."""

    whole: dict[int, dict[int, bytes]] = field(default_factory=dict)
    dropped: dict[int, tuple[int, ...]] = field(default_factory=dict)
    parts: dict[int, dict[int, bytes]] = field(default_factory=dict)
    failed: Counter[int] = field(default_factory=Counter)


class World:
    """Two processes and a link.

    Args:
        link: both directions.
        seed, duplicate, jitter: as in `LinkClock`.
        limits: the receiver's.
    """

    def __init__(self, link: LinkProfile, *, seed: int, duplicate: float, jitter: float, limits: Limits) -> None:
        self.now = 0.0
        self.limits = limits
        self.book: dict[int, Picture] = {}
        self.shelf = Shelf()
        #: Until when the link swallows everything.
        self.dark_until = 0.0
        self._link = link
        self._rng = random.Random(seed)
        self._noise = {"duplicate": duplicate, "jitter": jitter}
        self._sessions_made = 0
        self._travelling: list[tuple[float, int, bool, bytes]] = []
        self._tie = itertools.count()
        self._redial_at = 0.0
        self._connected = False
        self._sessions = Sessions(limits)
        self.sender = self._new_sender()
        self.receiver: ReceiverConnection | None = None
        self._clocks = self._new_clocks()

    # What may happen.

    def accept(self, sections: tuple[OutgoingSection, ...]) -> int:
        """The sender's application hands over a picture."""
        number = len(self.book) + 1
        self.book[number] = Picture(sections)
        return number

    def cancel(self, number: int) -> None:
        """The sender's application gives up a picture."""
        picture = self.book[number]
        if picture.offered:
            self.sender.cancel(number)
        elif picture.outcome is None:
            picture.outcome = "cancelled"

    def cut(self) -> None:
        """The transport breaks: what travels is gone, and both sides know."""
        if self._connected:
            self._connected = False
            self._travelling.clear()
            self._redial_at = self.now + REDIAL_SECONDS
            self.sender.disconnect(self.now)
            if self.receiver is not None:
                self.receiver.disconnect(self.now)
            self._hear()
            self.receiver = None

    def leave(self) -> None:
        """The sender's machine is gone for good."""
        self.cut()
        self._redial_at = float("inf")
        self.run(self.limits.resume_seconds + 10.0)
        assert self._sessions.suspended == 0

    def restart_sender(self) -> None:
        """The sender's process dies and comes back, with its book."""
        self.cut()
        for picture in self.book.values():
            picture.offered = False
        self.sender = self._new_sender()

    def restart_receiver(self) -> None:
        """The receiver's process dies and comes back, with its shelf."""
        self.cut()
        self._sessions = Sessions(self.limits)
        self.shelf.parts.clear()

    def set_loss(self, loss: float) -> None:
        """The link gets better or worse."""
        self._link = replace(self._link, loss=loss)
        self._clocks = self._new_clocks()

    def run(self, seconds: float) -> None:
        """Let time pass."""
        until, spins = self.now + seconds, 0
        while True:
            self._dial()
            self._hear()
            for end in self._ends():
                self._speak(end)
            self._hear()
            upcoming = self._upcoming()
            if upcoming > until:
                self.now = until
                return
            spins = spins + 1 if upcoming <= self.now else 0
            assert spins < SPIN_LIMIT, "a connection wants to be woken again and again"
            self.now = max(self.now, upcoming)
            self._arrive()
            self._pass_time()

    def decline(self, number: int, layer: int) -> None:
        """The receiving application does without the rest of a picture."""
        assert self.receiver is not None
        self.receiver.decline(number, from_layer=layer)
        self._hear()

    @property
    def listening(self) -> bool:
        """Whether there is a receiver that can ask for something."""
        return self.receiver is not None and self.receiver.state is State.READY

    @property
    def unfinished(self) -> list[int]:
        """Pictures whose outcome is not known."""
        return [number for number, picture in self.book.items() if picture.outcome is None]

    def check(self) -> None:
        """See that nothing is held without bound."""
        limits = self.limits
        if self.receiver is not None:
            assert self.receiver.held <= limits.peer_bytes + limits.early_packets * self._link.mtu
        assert self.sender.open_pictures <= limits.open_pictures
        assert len(self._travelling) < 5000
        for end in self._ends():
            assert len(end._control) <= MAX_CONTROL + 1
        for number, sections in [*self.shelf.whole.items(), *self.shelf.parts.items()]:
            for index, payload in sections.items():
                assert payload == self.book[number].sections[index].payload

    # How it happens.

    def _new_sender(self) -> SenderConnection:
        return SenderConnection(
            now=self.now,
            resumable=True,
            credentials=SenderCredentials(stream_id=b"a sender"),
            path=PathOptions(rate=self._link.rate, mtu=self._link.mtu, reliable=False),
        )

    def _new_clocks(self) -> tuple[LinkClock, LinkClock]:
        there, back = (LinkClock(self._link, rng=self._rng, **self._noise) for _ in range(2))
        return there, back

    def _ends(self) -> list[Connection[Any]]:
        return [] if not self._connected else [self.sender, *([self.receiver] if self.receiver is not None else [])]

    def _dial(self) -> None:
        """Connect if that is due, and offer what waits."""
        if not self._connected and self.now >= self._redial_at:
            if self.sender.state is State.CLOSED:
                for picture in self.book.values():
                    picture.offered = picture.outcome is not None
                self.sender = self._new_sender()
            elif self.sender.state in (State.SUSPENDED, State.NEW):
                self.sender.resume(self.now, PathOptions(mtu=self._link.mtu, reliable=False, rate=self._link.rate))
            self._connected = True
            self._clocks = self._new_clocks()
            self._sessions_made += 1
            self.receiver = ReceiverConnection(
                session=self._sessions_made.to_bytes(4),
                mtu=self._link.mtu,
                now=self.now,
                options=ReceiverOptions(
                    admit=None,
                    limits=self.limits,
                    held=lambda _stream, _epoch, image: image in self.shelf.whole,
                    sessions=self._sessions,
                ),
            )
        if self.sender.state is State.READY:
            for number in self.unfinished:
                if not self.book[number].offered and self.sender.open_pictures < self.limits.open_pictures:
                    self.sender.offer(b"head", self.book[number].sections, picture_id=number)
                    self.book[number].offered = True

    def _speak(self, end: Connection[Any]) -> None:
        from_sender = end is self.sender
        while (packet := end.next_packet(self.now)) is not None:
            assert len(packet) <= self._link.mtu
            for arrival in self._clocks[not from_sender].arrivals(len(packet), self.now):
                if self.now >= self.dark_until:
                    heapq.heappush(self._travelling, (arrival, next(self._tie), from_sender, packet))
        if end.finished:
            self.cut()

    def _upcoming(self) -> float:
        times = [end.next_wakeup() for end in self._ends()]
        times.append(self._travelling[0][0] if self._travelling else None)
        times.append(self._sessions.next_expiry())
        if not self._connected:
            times.append(self._redial_at)
        return min([time for time in times if time is not None], default=float("inf"))

    def _arrive(self) -> None:
        while self._travelling and self._travelling[0][0] <= self.now:
            _, _, from_sender, packet = heapq.heappop(self._travelling)
            end = self.receiver if from_sender else self.sender
            if end is not None:
                end.receive(packet, self.now)
                self._hear()

    def _pass_time(self) -> None:
        for event in self._sessions.expire(self.now):
            self._receiver_heard(event)
        for end in self._ends():
            try:
                end.tick(self.now)
            except DisconnectedError:
                self.cut()
            except RemoteProtocolError as error:
                # Only the link is bad here, so nothing else may end a connection.
                if error.code not in (Code.SILENT, Code.HELLO_TIMEOUT):
                    raise

    def _hear(self) -> None:
        for event in self.sender.take_events():
            self._sender_heard(event)
        if self.receiver is not None:
            for received in self.receiver.take_events():
                self._receiver_heard(received)

    def _sender_heard(self, event: Event) -> None:
        match event:
            case PictureAcknowledged():
                picture = self.book[event.picture_id]
                assert picture.outcome is None, "one picture had two outcomes"
                assert event.picture_id in self.shelf.whole, "acknowledged, and not on the shelf"
                # Sections may have been given up by an earlier run of the sender, or by the receiver.
                given_up = {*event.dropped, *self.shelf.dropped[event.picture_id]}
                assert {*self.shelf.whole[event.picture_id], *given_up} == set(range(len(picture.sections)))
                picture.outcome = "delivered"
            case PictureRefused(code=Code.DISCONNECTED):
                self.book[event.picture_id].offered = False
            case PictureRefused():
                assert self.book[event.picture_id].outcome is None, "one picture had two outcomes"
                assert event.code in (Code.CANCELLED, Code.EXPIRED, Code.EVICTED, Code.NOT_HELD), event.code
                self.book[event.picture_id].outcome = event.code.name.lower()
            case _:
                pass

    def _receiver_heard(self, event: Event) -> None:
        match event:
            case OfferReceived(picture_id=image):
                assert image not in self.shelf.whole, "a whole picture was offered to the application again"
                assert image not in self.shelf.parts, "a picture began twice"
                self.shelf.parts[image] = {}
            case SectionReceived(picture_id=image):
                parts = self.shelf.parts[image]
                assert event.index not in parts, "a section was told twice"
                assert event.payload == self.book[image].sections[event.index].payload
                parts[event.index] = event.payload
            case PictureDone(picture_id=image):
                assert image not in self.shelf.whole, "a picture was done twice"
                parts = self.shelf.parts.pop(image)
                expected = set(range(len(self.book[image].sections))) - set(event.dropped)
                assert expected <= parts.keys(), "done, with sections missing"
                self.shelf.whole[image] = parts
                self.shelf.dropped[image] = event.dropped
            case PictureAborted(picture_id=image):
                self.shelf.parts.pop(image)
                self.shelf.failed[image] += 1
            case _:
                pass
