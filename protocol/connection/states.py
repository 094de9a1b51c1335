"""The legal conversations, as tables. Whatever is not in a table is an error.

Either side may also fail from any state, which closes it, and a sender may lose its transport, which suspends it.
Everything that changes a state lives in this file; `diagrams.py` draws it.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from layercast_common.errors import LocalProtocolError, RemoteProtocolError
from protocol.wire.codes import Code
from protocol.wire.packets import PacketKind


class State(enum.Enum):
    """Where a connection stands."""

    NEW = enum.auto()
    GREETING = enum.auto()
    READY = enum.auto()
    SUSPENDED = enum.auto()
    RESUMING = enum.auto()
    CLOSED = enum.auto()


Table = Mapping[State, Mapping[PacketKind, State]]


@dataclass(frozen=True, slots=True)
class Rules:
    """One role's conversation: what it may send and receive in each state, and where that leads."""

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
        # HELLO and WELCOME may be lost on the way, so both may come again.
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
        # RESUME tells what is held, ERR that nothing is.
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

#: A sender to whom nobody answers: it speaks to many, or over a link that goes one way.
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

#: A receiver that cannot answer. It may come late, so it waits for no greeting.
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
    """One connection's state, moved only along its rules."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.state = rules.start

    def may_receive(self, kind: PacketKind, state: State | None = None) -> bool:
        """Whether the peer may send such a packet now, or in another state."""
        return kind in self._rules.receives.get(state or self.state, {})

    def send(self, kind: PacketKind) -> None:
        """Move as sending a packet does.

        Raises:
            LocalProtocolError: such a packet may not be sent now.
        """
        after = self._rules.sends.get(self.state, {}).get(kind)
        if after is None:
            raise LocalProtocolError(f"a {self._rules.name} cannot send {kind.name} while {self.state.name}")
        self.state = after

    def receive(self, kind: PacketKind) -> None:
        """Move as receiving a packet does.

        Raises:
            RemoteProtocolError: the peer may not send such a packet now.
        """
        after = self._rules.receives.get(self.state, {}).get(kind)
        if after is None:
            message = f"the peer sent {kind.name} to a {self._rules.name} that is {self.state.name}"
            raise RemoteProtocolError(message, Code.PROTOCOL)
        self.state = after

    def fail(self) -> None:
        """Close at once, from any state."""
        self.state = State.CLOSED

    def suspend(self, *, known: bool) -> None:
        """Lose the transport: wait for another one, to resume a session that is known, or to greet anew."""
        self.state = State.SUSPENDED if known else State.NEW
