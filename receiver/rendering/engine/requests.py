"""What the engine was asked for and has not taken in yet: the only thing that its callers and its thread share."""

import threading
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

from codec.layers import Priors
from layercast_common.errors import EngineBusyError, RenderError
from receiver.rendering.frames import Frame


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Request:
    """A picture that is wanted; see `Engine.submit`."""

    key: Hashable
    priors: Priors
    seed: int
    steps: int | None
    on_frame: Callable[[Frame], None]
    result: Future[Frame]
    session: Hashable = None

    def continues(self, other: "Request") -> bool:
        """Whether it is the same picture, only with other layers."""
        return (self.seed, self.steps, self.priors.canvas) == (other.seed, other.steps, other.priors.canvas)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequests:
    """What came since the last look.

    Attributes:
        requests: at most one per key, the newest; the older ones' results are cancelled.
        cancelled: keys that were cancelled before those requests came.
        closed: whether no more will come.
        draining: whether what is under way is to be finished all the same.
    """

    requests: tuple[Request, ...]
    cancelled: frozenset[Hashable]
    closed: bool
    draining: bool


class RequestQueue:
    """A mailbox that keeps only the newest request of each key, and counts the pictures that are wanted or drawn.

    Thread-safe. `take` waits for requests, and `put` for a place if it may.
    """

    def __init__(self, capacity: int) -> None:
        """Open it.

        Args:
            capacity: most pictures that are waiting or being drawn at once.
        """
        self._capacity = capacity
        self._changed = threading.Condition()
        self._places: set[Hashable] = set()
        self._refused = 0
        self._requests: dict[Hashable, Request] = {}
        self._cancelled: set[Hashable] = set()
        self._closed = False
        self._draining = False

    @property
    def taken(self) -> int:
        """Places that are taken."""
        with self._changed:
            return len(self._places)

    @property
    def refused(self) -> int:
        """Requests that found no place."""
        return self._refused

    def put(self, request: Request, *, wait: float = 0.0) -> None:
        """Leave a request in place of an older one of its key.

        Args:
            wait: longest to wait for a place, in seconds. A picture that has one keeps it.

        Raises:
            EngineBusyError: there was no place.
            RenderError: the inbox is closed.
        """
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_place(request.key), wait)
            if self._closed:
                raise RenderError("the rendering engine is closed")
            if not self._has_place(request.key):
                self._refused += 1
                raise EngineBusyError(self._capacity)
            self._places.add(request.key)
            older = self._requests.pop(request.key, None)
            self._requests[request.key] = request
            self._changed.notify_all()
        _cancel(older)

    def _has_place(self, key: Hashable) -> bool:
        return key in self._places or len(self._places) < self._capacity

    def cancel(self, key: Hashable) -> None:
        """Take back a request, and have the picture dropped if it is already being drawn."""
        with self._changed:
            waiting = self._requests.pop(key, None)
            self._cancelled.add(key)
            self._changed.notify_all()
        _cancel(waiting)

    def close(self, *, drain: bool) -> None:
        """Let nothing more in; without `drain`, what waits is cancelled."""
        with self._changed:
            self._closed = True
            self._draining = drain
            waiting = [] if drain else list(self._requests.values())
            if not drain:
                self._requests = {}
            self._changed.notify_all()
        for request in waiting:
            _cancel(request)

    def take(self, drawing: Collection[Hashable]) -> PendingRequests:
        """Empty the inbox; if nothing is being drawn, not before something is in it or it is closed.

        Args:
            drawing: keys of the pictures being drawn; all other places but those of waiting requests become free.
        """
        with self._changed:
            self._places = {*drawing, *self._requests}
            self._changed.notify_all()
            while not (drawing or self._requests or self._cancelled or self._closed):
                self._changed.wait()
            mail = PendingRequests(
                requests=tuple(self._requests.values()),
                cancelled=frozenset(self._cancelled),
                closed=self._closed,
                draining=self._draining,
            )
            self._requests, self._cancelled = {}, set()
        return mail


def _cancel(request: Request | None) -> None:
    # Outside the lock: cancelling runs callbacks of whoever waits for the result.
    if request:
        request.result.cancel()
