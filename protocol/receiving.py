"""The receiving end of a connection."""

from collections import OrderedDict
from collections.abc import Iterator

from layercast_errors import RemoteProtocolError
from protocol.acknowledgement import Arrivals
from protocol.codes import HIGHEST_VERSION, LOWEST_VERSION, Code, Role
from protocol.connection import Connection
from protocol.events import ReceiverEvent
from protocol.ledger import ACK_DELAY
from protocol.limits import MAX_DONE, MAX_PACKET, Limits
from protocol.packets import Ack, Cancel, Data, Done, Err, Hello, Offer, Packet, Welcome, encode_packet
from protocol.reassembly import Reassembly
from protocol.states import RECEIVER, State
from protocol.tokens import same_token

#: Packets that may arrive before an ACK must leave.
ACK_EVERY = 2


class ReceiverConnection(Connection):
    """Takes pictures from one sender.

    Args:
        session: our name of the connection, at most 16 bytes of ASCII.
        token: what the sender must know, or None to take anyone.
        limits: what the sender may make us hold or wait for.
        mtu: the largest packet that the transport takes, in bytes.
        now: the present, in seconds.
    """

    def __init__(self, *, session: str, token: str | None, limits: Limits, mtu: int = MAX_PACKET, now: float) -> None:
        super().__init__(rules=RECEIVER, limits=limits, now=now)
        self.session = session
        self._token = token
        self._mtu = min(mtu, MAX_PACKET)
        self._hello: Hello | None = None
        self._epoch: int | None = None
        self._arrivals = Arrivals()
        self._reassembly = Reassembly(session=session, rate=0, limits=limits)
        self._waiting = 0
        self._ack_at: float | None = None
        self._largest_at = now
        self._touched: OrderedDict[int, None] = OrderedDict()

    @property
    def held(self) -> int:
        """Payload bytes that the peer may make us hold at this moment."""
        return self._reassembly.held

    def _take(self, packet: Packet, size: int, now: float) -> None:
        if self._answer(packet):
            return
        if isinstance(packet, Hello):
            self._greet(packet)
        elif isinstance(packet, Offer | Data | Cancel):
            self._take_numbered(packet, size, now)

    def _greet(self, hello: Hello) -> None:
        if self._hello is not None:
            if hello != self._hello:
                raise RemoteProtocolError("the peer greeted twice, and differently", Code.PROTOCOL)
        elif hello.role != Role.SENDER:
            raise RemoteProtocolError("the peer wants to receive, too", Code.ROLE)
        elif hello.lowest > HIGHEST_VERSION or hello.highest < LOWEST_VERSION:
            raise RemoteProtocolError("the peer speaks no version that we do", Code.VERSION)
        elif self._token is not None and not same_token(hello.token, self._token):
            raise RemoteProtocolError("the peer's token is wrong", Code.AUTHENTICATION)
        else:
            self._hello = hello
            self._reassembly = Reassembly(session=self.session, rate=hello.rate, limits=self._limits)
        self._queue(
            Welcome(
                version=min(HIGHEST_VERSION, hello.highest),
                session=self.session.encode(),
                max_packet=self._mtu,
                keepalive=self._limits.keepalive_seconds,
            )
        )

    def _take_numbered(self, packet: Offer | Data | Cancel, size: int, now: float) -> None:
        if self._arrivals.has(packet.pn):
            self._ack_at = now
            return
        if isinstance(packet, Offer):
            if self._epoch not in (None, packet.epoch):
                raise RemoteProtocolError("the peer changed its epoch within a connection", Code.PROTOCOL)
            self._epoch = packet.epoch
            events: list[ReceiverEvent] | None = self._reassembly.offer(packet, size)
        elif isinstance(packet, Data):
            events = self._reassembly.data(packet, size)
        else:
            events = self._reassembly.cancel(packet.image)
        if events is None:
            return
        self._events.extend(events)
        self._note(packet, urgent=bool(events), now=now)
        failure = self._reassembly.failure_of(packet.image)
        if failure not in (None, Code.CANCELLED):
            self._queue(Err(code=failure, image=packet.image))

    def _note(self, packet: Offer | Data | Cancel, *, urgent: bool, now: float) -> None:
        """Decide when the packet is acknowledged: at once if it brought news or came out of order, else soon."""
        in_order = self._arrivals.add(packet.pn)
        if self._arrivals.largest == packet.pn:
            self._largest_at = now
        self._touched[packet.image] = None
        self._touched.move_to_end(packet.image)
        if len(self._touched) > MAX_DONE:
            self._touched.popitem(last=False)
        self._waiting += 1
        if urgent or not in_order or self._waiting >= ACK_EVERY:
            self._ack_at = now
        elif self._ack_at is None:
            self._ack_at = now + ACK_DELAY

    def _choose_packet(self, now: float) -> bytes | None:
        if self._ack_at is None or now < self._ack_at or not self._arrivals.largest:
            return None
        # An ACK's fixed part is at most 24 bytes and a row of its list at most 11; old rows may be missing.
        room = min(MAX_DONE, (self._mtu - 24) // 11)
        masks = ((image, self._reassembly.done_mask(image)) for image in self._touched)
        ack = Ack(
            largest=self._arrivals.largest,
            delay=min(0xFFFF, round(1000 * (now - self._largest_at))),
            missing=self._arrivals.missing,
            done=tuple(Done(image=image, sections=mask) for image, mask in masks if mask)[-room:],
        )
        self._ack_at = None
        self._waiting = 0
        self._touched.clear()
        return encode_packet(ack, limit=self._mtu)

    def _pass_time(self, now: float) -> None:
        if self.state is State.NEW and now >= self._born + self._limits.hello_seconds:
            self._fail(Code.HELLO_TIMEOUT)
            raise RemoteProtocolError("the peer did not greet in time", Code.HELLO_TIMEOUT)

    def _timers(self) -> Iterator[float]:
        if self.state is State.NEW:
            yield self._born + self._limits.hello_seconds
        if self._ack_at is not None:
            yield self._ack_at

    def _closed(self, code: Code) -> None:
        reason = Code.DISCONNECTED if code is Code.DONE else code
        self._events.extend(self._reassembly.cancel_all(reason))
