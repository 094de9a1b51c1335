"""The state machines of all roles, as tables. A packet that is not in a table is a protocol error.

Either side may also fail in any state, which closes the connection, and a sender may lose its transport, which suspends
it. Only this module changes states; `diagrams.py` draws the tables.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.wire.codes import Code
from protocol.wire.packets import PacketKind


class State(enum.Enum):
    """The state of a connection."""

    NEW = enum.auto()
    GREETING = enum.auto()
    READY = enum.auto()
    SUSPENDED = enum.auto()
    RESUMING = enum.auto()
    CLOSED = enum.auto()


Table = Mapping[State, Mapping[PacketKind, State]]


@dataclass(frozen=True, slots=True)
class Rules:
    """The state machine of one role: the packets it may send and receive in each state, and the next state."""

    name: str
    sends: Table
    receives: Table
    start: State = State.NEW


def _stay(state: State, *kinds: PacketKind) -> dict[PacketKind, State]:
    return dict.fromkeys(kinds, state)


SENDER = Rules(
    name="sender",
    sends={
        State.NEW: {PacketKind.HELLO: State.GREETING},
        # HELLO and WELCOME may be lost, so both may be repeated.
        State.GREETING: {**_stay(State.GREETING, PacketKind.HELLO, PacketKind.PONG), PacketKind.BYE: State.CLOSED},
        State.READY: {
            **_stay(
                State.READY,
                PacketKind.OFFER,
                PacketKind.DATA,
                PacketKind.REPAIR,
                PacketKind.CANCEL,
                PacketKind.ACK,
                PacketKind.ERR,
            ),
            **_stay(State.READY, PacketKind.PING, PacketKind.PONG),
            PacketKind.BYE: State.CLOSED,
        },
        State.SUSPENDED: {PacketKind.HELLO: State.RESUMING},
        State.RESUMING: {**_stay(State.RESUMING, PacketKind.HELLO, PacketKind.PONG), PacketKind.BYE: State.CLOSED},
    },
    receives={
        State.GREETING: {
            PacketKind.WELCOME: State.READY,
            **_stay(State.GREETING, PacketKind.ERR, PacketKind.PING),
            PacketKind.BYE: State.CLOSED,
        },
        State.READY: {
            **_stay(
                State.READY,
                PacketKind.WELCOME,
                PacketKind.RESUME,
                PacketKind.ACK,
                PacketKind.WANT,
                PacketKind.PRIO,
                PacketKind.CANCEL,
            ),
            **_stay(State.READY, PacketKind.ERR, PacketKind.PING, PacketKind.PONG),
            PacketKind.BYE: State.CLOSED,
        },
        # RESUME lists the data held; ERR means that the session is unknown.
        State.RESUMING: {
            **_stay(State.RESUMING, PacketKind.WELCOME, PacketKind.PING),
            PacketKind.RESUME: State.READY,
            PacketKind.ERR: State.READY,
            PacketKind.BYE: State.CLOSED,
        },
    },
)

RECEIVER = Rules(
    name="receiver",
    sends={
        State.NEW: {PacketKind.BYE: State.CLOSED},
        State.GREETING: {PacketKind.WELCOME: State.READY, PacketKind.BYE: State.CLOSED},
        State.READY: {
            **_stay(
                State.READY,
                PacketKind.WELCOME,
                PacketKind.RESUME,
                PacketKind.ACK,
                PacketKind.WANT,
                PacketKind.PRIO,
                PacketKind.CANCEL,
            ),
            **_stay(State.READY, PacketKind.ERR, PacketKind.PING, PacketKind.PONG),
            PacketKind.BYE: State.CLOSED,
        },
    },
    receives={
        State.NEW: {PacketKind.HELLO: State.GREETING, PacketKind.BYE: State.CLOSED},
        State.READY: {
            **_stay(
                State.READY,
                PacketKind.HELLO,
                PacketKind.OFFER,
                PacketKind.DATA,
                PacketKind.REPAIR,
                PacketKind.CANCEL,
                PacketKind.ACK,
            ),
            **_stay(State.READY, PacketKind.ERR, PacketKind.PING, PacketKind.PONG),
            PacketKind.BYE: State.CLOSED,
        },
    },
)

#: A sender without answers: it broadcasts, or its link is one-way.
BROADCASTER = Rules(
    name="broadcaster",
    sends={
        State.NEW: {PacketKind.HELLO: State.READY},
        State.READY: {
            **_stay(
                State.READY, PacketKind.HELLO, PacketKind.OFFER, PacketKind.DATA, PacketKind.REPAIR, PacketKind.CANCEL
            ),
            PacketKind.BYE: State.CLOSED,
        },
    },
    receives={},
)

#: A receiver that cannot answer. It may join late, so it does not wait for HELLO.
WATCHER = Rules(
    name="watcher",
    sends={},
    receives={
        State.READY: {
            **_stay(
                State.READY, PacketKind.HELLO, PacketKind.OFFER, PacketKind.DATA, PacketKind.REPAIR, PacketKind.CANCEL
            ),
            PacketKind.BYE: State.CLOSED,
        },
    },
    start=State.READY,
)


class Machine:
    """The state of one connection, changed only along its rules.

    Args:
        rules: the state machine of the role.
    """

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.state = rules.start

    def may_receive(self, kind: PacketKind, state: State | None = None) -> bool:
        """Return whether the rules permit receiving such a packet now, or in another state."""
        return kind in self._rules.receives.get(state or self.state, {})

    def may_send(self, kind: PacketKind) -> bool:
        """Return whether the rules permit sending such a packet now."""
        return kind in self._rules.sends.get(self.state, {})

    def send(self, kind: PacketKind) -> None:
        """Apply the transition of sending a packet.

        Raises:
            LocalProtocolError: the state does not permit sending it.
        """
        after = self._rules.sends.get(self.state, {}).get(kind)
        if after is None:
            raise LocalProtocolError(f"a {self._rules.name} cannot send {kind.name} while {self.state.name}")
        self.state = after

    def receive(self, kind: PacketKind) -> None:
        """Apply the transition of receiving a packet.

        Raises:
            RemoteProtocolError: the state does not permit receiving it.
        """
        after = self._rules.receives.get(self.state, {}).get(kind)
        if after is None:
            message = f"the peer sent {kind.name} to a {self._rules.name} that is {self.state.name}"
            raise RemoteProtocolError(message, Code.PROTOCOL)
        self.state = after

    def fail(self) -> None:
        """Close, from any state."""
        self.state = State.CLOSED

    def suspend(self, *, known: bool) -> None:
        """Leave the transport: SUSPENDED if the session can be resumed, else NEW."""
        self.state = State.SUSPENDED if known else State.NEW
