"""The sending end of a connection."""

import math
from collections.abc import Iterator, Sequence

from layercast_common.errors import LocalProtocolError
from protocol.connection.base import Connection
from protocol.connection.events import Closed, Suspended, Welcomed
from protocol.connection.states import BROADCASTER, SENDER, State
from protocol.recovery.ack_ranges import Arrivals
from protocol.recovery.path import NetworkPath
from protocol.sending.fragmentation import OutgoingSection
from protocol.sending.handshake import SenderHandshake
from protocol.sending.picture import OutgoingPicture
from protocol.sending.send_queue import SendQueue
from protocol.wire.codes import FIRST_PICTURE_CODE, Code
from protocol.wire.encoding import encode_packet
from protocol.wire.limits import MAX_PACKET, Limits
from protocol.wire.packets import Ack, Cancel, Err, Packet, Ping, Prio, Resume, Want, Welcome, kind_of
from protocol.wire.seals import Sealing

#: How much sooner than the first a ping is repeated over a link that loses packets.
IMPATIENCE = 6

#: How often a sender whom nobody can greet says who it is, in seconds, as long as it has something to send.
ANNOUNCE_SECONDS = 10.0


class SenderConnection(Connection):
    """Offers pictures to one receiver, the most urgent bytes of the newest picture first.

    Args:
        token: what the receiver wants to hear; empty for none.
        stream: an id of this sender that outlives the connection, at most 16 bytes.
        epoch: tells one numbering of the stream's pictures from another.
        rate: the link's rate, in bit/s, never exceeded; 0 if unknown, then it is measured.
        mtu: the largest packet that the transport takes, in bytes.
        overhead: what a packet costs on the link beside itself, in bytes; see `Transport.overhead`.
        reliable: whether the transport loses nothing.
        resumable: whether the pictures wait for another transport when this one goes away.
        one_way: whether nothing ever comes back: no greeting, no acknowledgement.
        key: how packets are sealed; with checksums by default, which is enough under TLS or on one machine.
        limits: what the receiver may make us wait for.
        now: the present, in seconds.
    """

    def __init__(
        self,
        *,
        now: float,
        token: str = "",
        stream: bytes = b"",
        epoch: int = 0,
        rate: float = 0.0,
        mtu: int = MAX_PACKET,
        overhead: int = 0,
        reliable: bool = True,
        resumable: bool = False,
        one_way: bool = False,
        key: Sealing | None = None,
        limits: Limits | None = None,
    ) -> None:
        rules = BROADCASTER if one_way else SENDER
        super().__init__(rules=rules, limits=limits or Limits(), mtu=mtu, one_way=one_way, key=key, now=now)
        self._resumable = resumable
        self._intro = SenderHandshake(stream=stream, epoch=epoch, token=token, key=self._key, one_way=one_way)
        self._packets_before = (0, 0)
        self._dispatch = SendQueue(self._begin_link(rate, reliable, overhead, now))
        self._greet(now)

    @property
    def rate(self) -> float:
        """The link's rate as told or measured, in bit/s."""
        return self._uplink.pace.rate

    @property
    def round_trip(self) -> float:
        """The smoothed round trip, in seconds."""
        return self._uplink.round_trip.smoothed

    @property
    def loss(self) -> float | None:
        """The share of packets lost lately, 0 to 1; None while it is not known."""
        return self._uplink.ledger.loss

    @property
    def packets_sent(self) -> int:
        """OFFER, DATA, REPAIR and CANCEL that left, over all transports."""
        return self._packets_before[0] + self._uplink.ledger.packets_sent

    @property
    def packets_lost(self) -> int:
        """Those of them that were taken as lost."""
        return self._packets_before[1] + self._uplink.ledger.packets_lost

    @property
    def unacknowledged(self) -> int:
        """Bytes in flight."""
        return self._uplink.ledger.in_flight

    @property
    def window(self) -> int:
        """The most bytes that may be in flight now, in packets of `packet_size`."""
        return self._uplink.window

    @property
    def packet_size(self) -> int:
        """The size that a packet should have on this link, in bytes, if it is not of a large picture."""
        return self._uplink.packet_size

    @property
    def open_pictures(self) -> int:
        """Pictures that are offered and not finished."""
        return self._dispatch.open_pictures

    def offer(
        self,
        head: bytes,
        sections: Sequence[OutgoingSection],
        *,
        jpeg_size: int = 0,
        deadline: float = math.inf,
        image: int | None = None,
    ) -> int:
        """Begin a picture; gives its number. What is unsent at `deadline` (connection's clock) is dropped.

        Args:
            head: opaque header, at most 256 bytes.
            sections: in the stream's order.
            jpeg_size: bytes of a JPEG of the original; 0 if unknown.
            deadline: when nothing of it is worth sending any more.
            image: its number, if the owner counts them; one higher than any before by default. Of one that was
                delivered before under this stream and epoch, the receiver takes nothing again.

        Raises:
            LocalProtocolError: the connection is not open, the picture breaks a limit, too many are unfinished, or
                this one is under way already.
        """
        if self.state not in (State.READY, State.SUSPENDED, State.RESUMING):
            raise LocalProtocolError(f"a picture cannot be offered while the connection is {self.state.name}")
        if self.open_pictures >= self._limits.open_pictures:
            raise LocalProtocolError(f"{self.open_pictures} pictures are unfinished; await one before offering more")
        size = sum(len(section.payload) for section in sections)
        if size > self._limits.peer_bytes:
            raise LocalProtocolError(f"a picture is at most {self._limits.peer_bytes} bytes, not {size}")
        number = self._dispatch.next_picture_id if image is None else image
        self._dispatch.offer(
            OutgoingPicture(
                number=number,
                head=head,
                sections=sections,
                jpeg_size=jpeg_size,
                packet=self._uplink.packet_for(size),
                mtu=self._mtu,
                check=self._seal.size,
                deadline=deadline,
            )
        )
        self.wake()
        return number

    def cancel(self, image: int, code: Code = Code.CANCELLED, *, from_layer: int = 0) -> None:
        """Give up a picture, or its layers from one on: what is unsent stays unsent, and the receiver is told.

        With layers left, the picture goes on, and ends as done with the others in `dropped`. A finished one is left
        alone.
        """
        self._dispatch.cancel(image, code, from_layer)
        self._events.extend(self._dispatch.take_events())
        self.wake()

    def resume(
        self, now: float, *, mtu: int = MAX_PACKET, overhead: int = 0, reliable: bool = True, rate: float = 0.0
    ) -> None:
        """Go on over another transport: greet, hear what the receiver still holds, and send what is missing.

        Raises:
            LocalProtocolError: the connection is not suspended.
        """
        if self.state not in (State.SUSPENDED, State.NEW):
            raise LocalProtocolError(f"a connection that is {self.state.name} has nothing to resume")
        self._mtu = min(mtu, MAX_PACKET)
        self._heard = now
        self._dispatch.uplink = self._begin_link(rate, reliable, overhead, now)
        self._greet(now)
        if self._one_way:
            # Nobody will tell what is held.
            self._dispatch.refit()

    @property
    def _uplink(self) -> NetworkPath:
        return self._dispatch.uplink

    @property
    def _link_rate(self) -> float:
        return self.rate

    def _begin_link(self, rate: float, reliable: bool, overhead: int, now: float) -> NetworkPath:
        self._intro.begin(mtu=self._mtu, rate=rate)
        self._seal, self._peer_seal = self._intro.seal, self._intro.peer_seal
        self._reliable = reliable
        self._keepalive: float = self._limits.keepalive_seconds
        self._pinged_at = now
        self._requests = Arrivals()
        self._owes_ack = False
        return NetworkPath(
            rate=rate,
            mtu=self._mtu,
            check=self._seal.size,
            overhead=overhead,
            reliable=reliable,
            one_way=self._one_way,
        )

    def _ignores(self, packet: Packet) -> bool:
        if self._one_way:
            # Nobody should answer a broadcast.
            return True
        # What the receiver says after its greeting may arrive where that was lost; it will be said again.
        kind = kind_of(packet)
        if not self._machine.may_receive(kind):
            return self._machine.may_receive(kind, State.READY)
        about_session = isinstance(packet, Resume) or (isinstance(packet, Err) and packet.code >= FIRST_PICTURE_CODE)
        return about_session and not self._intro.answered

    def _take(self, packet: Packet, size: int, now: float) -> None:
        del size
        if not self._answer(packet, now):
            self._take_own(packet, now)
        self._events.extend(self._dispatch.take_events())

    def _take_own(self, packet: Packet, now: float) -> None:
        match packet:
            case Ack():
                self._dispatch.acknowledge(packet, now)
            case Welcome():
                self._welcome(packet, now)
            case Resume(have=have):
                self._dispatch.learn(have, now)
                self._dispatch.refit()
            case Err(code=code, image=image):
                # While resuming, one about a picture tells as well that nothing is known of the session.
                self._dispatch.drop(image, Code.of(code))
                self._dispatch.refit()
            case Want(number=number) | Prio(number=number) | Cancel(pn=number):
                self._take_request(packet, number, now)
            case _:
                pass

    def _welcome(self, welcome: Welcome, now: float) -> None:
        if self._intro.answered:
            return
        before = self._intro.session
        round_trip = self._intro.hear(welcome, now)
        if round_trip is not None:
            self._uplink.round_trip.add(round_trip, now)
        self._seal, self._peer_seal = self._intro.seal, self._intro.peer_seal
        self._mtu = self._uplink.mtu = min(self._mtu, welcome.max_packet)
        self._keepalive = welcome.keepalive
        self._events.append(Welcomed(session=welcome.session.hex(), resumed=before == welcome.session != b""))
        if self.state is State.READY:
            self._dispatch.refit()

    def _take_request(self, packet: Want | Prio | Cancel, number: int, now: float) -> None:
        """Do what the receiver asks for, once, and acknowledge it."""
        self._owes_ack = True
        if self._requests.has(number):
            return
        self._requests.add(number)
        match packet:
            case Want(image=image):
                if not self._dispatch.want(packet) and image:
                    self._queue(Err(code=Code.NOT_HELD, image=image))
            case Prio():
                self._dispatch.prioritise(packet)
            case Cancel(image=image, sections=mask):
                self._dispatch.decline(image, mask, now)

    def _choose_packet(self, now: float, backlog: int) -> bytes | None:
        if self.state is not State.READY:
            return None
        if self._owes_ack:
            ack = Ack(largest=self._requests.largest, missing=self._requests.missing)
            self._owes_ack = False
            if self._courtesy.take(len(self._encode(ack)), now, self.rate):
                return self._encode(ack)
        data = self._dispatch.next_packet(now, backlog, self._encode)
        self._events.extend(self._dispatch.take_events())
        return data

    def _encode(self, packet: Packet) -> bytes:
        return encode_packet(packet, limit=self._mtu, seal=self._seal)

    def _pass_time(self, now: float) -> None:
        if now >= self._greets_at():
            self._greet(now)
        self._dispatch.pass_time(now)
        self._events.extend(self._dispatch.take_events())
        if now >= self._pings_at():
            self._pinged_at = now
            self._queue(Ping(value=round(1000 * now) & 0xFFFF_FFFF))

    def _timers(self) -> Iterator[float]:
        yield self._greets_at()
        yield self._pings_at()
        if self.state is State.READY:
            yield from self._dispatch.timers()

    def _greet(self, now: float) -> None:
        self._queue(self._intro.say(now))

    def _greets_at(self) -> float:
        """When to greet again: over a link that loses packets, or to those who came late."""
        if self._one_way:
            return self._intro.last_at + ANNOUNCE_SECONDS if self.open_pictures else math.inf
        if self.state not in (State.GREETING, State.RESUMING) or self._reliable:
            return math.inf
        return self._intro.again_at()

    def _pings_at(self) -> float:
        if self._one_way or self.state is not State.READY:
            return math.inf
        # Where a ping or its answer may get lost, silence after the first means little.
        hurry = not self._reliable and self._pinged_at > self._heard and not self.unacknowledged
        return max(self._heard, self._pinged_at) + (self._keepalive / IMPATIENCE if hurry else self._keepalive)

    def _suspend(self) -> bool:
        if not self._resumable:
            return False
        self._control.clear()
        self._dispatch.suspend()
        ledger = self._uplink.ledger
        self._packets_before = (self.packets_sent, self.packets_lost)
        ledger.packets_sent = ledger.packets_lost = 0
        self._machine.suspend(known=bool(self._intro.session))
        self._events.append(Suspended())
        return True

    def _closed(self, code: Code, retry: int) -> None:
        self._dispatch.drop_all(Code.DISCONNECTED)
        self._events.extend(self._dispatch.take_events())
        self._events.append(Closed(code=code, retry=retry))
