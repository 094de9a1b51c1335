"""The receiving end of a connection."""

import math
from collections.abc import Iterator, Sequence

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.connection.base import Connection
from protocol.connection.events import ReceiverEvent
from protocol.connection.states import RECEIVER, WATCHER, State
from protocol.receiving.handshake import ReceiverHandshake
from protocol.receiving.options import ReceiverOptions
from protocol.receiving.reassembly import Reassembly
from protocol.receiving.requests import Request, Requests
from protocol.recovery.ack_scheduler import AckScheduler
from protocol.wire.codes import Code
from protocol.wire.fields import bits
from protocol.wire.limits import ALL_SECTIONS, MAX_PACKET
from protocol.wire.packets import ALL_LAYERS, Ack, Cancel, Data, Err, Hello, Offer, Packet, Prio, Repair, Want, kind_of

#: The reasons after which the session waits for the sender.
_TRANSPORT_LOST = (Code.DISCONNECTED, Code.SILENT, Code.SLOW)


class ReceiverConnection(Connection[ReceiverEvent]):
    """Receives pictures from one sender.

    Args:
        session: the id of a new session, at most 16 bytes; a resumed session keeps its own.
        now: the current time, in seconds.
        options: the receiver's policy.
        mtu: the largest packet that the transport carries, in bytes.
        one_way: whether nothing can be sent back. Packets then need no HELLO, and may arrive in any order.
        stream_id: with `one_way`, the sender's id as far as the transport provides it.
    """

    def __init__(
        self,
        *,
        session: bytes,
        now: float,
        options: ReceiverOptions | None = None,
        mtu: int = MAX_PACKET,
        one_way: bool = False,
        stream_id: bytes = b"",
    ) -> None:
        rules = WATCHER if one_way else RECEIVER
        options = options or ReceiverOptions()
        super().__init__(rules=rules, limits=options.limits, mtu=mtu, one_way=one_way, key=options.key, now=now)
        self._handshake = ReceiverHandshake(
            options, session_id=session, stream_id=stream_id, on_replaced=self._on_replaced
        )
        self._ack_scheduler = AckScheduler(now)
        self._requests = Requests()

    @property
    def session(self) -> str:
        """The id of the session, in hexadecimal."""
        return self._handshake.session.id.hex()

    @property
    def stream_id(self) -> bytes:
        """The sender's id, known after HELLO."""
        return self._reassembly.stream_id

    @property
    def held(self) -> int:
        """The most payload bytes that the open pictures may make this side hold."""
        return self._reassembly.held

    def request_sections(
        self, picture_id: int = 0, sections: Sequence[int] = (), fragments: Sequence[int] = ()
    ) -> None:
        """Send WANT: request sections of a picture, fragments of one section, or without either the OFFER.

        Args:
            picture_id: the picture; 0 for the newest.
            sections: indices of sections.
            fragments: indices of fragments; only with one section.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        mask = sum(1 << section for section in set(sections))
        self._request(Want(self._requests.next_number, picture_id, mask, bits(fragments)))

    def prioritise(self, urgency: int, *, picture_id: int = 0, layer: int | None = None) -> None:
        """Send PRIO: request another urgency.

        Args:
            urgency: 0 first, 7 last.
            picture_id: the picture; 0 for all open and future pictures.
            layer: the layer; None for all layers.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        layer = ALL_LAYERS if layer is None else layer
        self._request(Prio(number=self._requests.next_number, image=picture_id, layer=layer, urgency=urgency))

    def decline(self, picture_id: int, *, from_layer: int = 0) -> None:
        """Send CANCEL: decline the rest of a picture, or of its layers from one on.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        mask = ALL_SECTIONS if from_layer == 0 else self._reassembly.mask_from(picture_id, from_layer)
        self._request(Cancel(pn=self._requests.next_number, image=picture_id, sections=mask))
        self._events.extend(self._reassembly.on_cancel(picture_id, mask) or [])

    def refuse(self, picture_id: int) -> None:
        """Send ERR: the application cannot read a picture. It is not acknowledged, and ends for the sender as well."""
        self._events.extend(self._reassembly.refuse(picture_id))
        if not self._one_way:
            self._queue(Err(code=Code.UNREADABLE, image=picture_id))
            self.wake()

    @property
    def _reassembly(self) -> Reassembly:
        return self._handshake.session.reassembly

    @property
    def _link_rate(self) -> float:
        # An unknown rate does not limit the replies.
        return self._reassembly.rate or math.inf

    def _request(self, request: Request) -> None:
        if self.state is not State.READY or self._one_way:
            raise LocalProtocolError(f"a request cannot be sent while the connection is {self.state.name}")
        self._requests.add(request)
        self.wake()

    def _ignores(self, packet: Packet) -> bool:
        if isinstance(packet, Hello) and self.state is State.NEW:
            # A replayed HELLO gets no answer, not even a refusal.
            return not self._codec.key.is_fresh(packet.nonce)
        # A watcher may join a broadcast at any time, and cannot report protocol errors.
        return self._one_way and not self._machine.may_receive(kind_of(packet))

    def _on_packet(self, packet: Packet, size: int, now: float) -> None:
        if not isinstance(packet, Hello):
            self._handshake.claim()
        if self._handle_common(packet, now):
            return
        match packet:
            case Hello():
                self._on_hello(packet, now)
            case Offer() | Data() | Repair() | Cancel():
                self._on_numbered(packet, size, now)
            case Ack():
                self._requests.on_ack_received(packet)
            case _:
                pass

    def _on_hello(self, hello: Hello, now: float) -> None:
        if self._one_way:
            ended = self._handshake.on_broadcast_hello(hello)
            if ended is not None:
                self._events.extend(ended.reassembly.cancel_all(Code.DISCONNECTED))
            return
        codec = self._codec
        if self._handshake.hello is None:
            codec.seal = codec.key.welcome(hello.nonce)
            self._handshake.on_hello(hello, now)
            codec.mtu = min(codec.mtu, hello.max_packet)
            self._ack_scheduler.rate = hello.rate
        elif hello != self._handshake.hello:
            raise RemoteProtocolError("the peer sent two different HELLO packets", Code.PROTOCOL)
        # A repeated HELLO gets the same answer.
        codec.seal = codec.key.welcome(hello.nonce)
        self._queue(self._handshake.welcome(codec.mtu, self._limits.keepalive_seconds))
        codec.seal, codec.peer_seal = self._handshake.seals()
        reply = self._handshake.session_reply(codec.mtu, codec.seal)
        if reply is not None:
            self._queue(reply)

    def _on_numbered(self, packet: Offer | Data | Repair | Cancel, size: int, now: float) -> None:
        if not self._one_way and self._ack_scheduler.has(packet.pn):
            self._ack_scheduler.on_duplicate(now)
            return
        reassembly = self._reassembly
        needless = reassembly.is_finished(packet.image)
        match packet:
            case Offer():
                events: list[ReceiverEvent] | None = reassembly.on_offer(packet, size, now)
            case Cancel(image=picture_id, sections=mask):
                events = reassembly.on_cancel(picture_id, mask)
            case _:
                events = reassembly.on_data(packet, size)
        if events is None:
            return
        self._events.extend(events)
        if self._one_way:
            return
        failure = reassembly.failure_of(packet.image)
        scheduler = self._ack_scheduler
        if failure is None or isinstance(packet, Cancel):
            urgent = bool(events)
            scheduler.on_packet_received(packet.pn, packet.image, size, urgent=urgent, needless=needless, now=now)
            return
        scheduler.on_failed_packet(packet.pn, packet.image, size, self._codec.room, now)
        if failure is not Code.CANCELLED:
            self._queue(Err(code=failure, image=packet.image))

    def _choose_packet(self, now: float, backlog: int) -> bytes | None:
        del backlog
        if self._one_way:
            return None
        request = self._requests.take_due(now)
        if request is not None:
            return self._codec.encode(request)
        ack = self._ack_scheduler.take_ack(now, self._codec.room, self._reassembly.done_mask)
        return None if ack is None else self._codec.encode(ack)

    def _on_tick(self, now: float) -> None:
        if self.state is State.NEW and now >= self._opened_at + self._limits.hello_seconds:
            self.abort(Code.HELLO_TIMEOUT)
            raise RemoteProtocolError("the peer sent no HELLO in time", Code.HELLO_TIMEOUT)
        self._events.extend(self._reassembly.expire(now))

    def _timers(self) -> Iterator[float]:
        if self.state is State.NEW:
            yield self._opened_at + self._limits.hello_seconds
        yield self._ack_scheduler.next_timer()
        yield self._requests.next_timer()
        yield self._reassembly.next_expiry()

    def _on_replaced(self) -> None:
        self.abort(Code.REPLACED)
        self.wake()

    def _on_closed(self, code: Code, retry: int) -> None:
        del retry
        if code in _TRANSPORT_LOST and self._handshake.suspend(self._now):
            return
        self._handshake.end()
        self._events.extend(self._reassembly.cancel_all(Code.DISCONNECTED if code is Code.DONE else code))
