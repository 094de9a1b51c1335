"""The sending end of a connection."""

import math
from collections.abc import Iterator, Sequence

from layercast_errors import LocalProtocolError, RemoteProtocolError
from protocol import scheduler
from protocol.codes import HIGHEST_VERSION, LOWEST_VERSION, Code, Role
from protocol.connection import Connection
from protocol.events import (
    Closed,
    ImageAcknowledged,
    ImageRefused,
    SectionAcknowledged,
    Welcomed,
)
from protocol.ledger import Ledger
from protocol.limits import MAX_PACKET, Limits
from protocol.outgoing import OutgoingImage, OutgoingSection
from protocol.pace import Pace, RoundTrip
from protocol.packets import Ack, Cancel, Err, Hello, Packet, Ping, Welcome, encode_packet
from protocol.states import SENDER, State

#: The section number of a CANCEL in the ledger.
CANCEL = -2

#: How long to wait for WELCOME before greeting again over a link that loses packets, in seconds; doubles every time.
GREETING_WAIT = 3.0

#: The round trip assumed of a link that nobody told us anything of, in seconds.
ASSUMED_ROUND_TRIP = 1.0


class SenderConnection(Connection):
    """Offers pictures to one receiver, the most urgent bytes of the newest picture first.

    Args:
        token: what the receiver wants to hear; empty for none.
        stream: an id of this sender that outlives the connection, at most 16 bytes.
        rate: the link's rate, in bit/s, never exceeded; 0 if unknown, then it is measured.
        mtu: the largest packet that the transport takes, in bytes.
        reliable: whether the transport loses nothing.
        limits: what the receiver may make us wait for.
        epoch: which run of this stream the picture numbers belong to.
        now: the present, in seconds.
    """

    def __init__(
        self,
        *,
        now: float,
        token: str = "",
        stream: bytes = b"",
        rate: float = 0.0,
        mtu: int = MAX_PACKET,
        reliable: bool = True,
        limits: Limits | None = None,
        epoch: int = 0,
    ) -> None:
        super().__init__(rules=SENDER, limits=limits or Limits(), now=now)
        self._mtu = min(mtu, MAX_PACKET)
        self._reliable = reliable
        self._epoch = epoch
        self._round_trip = RoundTrip(ASSUMED_ROUND_TRIP)
        self._pace = Pace(rate)
        self._ledger = Ledger(reliable=reliable, round_trip=self._round_trip, pace=self._pace)
        self._hello = Hello(
            lowest=LOWEST_VERSION,
            highest=HIGHEST_VERSION,
            role=Role.SENDER,
            token=token,
            max_packet=self._mtu,
            rate=min(round(rate), 0xFFFF_FFFF),
            stream=stream,
        )
        self._greetings = 0
        self._greeted_at = now
        self._keepalive: float = self._limits.keepalive_seconds
        self._pinged_at = now
        self._images: dict[int, OutgoingImage] = {}
        self._cancelled: list[int] = []
        #: Whether there was nothing to send, or no room for it, when we last looked.
        self._stuck = False
        self._last_image = 0
        self._greet(now)

    @property
    def rate(self) -> float:
        """The link's rate as told or measured, in bit/s."""
        return self._pace.rate

    @property
    def unacknowledged(self) -> int:
        """Bytes in flight."""
        return self._ledger.in_flight

    @property
    def window(self) -> int:
        """The most bytes that may be in flight now."""
        return scheduler.window(self.rate, self._round_trip.least, self.packet_size)

    @property
    def packet_size(self) -> int:
        """The size that a packet should have on this link, in bytes."""
        return scheduler.packet_size(self.rate, self._mtu)

    @property
    def open_images(self) -> int:
        """Pictures that are offered and not finished."""
        return len(self._images)

    def offer(
        self,
        head: bytes,
        sections: Sequence[OutgoingSection],
        *,
        jpeg_size: int = 0,
        deadline: float = math.inf,
    ) -> int:
        """Begin a picture; gives its number. What is unsent at `deadline` (connection's clock) is dropped.

        Raises:
            LocalProtocolError: the connection is not open, the picture breaks a limit, or too many are unfinished.
        """
        if self.state is not State.READY:
            raise LocalProtocolError(f"a picture cannot be offered while the connection is {self.state.name}")
        if self.open_images >= self._limits.open_images:
            raise LocalProtocolError(f"{self.open_images} pictures are unfinished; await one before offering more")
        size = sum(len(section.payload) for section in sections)
        if size > self._limits.peer_bytes:
            raise LocalProtocolError(f"a picture is at most {self._limits.peer_bytes} bytes, not {size}")
        number = self._last_image + 1
        self._images[number] = OutgoingImage(
            number=number,
            epoch=self._epoch,
            head=head,
            sections=tuple(sections),
            jpeg_size=jpeg_size,
            packet=self.packet_size,
            mtu=self._mtu,
            deadline=deadline,
        )
        self._stuck = False
        self._last_image = number
        return number

    def cancel(self, image: int, code: Code = Code.CANCELLED) -> None:
        """Give up a picture: what is unsent stays unsent, and the receiver is told. A finished one is left alone."""
        if image in self._images:
            self._cancelled.append(image)
            self._stuck = False
            self._drop(image, code)

    def _take(self, packet: Packet, size: int, now: float) -> None:
        del size
        self._stuck = False
        if self._answer(packet):
            return
        if isinstance(packet, Welcome):
            self._welcome(packet, now)
        elif isinstance(packet, Ack):
            self._acknowledge(packet, now)
        elif isinstance(packet, Err):
            self._drop(packet.image, Code.of(packet.code))

    def _drop(self, number: int, code: Code) -> None:
        image = self._images.pop(number, None)
        if image is not None:
            self._events.append(ImageRefused(image=number, code=code, cost=image.cost))

    def _welcome(self, welcome: Welcome, now: float) -> None:
        if not self._greetings:
            return
        if not LOWEST_VERSION <= welcome.version <= HIGHEST_VERSION:
            raise RemoteProtocolError("the peer chose a version that we do not speak", Code.VERSION)
        # After a repeated greeting nobody knows which one this answers (Karn's rule).
        if self._greetings == 1:
            self._round_trip.add(now - self._greeted_at, now)
        self._greetings = 0
        self._mtu = min(self._mtu, welcome.max_packet)
        self._keepalive = welcome.keepalive
        self._events.append(Welcomed(session=_name(welcome.session)))

    def _acknowledge(self, ack: Ack, now: float) -> None:
        for sent in self._ledger.acknowledge(ack, now):
            image = self._images.get(sent.image)
            if image is not None and sent.section != CANCEL:
                self._tell(image, image.arrived(sent.section, sent.fragment), now)
        for done in ack.done:
            image = self._images.get(done.image)
            if image is not None:
                self._tell(image, image.arrived_whole(done.sections), now)

    def _tell(self, image: OutgoingImage, sections: list[int], now: float) -> None:
        self._events.extend(SectionAcknowledged(image=image.number, index=index, at=now) for index in sections)
        if image.done:
            del self._images[image.number]
            self._events.append(ImageAcknowledged(image=image.number, at=now, cost=image.cost))

    def _choose_packet(self, now: float) -> bytes | None:
        if self.state is not State.READY or now < self._pace.free_at:
            return None
        if self._cancelled:
            return self._send_cancel(now)
        candidates = [candidate for image in self._images.values() for candidate in image.candidates()]
        best = scheduler.choose(candidates)
        if best is None:
            self._stuck = True
            return None
        image = self._images[best.image]
        number = self._ledger.next_number
        offers = best.section == scheduler.OFFER
        packet: Packet = image.offer(number) if offers else image.data(number, best.section, best.fragment)
        data = encode_packet(packet, limit=self._mtu)
        if not scheduler.admits(self._ledger.in_flight, len(data), self.window):
            self._stuck = True
            return None
        image.sent(best.section, best.fragment, len(data))
        more = any(True for _ in image.candidates()) or len(candidates) > 1
        self._ledger.send(len(data), now, image=best.image, section=best.section, fragment=best.fragment, more=more)
        self._pace.sent(len(data), now)
        return data

    def _send_cancel(self, now: float) -> bytes:
        image = self._cancelled.pop()
        data = encode_packet(Cancel(pn=self._ledger.next_number, image=image))
        self._ledger.send(len(data), now, image=image, section=CANCEL, fragment=0, more=bool(self._images))
        self._pace.sent(len(data), now)
        return data

    def _pass_time(self, now: float) -> None:
        if self.state is State.GREETING and not self._reliable and now >= self._greets_at():
            self._greet(now)
        for image in [image for image in self._images.values() if now >= image.deadline]:
            self.cancel(image.number, Code.EXPIRED)
        for sent in self._ledger.lost(now):
            self._stuck = False
            if sent.section == CANCEL:
                self._cancelled.append(sent.image)
            elif sent.image in self._images:
                self._images[sent.image].lost(sent.section, sent.fragment)
        if self.state is State.READY and now >= self._pings_at():
            self._pinged_at = now
            self._queue(Ping(value=round(1000 * now) & 0xFFFF_FFFF))

    def _timers(self) -> Iterator[float]:
        if self.state is State.GREETING and not self._reliable:
            yield self._greets_at()
        if self.state is not State.READY:
            return
        yield self._pings_at()
        lost_at = self._ledger.next_timer()
        if lost_at is not None:
            yield lost_at
        yield from (image.deadline for image in self._images.values())
        # Out of a full window only an acknowledgement helps, and out of having nothing only an offer.
        if not self._stuck:
            yield self._pace.free_at

    def _greet(self, now: float) -> None:
        self._greetings += 1
        self._greeted_at = now
        self._queue(self._hello, self._mtu)

    def _greets_at(self) -> float:
        return self._greeted_at + GREETING_WAIT * 2.0 ** min(self._greetings - 1, 5)

    def _pings_at(self) -> float:
        return max(self._heard, self._pinged_at) + self._keepalive

    def _closed(self, code: Code) -> None:
        for number in list(self._images):
            self._drop(number, Code.DISCONNECTED)
        self._events.append(Closed(code=code))


def _name(session: bytes) -> str:
    """The session's id as the receiver writes it, or as hex digits where that is not plain text."""
    text = session.decode("ascii", "replace")
    return text if text.isascii() and text.isalnum() else session.hex()
