"""The receiving end of a connection."""

import math
from collections.abc import Iterator, Sequence

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.connection.base import Connection
from protocol.connection.events import ReceiverEvent
from protocol.connection.states import RECEIVER, WATCHER, State
from protocol.receiving.handshake import ReceiverHandshake
from protocol.receiving.reassembly import Held, Reassembly, holds_nothing
from protocol.receiving.requests import Request, Requests
from protocol.receiving.sessions import Sessions
from protocol.recovery.ack_scheduler import AckScheduler
from protocol.wire.codes import Code
from protocol.wire.encoding import encode_packet
from protocol.wire.fields import bits
from protocol.wire.limits import ALL_SECTIONS, MAX_PACKET, Limits
from protocol.wire.packets import ALL_LAYERS, Ack, Cancel, Data, Err, Hello, Offer, Packet, Prio, Repair, Want, kind_of
from protocol.wire.seals import Sealing
from protocol.wire.tokens import Admit, admit_token

#: Why a connection may end and its session still wait for the sender.
_TRANSPORT_GONE = (Code.DISCONNECTED, Code.SILENT, Code.SLOW)


class ReceiverConnection(Connection):
    """Takes pictures from one sender.

    Args:
        session: our id of the connection, at most 16 bytes; another connection's if this one resumes it.
        admit: whom to let in; anyone by default.
        limits: what the sender may make us hold or wait for.
        mtu: the largest packet that the transport takes, in bytes.
        held: which pictures the application has already; these are acknowledged and not told.
        sessions: where sessions are kept whose transport goes away; by default none are.
        one_way: whether nothing can be sent back. Packets then need no greeting, and may come in any order.
        stream: with `one_way`, who sends as far as that is known.
        key: how packets are sealed; with checksums by default, which is enough under TLS or on one machine.
        now: the present, in seconds.
    """

    def __init__(
        self,
        *,
        session: bytes,
        now: float,
        admit: Admit | None = None,
        limits: Limits | None = None,
        mtu: int = MAX_PACKET,
        held: Held = holds_nothing,
        sessions: Sessions | None = None,
        one_way: bool = False,
        stream: bytes = b"",
        key: Sealing | None = None,
    ) -> None:
        rules = WATCHER if one_way else RECEIVER
        super().__init__(rules=rules, limits=limits or Limits(), mtu=mtu, one_way=one_way, key=key, now=now)
        self._reception = ReceiverHandshake(
            id=session,
            stream=stream,
            admit=admit or admit_token(None),
            limits=self._limits,
            held=held,
            sessions=sessions or Sessions(Limits(resume_seconds=0)),
            key=self._key,
            replaced=self._replaced,
        )
        self._receipts = AckScheduler(now)
        self._requests = Requests()

    @property
    def session(self) -> str:
        """Our name of the session, for people."""
        return self._reception.session.id.hex()

    @property
    def stream(self) -> bytes:
        """The sender's id, once it has greeted."""
        return self._reassembly.stream

    @property
    def held(self) -> int:
        """Payload bytes that the peer may make us hold at this moment."""
        return self._reassembly.held

    def want(self, image: int = 0, sections: Sequence[int] = (), fragments: Sequence[int] = ()) -> None:
        """Ask for sections of a picture, for fragments of one section, or with neither for its OFFER.

        Args:
            image: its number; 0 for the newest.
            sections: their indices.
            fragments: their indices; then there is one section.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        mask = sum(1 << section for section in set(sections))
        self._request(Want(self._requests.next_number, image, mask, bits(fragments)))

    def prioritise(self, urgency: int, *, image: int = 0, layer: int | None = None) -> None:
        """Ask for a layer, or all, at another urgency: of a picture, or of all that are open or come.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        layer = ALL_LAYERS if layer is None else layer
        self._request(Prio(number=self._requests.next_number, image=image, layer=layer, urgency=urgency))

    def decline(self, image: int, *, from_layer: int = 0) -> None:
        """Do without the rest of a picture, or of its layers from one on.

        Raises:
            LocalProtocolError: the connection is not open.
        """
        mask = ALL_SECTIONS if from_layer == 0 else self._reassembly.mask_from(image, from_layer)
        self._request(Cancel(pn=self._requests.next_number, image=image, sections=mask))
        self._events.extend(self._reassembly.cancel(image, mask) or [])

    @property
    def _reassembly(self) -> Reassembly:
        return self._reception.session.reassembly

    @property
    def _link_rate(self) -> float:
        # The link's rate as the sender told it; without its word, as one that is not worth sparing.
        return self._reassembly.rate or math.inf

    def _request(self, request: Request) -> None:
        if self.state is not State.READY or self._one_way:
            raise LocalProtocolError(f"nothing can be asked for while the connection is {self.state.name}")
        self._requests.add(request)
        self.wake()

    def _ignores(self, packet: Packet) -> bool:
        if isinstance(packet, Hello) and self.state is State.NEW:
            # A recorded greeting deserves no answer, not even a refusal.
            return not self._key.is_fresh(packet.nonce)
        # To a broadcast anyone may listen in the middle, and nobody can tell the sender what is wrong with it.
        return self._one_way and not self._machine.may_receive(kind_of(packet))

    def _take(self, packet: Packet, size: int, now: float) -> None:
        if not isinstance(packet, Hello):
            self._reception.claim()
        if self._answer(packet, now):
            return
        match packet:
            case Hello():
                self._greet(packet, now)
            case Offer() | Data() | Repair() | Cancel():
                self._take_numbered(packet, size, now)
            case Ack():
                self._requests.acknowledge(packet)
            case _:
                pass

    def _greet(self, hello: Hello, now: float) -> None:
        if self._one_way:
            ended = self._reception.listen(hello)
            if ended is not None:
                self._events.extend(ended.reassembly.cancel_all(Code.DISCONNECTED))
            return
        if self._reception.hello is None:
            self._seal = self._key.welcome(hello.nonce)
            self._reception.accept(hello, now)
            self._mtu = min(self._mtu, hello.max_packet)
            self._receipts.rate = hello.rate
        elif hello != self._reception.hello:
            raise RemoteProtocolError("the peer greeted twice, and differently", Code.PROTOCOL)
        # The greeting may be repeated, and so may the answer.
        self._seal = self._key.welcome(hello.nonce)
        self._queue(self._reception.welcome(self._mtu, self._limits.keepalive_seconds))
        self._seal, self._peer_seal = self._reception.seals()
        word = self._reception.word(self._mtu, self._seal)
        if word is not None:
            self._queue(word)

    def _take_numbered(self, packet: Offer | Data | Repair | Cancel, size: int, now: float) -> None:
        if not self._one_way and self._receipts.has(packet.pn):
            self._receipts.again(now)
            return
        reassembly = self._reassembly
        needless = reassembly.is_finished(packet.image)
        match packet:
            case Offer():
                events: list[ReceiverEvent] | None = reassembly.offer(packet, size, now)
            case Cancel(image=image, sections=mask):
                events = reassembly.cancel(image, mask)
            case _:
                events = reassembly.data(packet, size)
        if events is None:
            return
        self._events.extend(events)
        if self._one_way:
            return
        failure = reassembly.failure_of(packet.image)
        if failure is None or isinstance(packet, Cancel):
            self._receipts.add(packet.pn, packet.image, size, urgent=bool(events), needless=needless, now=now)
            return
        self._receipts.add_failed(packet.pn, packet.image, size, self._mtu - self._seal.size, now)
        if failure is not Code.CANCELLED:
            self._queue(Err(code=failure, image=packet.image))

    def _choose_packet(self, now: float, backlog: int) -> bytes | None:
        del backlog
        if self._one_way:
            return None
        request = self._requests.due(now)
        if request is not None:
            return encode_packet(request, limit=self._mtu, seal=self._seal)
        ack = self._receipts.ack(now, self._mtu - self._seal.size, self._reassembly.done_mask)
        return None if ack is None else encode_packet(ack, limit=self._mtu, seal=self._seal)

    def _pass_time(self, now: float) -> None:
        if self.state is State.NEW and now >= self._born + self._limits.hello_seconds:
            self._fail(Code.HELLO_TIMEOUT)
            raise RemoteProtocolError("the peer did not greet in time", Code.HELLO_TIMEOUT)
        self._events.extend(self._reassembly.expire(now))

    def _timers(self) -> Iterator[float]:
        if self.state is State.NEW:
            yield self._born + self._limits.hello_seconds
        yield self._receipts.next_ack()
        yield self._requests.next_due()
        yield self._reassembly.next_expiry()

    def _may_say_goodbye(self) -> bool:
        return not self._one_way

    def _replaced(self) -> None:
        self._fail(Code.REPLACED)
        self.wake()

    def _closed(self, code: Code, retry: int) -> None:
        del retry
        if code in _TRANSPORT_GONE and self._reception.leave(self._now):
            return
        self._reception.end()
        self._events.extend(self._reassembly.cancel_all(Code.DISCONNECTED if code is Code.DONE else code))
