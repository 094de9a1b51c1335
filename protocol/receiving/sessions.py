"""What a receiver keeps of its sessions, so that a sender whose transport went away can go on where it was.

    live --transport gone--> suspended --resumed in time--> live
                                       --nobody came-----> its pictures fail

One `Sessions` serves all connections of a receiver. A session is found by the id that the receiver gave it, or by who
sends: a sender that was started again knows no session, but has its stream's id and its epoch.
"""

from collections.abc import Callable
from dataclasses import dataclass

from protocol.connection.events import ReceiverEvent
from protocol.receiving.reassembly import Reassembly
from protocol.wire.codes import Code
from protocol.wire.limits import Limits
from protocol.wire.packets import Hello


@dataclass(slots=True, eq=False)
class Session:
    """One sender's pictures, over as many transports as it takes.

    Attributes:
        id: the receiver's id of it.
        reassembly: the pictures.
        replace: ends the connection that has it at the moment; None while it has none.
        left_at: when it lost its last transport, in seconds.
    """

    id: bytes
    reassembly: Reassembly
    replace: Callable[[], None] | None = None
    left_at: float = 0.0


class Sessions:
    """The sessions of one receiver.

    Args:
        limits: how long, and how many, are kept without a transport.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sessions: dict[bytes, Session] = {}
        self._events: list[ReceiverEvent] = []

    @property
    def seconds(self) -> int:
        """For how long a session is kept whose transport went away."""
        return self._limits.resume_seconds

    @property
    def suspended(self) -> int:
        """Sessions that wait for their sender."""
        return sum(session.replace is None for session in self._sessions.values())

    def take(self, session: Session, replace: Callable[[], None]) -> None:
        """Let a connection have a session, new or known; whoever had it until now is replaced."""
        if session.replace is not None:
            session.replace()
        session.replace = replace
        self._sessions[session.id] = session

    def find(self, hello: Hello, now: float) -> Session | None:
        """The session that a greeting is to take up again."""
        self._expire(now)
        found = self._sessions.get(hello.resume)
        if found is None and hello.stream:
            found = next((one for one in self._sessions.values() if _is_of(one, hello)), None)
        return found if found is not None and _is_of(found, hello) else None

    def leave(self, session: Session, now: float) -> None:
        """Note that a session lost its transport."""
        session.replace = None
        session.left_at = now
        waiting = sorted((one for one in self._sessions.values() if one.replace is None), key=lambda one: one.left_at)
        for one in waiting[: max(0, len(waiting) - self._limits.suspended)]:
            self._drop(one)

    def end(self, session: Session) -> None:
        """Forget a session that ended in order."""
        self._sessions.pop(session.id, None)

    def expire(self, now: float) -> list[ReceiverEvent]:
        """Give up the sessions that nobody came back to; tells of their pictures."""
        self._expire(now)
        events, self._events = self._events, []
        return events

    def next_expiry(self) -> float | None:
        """When `expire` could tell something new, in seconds; None for never."""
        if self._events:
            return 0.0
        left = [session.left_at for session in self._sessions.values() if session.replace is None]
        return min(left) + self._limits.resume_seconds if left else None

    def close(self) -> list[ReceiverEvent]:
        """Give up every session that waits; tells of their pictures."""
        for session in [session for session in self._sessions.values() if session.replace is None]:
            self._drop(session)
        events, self._events = self._events, []
        return events

    def _expire(self, now: float) -> None:
        for session in list(self._sessions.values()):
            if session.replace is None and now >= session.left_at + self._limits.resume_seconds:
                self._drop(session)

    def _drop(self, session: Session) -> None:
        del self._sessions[session.id]
        self._events += session.reassembly.cancel_all(Code.DISCONNECTED)


def _is_of(session: Session, hello: Hello) -> bool:
    return (session.reassembly.stream, session.reassembly.epoch) == (hello.stream, hello.epoch)
