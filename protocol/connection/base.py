"""What both ends of a connection share: no socket, no clock, no await.

bytes in   receive(packet, now)            raises RemoteProtocolError when the peer broke a rule; the reason is queued
bytes out  next_packet(now) -> bytes|None  the packet to send at this very moment
time       tick(now), next_wakeup()        what happens though nothing arrives
news       take_events()
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator

from layercast_common.errors import DisconnectedError, PacketError, RemoteProtocolError
from protocol.connection.events import Event
from protocol.connection.states import Machine, Rules, State
from protocol.recovery.pacing import TokenBucket
from protocol.wire.codes import FIRST_PICTURE_CODE, Code
from protocol.wire.encoding import decode_packet, encode_packet
from protocol.wire.limits import MAX_PACKET, Limits
from protocol.wire.packets import Bye, Err, Packet, Ping, Pong, kind_of
from protocol.wire.seals import UNKEYED, Seal, Sealing

#: Control packets that may wait to be sent; a peer that asks faster than it reads is not answered.
MAX_CONTROL = 32


class Connection(ABC):
    """One end of a conversation. Times are seconds of any steady clock, passed in.

    Args:
        rules: the role's conversation.
        limits: what the peer may make us hold or wait for.
        mtu: the largest packet that the transport takes, in bytes.
        one_way: whether nothing comes back, or can be sent back.
        key: how packets are sealed; by default with checksums.
        now: the present.
    """

    def __init__(
        self, *, rules: Rules, limits: Limits, mtu: int, one_way: bool, key: Sealing | None, now: float
    ) -> None:
        self._machine = Machine(rules)
        self._limits = limits
        self._mtu = min(mtu, MAX_PACKET)
        self._key = key or UNKEYED
        #: How our packets are sealed, and how the peer's are.
        self._seal: Seal = self._key.broadcast() if one_way else self._key.hello()
        self._peer_seal: Seal = self._seal
        self._one_way = one_way
        self._born = now
        self._heard = now
        self._now = now
        self._control: deque[bytes] = deque()
        self._courtesy = TokenBucket()
        self._events: deque[Event] = deque()
        self._bad: deque[float] = deque(maxlen=limits.bad_packets)
        self.bad_packets = 0
        #: Why the connection closed; None while it is open.
        self.ended: Code | None = None
        #: Called when there is something new to do, so that whoever runs the connection looks again.
        self.wake: Callable[[], None] = _nobody

    @property
    def state(self) -> State:
        """Where the connection stands."""
        return self._machine.state

    @property
    def finished(self) -> bool:
        """Whether it is closed and has nothing left to send."""
        return self.state is State.CLOSED and not self._control

    def take_events(self) -> list[Event]:
        """What happened since the last call, in order."""
        events = list(self._events)
        self._events.clear()
        return events

    def receive(self, data: bytes, now: float) -> None:
        """Take one packet from the peer.

        Raises:
            RemoteProtocolError: the peer broke a rule; the connection is closed, and `next_packet` tells the peer why.
        """
        self._now = now
        if self.state in (State.CLOSED, State.SUSPENDED):
            return
        try:
            packet = decode_packet(data, seal=self._peer_seal)
        except PacketError:
            self._count_bad(now)
            return
        self._heard = now
        if packet is None or self._ignores(packet):
            return
        try:
            self._machine.receive(kind_of(packet))
            self._take(packet, len(data), now)
        except RemoteProtocolError as error:
            self._fail(Code.of(error.code))
            raise

    def tick(self, now: float) -> None:
        """Let time pass.

        Raises:
            RemoteProtocolError: the peer was silent for too long; as in `receive`.
            DisconnectedError: it was, and the connection is suspended for it.
        """
        self._now = now
        if self.state in (State.CLOSED, State.SUSPENDED):
            return
        if now >= self._silent_at():
            if self._suspend():
                raise DisconnectedError("the peer fell silent")
            self._fail(Code.SILENT)
            raise RemoteProtocolError("the peer fell silent", Code.SILENT)
        self._pass_time(now)

    def next_packet(self, now: float, backlog: int = 0) -> bytes | None:
        """The packet to send now, or None if none may leave at this moment.

        Args:
            now: the present.
            backlog: bytes that the transport was given and still holds, as far as it can tell.
        """
        if self._control:
            return self._control.popleft()
        return None if self.state in (State.CLOSED, State.SUSPENDED) else self._choose_packet(now, backlog)

    def next_wakeup(self) -> float | None:
        """When `tick` or `next_packet` should be called again though nothing arrives; None for never."""
        if self.state in (State.CLOSED, State.SUSPENDED):
            return None
        earliest = min([self._silent_at(), *self._timers()])
        return None if earliest == math.inf else earliest

    def close(self, code: Code = Code.DONE, retry: int = 0) -> None:
        """End the conversation in order; queues BYE where the peer is there to hear it."""
        if self.state is State.CLOSED:
            return
        if self.state in (State.NEW, State.SUSPENDED) or not self._may_say_goodbye():
            self._machine.fail()
        else:
            self._queue(Bye(code=code, retry=retry))
        self._end(code)
        self.wake()

    def disconnect(self, now: float) -> None:
        """Note that the transport is gone: nothing can be sent any more over it."""
        self._now = now
        if self.state is State.SUSPENDED or (self.state is not State.CLOSED and self._suspend()):
            return
        self._machine.fail()
        self._control.clear()
        self._end(Code.DISCONNECTED)

    def stall(self, now: float) -> bool:
        """Note that the peer does not read; tells whether the connection waits for another transport."""
        self._now = now
        if self._suspend():
            return True
        self._fail(Code.SLOW)
        return False

    def refuse(self, code: Code) -> None:
        """Turn the peer away with an error, whatever the state."""
        self._fail(code)

    @abstractmethod
    def _take(self, packet: Packet, size: int, now: float) -> None:
        """Handle a packet that the state allows."""

    @abstractmethod
    def _choose_packet(self, now: float, backlog: int) -> bytes | None:
        """The packet to send now, control apart."""

    @abstractmethod
    def _pass_time(self, now: float) -> None:
        """Do what time brings."""

    @abstractmethod
    def _timers(self) -> Iterator[float]:
        """When time brings something."""

    @abstractmethod
    def _closed(self, code: Code, retry: int) -> None:
        """Clean up; called once."""

    @property
    @abstractmethod
    def _link_rate(self) -> float:
        """The link's rate as far as it is known, in bit/s."""

    def _ignores(self, packet: Packet) -> bool:
        """Whether a packet is to be taken as lost."""
        del packet
        return False

    def _suspend(self) -> bool:
        """Go on without a transport, if that is possible."""
        return False

    def _may_say_goodbye(self) -> bool:
        return True

    def _silent_at(self) -> float:
        return math.inf if self._one_way else self._heard + self._limits.silence_seconds

    def _queue(self, packet: Packet) -> None:
        self._machine.send(kind_of(packet))
        if len(self._control) < MAX_CONTROL:
            self._control.append(encode_packet(packet, limit=self._mtu, seal=self._seal))

    def _answer(self, packet: Packet, now: float) -> bool:
        """Handle the packets that mean the same to both roles; false if it is none of them."""
        if isinstance(packet, Ping):
            # What a peer asks for must not crowd out what it is here for.
            if self._courtesy.take(len(encode_packet(packet)), now, self._link_rate):
                self._queue(Pong(value=packet.value))
        elif isinstance(packet, Bye):
            self._end(Code.of(packet.code), packet.retry)
        elif isinstance(packet, Err) and packet.code < FIRST_PICTURE_CODE:
            self._machine.fail()
            self._end(Code.of(packet.code))
        else:
            return isinstance(packet, Pong)
        return True

    def _count_bad(self, now: float) -> None:
        self.bad_packets += 1
        self._bad.append(now)
        if len(self._bad) == self._limits.bad_packets and now - self._bad[0] < self._limits.bad_seconds:
            self._fail(Code.BAD_PACKETS)
            raise RemoteProtocolError("the peer sent too many damaged packets", Code.BAD_PACKETS)

    def _fail(self, code: Code) -> None:
        if self.state is State.CLOSED and self.ended is not None:
            return
        self._machine.fail()
        self._control.append(encode_packet(Err(code=code), seal=self._seal))
        self._end(code)

    def _end(self, code: Code, retry: int = 0) -> None:
        if self.ended is None:
            self.ended = code
            self._closed(code, retry)


def _nobody() -> None:
    """Nobody waits."""
