"""The receiving end of a connection."""

import math
from collections.abc import Iterator, Sequence

from layercast_errors import LocalProtocolError, RemoteProtocolError
from protocol.codes import VERSIONS, Code, Role
from protocol.connection import Connection
from protocol.events import ReceiverEvent
from protocol.limits import ALL_SECTIONS, MAX_HELD, MAX_PACKET, Limits
from protocol.packets import (
    ALL_LAYERS,
    Ack,
    Cancel,
    Data,
    Err,
    Have,
    Hello,
    Offer,
    Packet,
    Prio,
    Repair,
    Resume,
    Want,
    Welcome,
    bits,
    kind_of,
)
from protocol.reassembly import Held, Reassembly, holds_nothing
from protocol.receipts import Receipts
from protocol.requests import Request, Requests
from protocol.seals import EitherSeal, Sealing
from protocol.sessions import Session, Sessions
from protocol.states import RECEIVER, WATCHER, State
from protocol.tokens import Admit, admit_token
from protocol.wire import encode_packet

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
        self._id = session
        self._admit = admit or admit_token(None)
        self._held = held
        self._sessions = sessions or Sessions(Limits(resume_seconds=0))
        self._hello: Hello | None = None
        self._nonce = self._key.nonce()
        self._session = self._new_session(stream, 0, 0)
        self._resumes = False
        self._claimed = False
        self._receipts = Receipts(now)
        self._requests = Requests()

    @property
    def session(self) -> str:
        """Our name of the session, for people."""
        return self._session.id.hex()

    @property
    def stream(self) -> bytes:
        """The sender's id, once it has greeted."""
        return self._session.reassembly.stream

    @property
    def held(self) -> int:
        """Payload bytes that the peer may make us hold at this moment."""
        return self._session.reassembly.held

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
        reassembly = self._session.reassembly
        mask = ALL_SECTIONS if from_layer == 0 else reassembly.mask_from(image, from_layer)
        self._events.extend(reassembly.cancel(image, mask) or [])
        self._request(Cancel(pn=self._requests.next_number, image=image, sections=mask))

    @property
    def _link_rate(self) -> float:
        # The link's rate as the sender told it; without its word, as one that is not worth sparing.
        return self._session.reassembly.rate or math.inf

    def _new_session(self, stream: bytes, epoch: int, rate: int) -> Session:
        reassembly = Reassembly(
            session=self._id.hex(), limits=self._limits, rate=rate, stream=stream, epoch=epoch, held=self._held
        )
        return Session(self._id, reassembly)

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
            self._claim()
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
            self._session.reassembly.rate = hello.rate
            return
        if self._hello is None:
            self._seal = self._key.welcome(hello.nonce)
            self._check(hello)
            self._hello = hello
            self._mtu = min(self._mtu, hello.max_packet)
            self._begin(hello, now)
        elif hello != self._hello:
            raise RemoteProtocolError("the peer greeted twice, and differently", Code.PROTOCOL)
        self._welcome(hello)

    def _check(self, hello: Hello) -> None:
        if hello.role != Role.SENDER:
            raise RemoteProtocolError("the peer wants to receive, too", Code.ROLE)
        if not hello.versions & VERSIONS:
            raise RemoteProtocolError("the peer speaks no version that we do", Code.VERSION)
        refusal = self._admit(hello)
        if refusal is not None:
            raise RemoteProtocolError(f"the peer is not let in: {refusal.text}", refusal)

    def _begin(self, hello: Hello, now: float) -> None:
        """Take up the session that the sender has here, or begin one."""
        known = self._sessions.find(hello, now)
        self._resumes = known is not None
        self._session = known or self._new_session(hello.stream, hello.epoch, hello.rate)
        if not self._key.proves:
            self._claim()

    def _claim(self) -> None:
        """Take hold of the session. Under a key, only when the peer has shown that its greeting was no recorded one."""
        if self._claimed or self._hello is None:
            return
        self._claimed = True
        if self._resumes:
            self._session.reassembly.reconnect(self._hello.rate)
        self._sessions.take(self._session, self._replaced)

    def _welcome(self, hello: Hello) -> None:
        """Answer a greeting. It may be repeated, and so may this be."""
        self._seal = self._key.welcome(hello.nonce)
        self._queue(
            Welcome(
                version=(hello.versions & VERSIONS).bit_length(),
                session=self._session.id,
                resume_ttl=self._sessions.seconds,
                keepalive=self._limits.keepalive_seconds,
                max_packet=self._mtu,
                nonce=self._nonce,
            )
        )
        self._seal = self._key.session(hello.nonce, self._nonce, Role.RECEIVER)
        self._peer_seal = EitherSeal(self._key.session(hello.nonce, self._nonce, Role.SENDER), self._key.hello())
        if self._resumes:
            self._queue(self._resume_packet())
        elif hello.resume:
            self._queue(Err(code=Code.UNKNOWN_SESSION))

    def _resume_packet(self) -> Resume:
        """What we hold, as far as one packet can tell it; the rest comes again, which only costs time."""
        have: list[Have] = []
        for row in self._session.reassembly.have():
            whole = Resume(have=(*have, row))
            if len(have) >= MAX_HELD or not self._fits(whole):
                break
            have.append(row)
        return Resume(have=tuple(have))

    def _fits(self, packet: Packet) -> bool:
        try:
            encode_packet(packet, limit=self._mtu, seal=self._seal)
        except LocalProtocolError:
            return False
        return True

    def _take_numbered(self, packet: Offer | Data | Repair | Cancel, size: int, now: float) -> None:
        if not self._one_way and self._receipts.has(packet.pn):
            self._receipts.again(now)
            return
        reassembly = self._session.reassembly
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
            self._receipts.add(packet.pn, packet.image, urgent=bool(events), needless=needless, now=now)
            return
        self._receipts.add_failed(packet.pn, packet.image, self._mtu - self._seal.size, now)
        if failure is not Code.CANCELLED:
            self._queue(Err(code=failure, image=packet.image))

    def _choose_packet(self, now: float) -> bytes | None:
        if self._one_way:
            return None
        request = self._requests.due(now)
        if request is not None:
            return encode_packet(request, limit=self._mtu, seal=self._seal)
        ack = self._receipts.ack(now, self._mtu - self._seal.size, self._session.reassembly.done_mask)
        return None if ack is None else encode_packet(ack, limit=self._mtu, seal=self._seal)

    def _pass_time(self, now: float) -> None:
        if self.state is State.NEW and now >= self._born + self._limits.hello_seconds:
            self._fail(Code.HELLO_TIMEOUT)
            raise RemoteProtocolError("the peer did not greet in time", Code.HELLO_TIMEOUT)
        self._events.extend(self._session.reassembly.expire(now))

    def _timers(self) -> Iterator[float]:
        if self.state is State.NEW:
            yield self._born + self._limits.hello_seconds
        yield self._receipts.next_ack()
        yield self._requests.next_due()
        yield self._session.reassembly.next_expiry()

    def _may_say_goodbye(self) -> bool:
        return not self._one_way

    def _replaced(self) -> None:
        """Another connection has our session now: leave, without touching it."""
        self._session = self._new_session(b"", 0, 0)
        self._claimed = False
        self._fail(Code.REPLACED)
        self.wake()

    def _closed(self, code: Code, retry: int) -> None:
        del retry
        session = self._session
        if not self._claimed and not self._one_way:
            return
        if code in _TRANSPORT_GONE and self._claimed and self._sessions.seconds:
            self._sessions.leave(session, self._now)
            return
        self._sessions.end(session)
        reason = Code.DISCONNECTED if code is Code.DONE else code
        self._events.extend(session.reassembly.cancel_all(reason))
