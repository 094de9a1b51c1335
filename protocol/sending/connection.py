"""The sending end of a connection."""

import math
from collections.abc import Iterator, Sequence
from dataclasses import replace

from layercast_common.errors import LocalProtocolError
from protocol.connection.base import Connection
from protocol.connection.events import Closed, SenderEvent, Suspended, Welcomed
from protocol.connection.states import BROADCASTER, SENDER, State
from protocol.recovery.path import NetworkPath, PathOptions
from protocol.sending.handshake import SenderCredentials, SenderHandshake
from protocol.sending.peer_requests import PeerRequests
from protocol.sending.pictures.fragmentation import OutgoingSection, PictureToSend
from protocol.sending.pictures.picture import OutgoingPicture
from protocol.sending.probe_timers import ProbeTimers
from protocol.sending.send_queue import SendQueue
from protocol.sending.statistics import LinkStatistics
from protocol.wire.codes import FIRST_PICTURE_CODE, Code
from protocol.wire.limits import MAX_PACKET, Limits
from protocol.wire.packets import Ack, Cancel, Err, Packet, Ping, Prio, Resume, Want, Welcome, kind_of
from protocol.wire.seals import Sealing


class SenderConnection(Connection[SenderEvent]):
    """Sends pictures to one receiver, the most urgent bytes of the newest picture first.

    Args:
        now: the current time, in seconds.
        credentials: how the sender identifies itself; anonymous by default.
        path: the properties of the transport.
        resumable: whether the pictures wait for another transport when this one is lost.
        key: seals the packets; with checksums by default, which suffice under TLS or on one machine.
        limits: bounds on what the receiver may make this side wait for.
    """

    def __init__(
        self,
        *,
        now: float,
        credentials: SenderCredentials | None = None,
        path: PathOptions | None = None,
        resumable: bool = False,
        key: Sealing | None = None,
        limits: Limits | None = None,
    ) -> None:
        path = path or PathOptions()
        rules = BROADCASTER if path.one_way else SENDER
        limits = limits or Limits()
        super().__init__(rules=rules, limits=limits, mtu=path.mtu, one_way=path.one_way, key=key, now=now)
        self._resumable = resumable
        self._handshake = SenderHandshake(credentials or SenderCredentials(), self._codec.key)
        self._sent_before = self._lost_before = 0
        self._send_queue = SendQueue(self._start_path(path, now))
        self._send_hello(now)

    @property
    def statistics(self) -> LinkStatistics:
        """The measurements of the link."""
        return LinkStatistics.of(self.path, sent_before=self._sent_before, lost_before=self._lost_before)

    @property
    def open_pictures(self) -> int:
        """The number of pictures offered and not finished."""
        return self._send_queue.open_pictures

    def offer(
        self,
        head: bytes,
        sections: Sequence[OutgoingSection],
        *,
        jpeg_size: int = 0,
        deadline: float = math.inf,
        picture_id: int | None = None,
    ) -> int:
        """Offer a picture, and return its number.

        Args:
            head: opaque header, at most 256 bytes.
            sections: 1 to 32 sections, in the stream's order.
            jpeg_size: size of a JPEG of the original, in bytes; 0 if unknown.
            deadline: when the unsent rest is cancelled, in seconds of the connection's clock.
            picture_id: the number, if the owner chooses it; by default one more than the highest so far. The receiver
                discards a picture that it already received with the same stream id, epoch and number.

        Raises:
            LocalProtocolError: the connection is not open, the picture exceeds a limit, too many pictures are open, or
                one with this number is.
        """
        if self.state not in (State.READY, State.SUSPENDED, State.RESUMING):
            raise LocalProtocolError(f"a picture cannot be offered while the connection is {self.state.name}")
        if self.open_pictures >= self._limits.open_pictures:
            raise LocalProtocolError(f"{self.open_pictures} pictures are unfinished; await one before offering more")
        number = self._send_queue.next_picture_id if picture_id is None else picture_id
        picture = PictureToSend(
            picture_id=number, head=head, sections=tuple(sections), jpeg_size=jpeg_size, deadline=deadline
        )
        if picture.size > self._limits.peer_bytes:
            raise LocalProtocolError(f"a picture is at most {self._limits.peer_bytes} bytes, not {picture.size}")
        self._send_queue.offer(OutgoingPicture(picture, self.path.packet_sizes(picture.size)))
        self.wake()
        return number

    def cancel(self, picture_id: int, code: Code = Code.CANCELLED, *, from_layer: int = 0) -> None:
        """Cancel a picture, or its layers from one on: stop sending it, and announce that to the receiver.

        If layers remain, the picture continues and ends as done with the others in `dropped`. A finished picture is
        left alone.
        """
        self._send_queue.cancel(picture_id, code, from_layer)
        self._events.extend(self._send_queue.take_events())
        self.wake()

    def resume(self, now: float, path: PathOptions) -> None:
        """Continue over another transport: send HELLO, and then what the receiver does not hold yet.

        Args:
            now: the current time, in seconds.
            path: the properties of the transport.

        Raises:
            LocalProtocolError: the connection is not suspended, or only one of the two transports is one-way.
        """
        if self.state not in (State.SUSPENDED, State.NEW):
            raise LocalProtocolError(f"a connection that is {self.state.name} has nothing to resume")
        if path.one_way != self._one_way:
            raise LocalProtocolError("a one-way connection resumes over a one-way transport, and no other does")
        self._last_received_at = now
        self._send_queue.path = self._start_path(path, now)
        self._send_hello(now)
        if self._one_way:
            # There is no RESUME to wait for.
            self._send_queue.refragment()

    @property
    def path(self) -> NetworkPath:
        """The path over the present transport."""
        return self._send_queue.path

    @property
    def _link_rate(self) -> float:
        return self.path.pacer.rate

    def _start_path(self, path: PathOptions, now: float) -> NetworkPath:
        path = replace(path, mtu=min(path.mtu, MAX_PACKET))
        self._handshake.start(path)
        self._codec.mtu = path.mtu
        self._codec.seal, self._codec.peer_seal = self._handshake.seal, self._handshake.peer_seal
        self._requests = PeerRequests()
        network_path = NetworkPath(path, check=self._codec.seal.size)
        keepalive = self._limits.keepalive_seconds
        self._probe_timers = ProbeTimers(self._handshake, network_path, keepalive=keepalive, now=now)
        return network_path

    def _ignores(self, packet: Packet) -> bool:
        if self._one_way:
            return True
        # Packets that follow WELCOME may arrive although WELCOME was lost; the receiver repeats them.
        kind = kind_of(packet)
        if not self._machine.may_receive(kind):
            return self._machine.may_receive(kind, State.READY)
        about_session = isinstance(packet, Resume) or (isinstance(packet, Err) and packet.code >= FIRST_PICTURE_CODE)
        return about_session and not self._handshake.answered

    def _on_packet(self, packet: Packet, size: int, now: float) -> None:
        del size
        if not self._handle_common(packet, now):
            self._handle_packet(packet, now)
        self._events.extend(self._send_queue.take_events())

    def _handle_packet(self, packet: Packet, now: float) -> None:
        match packet:
            case Ack():
                self._send_queue.on_ack_received(packet, now)
            case Welcome():
                self._on_welcome(packet, now)
            case Resume(have=have):
                self._send_queue.on_resume(have, now)
                self._send_queue.refragment()
            case Err(code=code, image=picture_id):
                # While resuming, this also means that the session is unknown.
                self._send_queue.end_picture(picture_id, Code.of(code))
                self._send_queue.refragment()
            case Want(number=number) | Prio(number=number) | Cancel(pn=number):
                error = self._send_queue.on_request(packet, now) if self._requests.accept(number) else None
                if error is not None:
                    self._queue(error)
            case _:
                pass

    def _on_welcome(self, welcome: Welcome, now: float) -> None:
        if self._handshake.answered:
            return
        session_before = self._handshake.session
        round_trip = self._handshake.on_welcome(welcome, now)
        if round_trip is not None:
            self.path.rtt.update(round_trip, now)
        self._codec.seal, self._codec.peer_seal = self._handshake.seal, self._handshake.peer_seal
        self._codec.mtu = self.path.mtu = min(self._codec.mtu, welcome.max_packet)
        self._probe_timers.keepalive = welcome.keepalive
        self._events.append(Welcomed(session=welcome.session.hex(), resumed=session_before == welcome.session != b""))
        if self.state is State.READY:
            self._send_queue.refragment()

    def _choose_packet(self, now: float, backlog: int) -> bytes | None:
        if self.state is not State.READY:
            return None
        ack = self._requests.take_ack()
        if ack is not None:
            data = self._codec.encode(ack)
            if self._reply_budget.spend(len(data), now, self._link_rate):
                return data
        packet = self._send_queue.next_packet(now, backlog, self._codec.encode)
        self._events.extend(self._send_queue.take_events())
        return packet

    def _on_tick(self, now: float) -> None:
        if now >= self._probe_timers.hello_at(self.state, self.open_pictures):
            self._send_hello(now)
        self._send_queue.on_tick(now)
        self._events.extend(self._send_queue.take_events())
        if now >= self._probe_timers.ping_at(self.state, self._last_received_at):
            self._probe_timers.last_ping_at = now
            self._queue(Ping(value=round(1000 * now) & 0xFFFF_FFFF))

    def _timers(self) -> Iterator[float]:
        yield self._probe_timers.hello_at(self.state, self.open_pictures)
        yield self._probe_timers.ping_at(self.state, self._last_received_at)
        if self.state is State.READY:
            yield from self._send_queue.timers()

    def _send_hello(self, now: float) -> None:
        self._queue(self._handshake.hello(now))

    def _suspend(self) -> bool:
        if not self._resumable:
            return False
        self._control.clear()
        self._send_queue.suspend()
        detector = self.path.loss_detector
        self._sent_before += detector.packets_sent
        self._lost_before += detector.packets_lost
        detector.packets_sent = detector.packets_lost = 0
        self._machine.suspend(known=bool(self._handshake.session))
        self._events.append(Suspended())
        return True

    def _on_closed(self, code: Code, retry: int) -> None:
        self._send_queue.end_all(Code.DISCONNECTED)
        self._events.extend((*self._send_queue.take_events(), Closed(code=code, retry=retry)))
