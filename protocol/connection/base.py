"""The base of both ends of a connection. Sans-I/O: no socket, no clock, no await.

packets in    receive(packet, now)             raises RemoteProtocolError if the peer broke a rule; queues the reason
packets out   next_packet(now) -> bytes|None   the packet to send now
time          tick(now), next_wakeup()         timers
events        take_events()
"""

import math
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from layercast_common.errors import DisconnectedError, PacketError, RemoteProtocolError
from protocol.connection.events import Event
from protocol.connection.packet_codec import PacketCodec
from protocol.connection.states import Machine, Rules, State
from protocol.recovery.pacing import TokenBucket
from protocol.wire.codes import FIRST_PICTURE_CODE, Code
from protocol.wire.encoding import encode_packet
from protocol.wire.limits import Limits
from protocol.wire.packets import Bye, Err, Packet, PacketKind, Ping, Pong, kind_of
from protocol.wire.seals import Sealing

#: Control packets that may wait to be sent; requests beyond are not answered.
MAX_CONTROL = 32

#: The events of one role.
EventT = TypeVar("EventT", bound=Event)


class Connection(ABC, Generic[EventT]):
    """One end of a connection. Times are seconds of any monotonic clock, passed in.

    Args:
        rules: the state machine of the role.
        limits: bounds on what the peer may make this side hold or wait for.
        mtu: the largest packet that the transport carries, in bytes.
        one_way: whether the link has no direction back to the sender.
        key: seals the packets; with checksums by default.
        now: the current time, in seconds.

    Attributes:
        close_code: why the connection closed; None while it is open.
        wake: called when the connection has new work; the driver sets it.
    """

    def __init__(
        self, *, rules: Rules, limits: Limits, mtu: int, one_way: bool, key: Sealing | None, now: float
    ) -> None:
        self._machine = Machine(rules)
        self._limits = limits
        self._one_way = one_way
        self._codec = PacketCodec(mtu=mtu, key=key, one_way=one_way, limits=limits)
        self._opened_at = now
        self._last_received_at = now
        self._now = now
        self._control: deque[bytes] = deque()
        self._reply_budget = TokenBucket()
        self._events: deque[EventT] = deque()
        self.close_code: Code | None = None
        self.wake: Callable[[], None] = lambda: None

    @property
    def state(self) -> State:
        """The state of the connection."""
        return self._machine.state

    @property
    def bad_packets(self) -> int:
        """Malformed packets received."""
        return self._codec.bad_packets

    @property
    def finished(self) -> bool:
        """Whether the connection is closed and has nothing left to send."""
        return self.state is State.CLOSED and not self._control

    def take_events(self) -> list[EventT]:
        """Return the events since the last call, in order."""
        events = list(self._events)
        self._events.clear()
        return events

    def receive(self, data: bytes, now: float) -> None:
        """Process one packet from the peer.

        Raises:
            RemoteProtocolError: the peer broke a rule; the connection is closed, and `next_packet` returns the ERR.
        """
        self._now = now
        if self.state in (State.CLOSED, State.SUSPENDED):
            return
        try:
            packet = self._codec.decode(data)
        except PacketError:
            if self._codec.on_bad_packet(now):
                self.abort(Code.BAD_PACKETS)
                raise RemoteProtocolError("the peer sent too many damaged packets", Code.BAD_PACKETS) from None
            return
        self._last_received_at = now
        if packet is None or self._ignores(packet):
            return
        try:
            self._machine.receive(kind_of(packet))
            self._on_packet(packet, len(data), now)
        except RemoteProtocolError as error:
            self.abort(Code.of(error.code))
            raise

    def tick(self, now: float) -> None:
        """Run the timers that have expired.

        Raises:
            RemoteProtocolError: the idle timeout expired; as in `receive`.
            DisconnectedError: the idle timeout expired, and the connection is suspended.
        """
        self._now = now
        if self.state in (State.CLOSED, State.SUSPENDED):
            return
        if now >= self._idle_timeout_at():
            message = f"nothing arrived from the peer for {self._limits.silence_seconds:g} s"
            if self._suspend():
                raise DisconnectedError(message)
            self.abort(Code.SILENT)
            raise RemoteProtocolError(message, Code.SILENT)
        self._on_tick(now)

    def next_packet(self, now: float, backlog: int = 0) -> bytes | None:
        """Return the packet to send now, or None if none may leave.

        Args:
            now: the current time, in seconds.
            backlog: bytes that the transport accepted and still holds, as far as it can measure.
        """
        if self._control:
            return self._control.popleft()
        return None if self.state in (State.CLOSED, State.SUSPENDED) else self._choose_packet(now, backlog)

    def next_wakeup(self) -> float | None:
        """Return when to call `tick` or `next_packet` although nothing arrives, in seconds; None for never."""
        if self.state in (State.CLOSED, State.SUSPENDED):
            return None
        earliest = min([self._idle_timeout_at(), *self._timers()])
        return None if earliest == math.inf else earliest

    def close(self, code: Code = Code.DONE, retry: int = 0) -> None:
        """Close in order; queue BYE if the peer can receive it.

        Args:
            code: the reason.
            retry: seconds after which the peer should reconnect; 0 for no preference.
        """
        if self.state is State.CLOSED:
            return
        if self.state in (State.NEW, State.SUSPENDED) or not self._machine.may_send(PacketKind.BYE):
            self._machine.fail()
        else:
            self._queue(Bye(code=code, retry=retry))
        self._end(code)
        self.wake()

    def disconnect(self, now: float) -> None:
        """Handle the loss of the transport: suspend if possible, else close."""
        self._now = now
        if self.state is State.SUSPENDED or (self.state is not State.CLOSED and self._suspend()):
            return
        self._machine.fail()
        self._control.clear()
        self._end(Code.DISCONNECTED)

    def on_stall(self, now: float) -> bool:
        """Handle a peer that does not read; return whether the connection is suspended, else it is closed."""
        self._now = now
        if self._suspend():
            return True
        self.abort(Code.SLOW)
        return False

    def abort(self, code: Code) -> None:
        """Close with ERR, in any state."""
        if self.state is State.CLOSED and self.close_code is not None:
            return
        self._machine.fail()
        self._control.append(encode_packet(Err(code=code), seal=self._codec.seal))
        self._end(code)

    @abstractmethod
    def _on_packet(self, packet: Packet, size: int, now: float) -> None:
        """Handle a packet that the state permits."""

    @abstractmethod
    def _choose_packet(self, now: float, backlog: int) -> bytes | None:
        """Return the packet to send when no control packet waits."""

    @abstractmethod
    def _on_tick(self, now: float) -> None:
        """Run the role's timers."""

    @abstractmethod
    def _timers(self) -> Iterator[float]:
        """Yield the times of the role's timers."""

    @abstractmethod
    def _on_closed(self, code: Code, retry: int) -> None:
        """Clean up; called once."""

    @property
    @abstractmethod
    def _link_rate(self) -> float:
        """The link's rate as far as known, in bit/s."""

    def _ignores(self, packet: Packet) -> bool:
        """Return whether to drop a packet as if it were lost."""
        del packet
        return False

    def _suspend(self) -> bool:
        """Wait for another transport if the role supports it; return whether it does."""
        return False

    def _idle_timeout_at(self) -> float:
        return math.inf if self._one_way else self._last_received_at + self._limits.silence_seconds

    def _queue(self, packet: Packet) -> None:
        self._machine.send(kind_of(packet))
        if len(self._control) < MAX_CONTROL:
            self._control.append(self._codec.encode(packet))

    def _handle_common(self, packet: Packet, now: float) -> bool:
        """Handle the packets that both roles treat alike; return False for any other packet."""
        if isinstance(packet, Ping):
            # Replies must not crowd out data.
            if self._reply_budget.spend(len(encode_packet(packet)), now, self._link_rate):
                self._queue(Pong(value=packet.value))
        elif isinstance(packet, Bye):
            self._end(Code.of(packet.code), packet.retry)
        elif isinstance(packet, Err) and packet.code < FIRST_PICTURE_CODE:
            self._machine.fail()
            self._end(Code.of(packet.code))
        else:
            return isinstance(packet, Pong)
        return True

    def _end(self, code: Code, retry: int = 0) -> None:
        if self.close_code is None:
            self.close_code = code
            self._on_closed(code, retry)
