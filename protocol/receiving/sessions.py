"""The sessions of a receiver, kept after their transport is lost so that senders can resume.

    live --transport lost--> suspended --resumed in time--> live
                                       --expired---------> its pictures fail

One `Sessions` serves all connections of a receiver. A session is found by its id, or by the sender's stream id and
epoch: a sender that restarted does not know the session id.
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
    """The pictures of one sender, over any number of transports.

    Attributes:
        id: the receiver's id of the session.
        reassembly: the pictures.
        replace: closes the connection that currently owns the session; None while it is suspended.
        suspended_at: when it lost its last transport, in seconds.
    """

    id: bytes
    reassembly: Reassembly
    replace: Callable[[], None] | None = None
    suspended_at: float = 0.0


class Sessions:
    """The sessions of one receiver.

    Args:
        limits: how long, and how many, sessions are kept without a transport.
    """

    def __init__(self, limits: Limits) -> None:
        self._limits = limits
        self._sessions: dict[bytes, Session] = {}
        self._events: list[ReceiverEvent] = []

    @property
    def seconds(self) -> int:
        """How long a suspended session is kept, in seconds; 0 keeps none."""
        return self._limits.resume_seconds

    @property
    def suspended(self) -> int:
        """The number of suspended sessions."""
        return sum(session.replace is None for session in self._sessions.values())

    def assign(self, session: Session, replace: Callable[[], None]) -> None:
        """Give a new or known session to a connection, and close the connection that owned it.

        Args:
            session: the session.
            replace: closes the new owner when another connection takes over.
        """
        if session.replace is not None:
            session.replace()
        session.replace = replace
        self._sessions[session.id] = session

    def find(self, hello: Hello, now: float) -> Session | None:
        """Return the session that a HELLO resumes, or None."""
        self._expire(now)
        found = self._sessions.get(hello.resume)
        if found is None and hello.stream:
            found = next((one for one in self._sessions.values() if _is_of(one, hello)), None)
        return found if found is not None and _is_of(found, hello) else None

    def suspend(self, session: Session, now: float) -> None:
        """Keep a session that lost its transport; drop the oldest ones beyond the limit."""
        session.replace = None
        session.suspended_at = now
        waiting = sorted(
            (one for one in self._sessions.values() if one.replace is None), key=lambda one: one.suspended_at
        )
        for one in waiting[: max(0, len(waiting) - self._limits.suspended)]:
            self._drop(one)

    def remove(self, session: Session) -> None:
        """Remove a session that closed in order."""
        self._sessions.pop(session.id, None)

    def expire(self, now: float) -> list[ReceiverEvent]:
        """Drop the sessions that were not resumed in time; return the events of their pictures."""
        self._expire(now)
        events, self._events = self._events, []
        return events

    def next_expiry(self) -> float | None:
        """Return when to call `expire`, in seconds; None for never."""
        if self._events:
            return 0.0
        left = [session.suspended_at for session in self._sessions.values() if session.replace is None]
        return min(left) + self._limits.resume_seconds if left else None

    def close(self) -> list[ReceiverEvent]:
        """Drop every suspended session; return the events of their pictures."""
        for session in [session for session in self._sessions.values() if session.replace is None]:
            self._drop(session)
        events, self._events = self._events, []
        return events

    def _expire(self, now: float) -> None:
        for session in list(self._sessions.values()):
            if session.replace is None and now >= session.suspended_at + self._limits.resume_seconds:
                self._drop(session)

    def _drop(self, session: Session) -> None:
        del self._sessions[session.id]
        self._events += session.reassembly.cancel_all(Code.DISCONNECTED)


def _is_of(session: Session, hello: Hello) -> bool:
    return (session.reassembly.stream_id, session.reassembly.epoch) == (hello.stream, hello.epoch)
