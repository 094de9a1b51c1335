"""The legal conversations, as tables. Whatever is not in a table is an error.

    sender    NEW --HELLO sent--> GREETING --WELCOME--> READY --BYE--> CLOSED
    receiver  NEW --HELLO--> GREETING --WELCOME sent--> READY --BYE--> CLOSED

Either side may also fail from any state, which closes it. Everything that changes a state lives in this file.
"""

import enum
from collections.abc import Mapping
from dataclasses import dataclass

from layercast_errors import LocalProtocolError, RemoteProtocolError
from protocol.codes import Code
from protocol.packets import Kind


class State(enum.Enum):
    """Where a connection stands."""

    NEW = enum.auto()
    GREETING = enum.auto()
    READY = enum.auto()
    CLOSED = enum.auto()


Table = Mapping[State, Mapping[Kind, State]]


@dataclass(frozen=True, slots=True)
class Rules:
    """One role's conversation: what it may send and receive in each state, and where that leads."""

    name: str
    sends: Table
    receives: Table


def _stay(state: State, *kinds: Kind) -> dict[Kind, State]:
    return dict.fromkeys(kinds, state)


SENDER = Rules(
    name="sender",
    sends={
        State.NEW: {Kind.HELLO: State.GREETING},
        # HELLO and WELCOME may be lost on the way, so both may come again.
        State.GREETING: {Kind.HELLO: State.GREETING, Kind.BYE: State.CLOSED, Kind.PONG: State.GREETING},
        State.READY: {
            **_stay(State.READY, Kind.OFFER, Kind.DATA, Kind.CANCEL, Kind.PING, Kind.PONG),
            Kind.BYE: State.CLOSED,
        },
    },
    receives={
        State.GREETING: {
            Kind.WELCOME: State.READY,
            Kind.ERR: State.GREETING,
            Kind.PING: State.GREETING,
            Kind.BYE: State.CLOSED,
        },
        State.READY: {
            **_stay(State.READY, Kind.WELCOME, Kind.ACK, Kind.ERR, Kind.PING, Kind.PONG),
            Kind.BYE: State.CLOSED,
        },
    },
)

RECEIVER = Rules(
    name="receiver",
    sends={
        State.NEW: {Kind.BYE: State.CLOSED},
        State.GREETING: {Kind.WELCOME: State.READY, Kind.BYE: State.CLOSED},
        State.READY: {
            **_stay(State.READY, Kind.WELCOME, Kind.ACK, Kind.ERR, Kind.PING, Kind.PONG),
            Kind.BYE: State.CLOSED,
        },
    },
    receives={
        State.NEW: {Kind.HELLO: State.GREETING, Kind.BYE: State.CLOSED},
        State.READY: {
            **_stay(State.READY, Kind.HELLO, Kind.OFFER, Kind.DATA, Kind.CANCEL, Kind.PING, Kind.PONG),
            Kind.ERR: State.READY,
            Kind.BYE: State.CLOSED,
        },
    },
)


class Machine:
    """One connection's state, moved only along its rules."""

    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self.state = State.NEW

    def send(self, kind: Kind) -> None:
        """Move as sending a packet does.

        Raises:
            LocalProtocolError: such a packet may not be sent now.
        """
        after = self._rules.sends.get(self.state, {}).get(kind)
        if after is None:
            raise LocalProtocolError(f"a {self._rules.name} cannot send {kind.name} while {self.state.name}")
        self.state = after

    def receive(self, kind: Kind) -> None:
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
