"""Requests that the engine has not admitted yet: the only state that its callers and its thread share."""

import threading
from collections import Counter
from collections.abc import Callable, Collection, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

from codec.layers import Priors
from layercast_common.errors import EngineBusyError, RenderError
from receiver.rendering.frames import Frame


@dataclass(frozen=True, eq=False, slots=True, kw_only=True)
class Request:
    """A picture to render; fields as in `Renderer.submit`."""

    key: Hashable
    priors: Priors
    seed: int
    steps: int | None
    on_frame: Callable[[Frame], None]
    result: Future[Frame]
    session: Hashable = None

    def continues(self, other: "Request") -> bool:
        """Return whether this is the same picture as another request, with other layers."""
        return (self.seed, self.steps, self.priors.canvas) == (other.seed, other.steps, other.priors.canvas)


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRequests:
    """Everything that callers asked for since the last `RequestQueue.collect`.

    Attributes:
        requests: the newest request of each key; the results of older ones are cancelled.
        cancelled: keys that were cancelled before those requests came.
        closed: whether no more requests will come.
        draining: whether the pictures under way are to be finished after closing.
    """

    requests: tuple[Request, ...]
    cancelled: frozenset[Hashable]
    closed: bool
    draining: bool


class RequestQueue:
    """A bounded queue that keeps only the newest request of each key. Thread-safe.

    Every picture that waits or is being rendered holds one place. `put` can wait for a place, `collect` for requests.
    """

    def __init__(self, capacity: int) -> None:
        """Create an empty queue.

        Args:
            capacity: most pictures that wait or are rendered at once.
        """
        self._capacity = capacity
        self._changed = threading.Condition()
        self._places: set[Hashable] = set()
        self._held: Counter[Hashable] = Counter()
        self._rendering: frozenset[Hashable] = frozenset()
        self._refused = 0
        self._requests: dict[Hashable, Request] = {}
        self._cancelled: set[Hashable] = set()
        self._closed = False
        self._draining = False

    @property
    def pictures(self) -> int:
        """The number of pictures that hold a place."""
        with self._changed:
            return len(self._places)

    @property
    def refused(self) -> int:
        """The number of requests refused because the queue was full."""
        return self._refused

    def has_newcomer(self, rendering: Collection[Hashable]) -> bool:
        """Return whether a picture waits that is not among those being rendered, given by their keys."""
        with self._changed:
            return any(key not in rendering for key in self._requests)

    def put(self, request: Request, *, wait: float = 0.0) -> None:
        """Add a request; it replaces an older one of the same key.

        Args:
            request: the picture.
            wait: longest wait for a place, in seconds. A key that holds a place keeps it.

        Raises:
            EngineBusyError: there was no place.
            RenderError: the queue is closed.
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
        _cancel_result(older)

    def cancel(self, key: Hashable) -> None:
        """Remove a request, and have the engine drop the picture if it is already being rendered."""
        with self._changed:
            waiting = self._requests.pop(key, None)
            self._cancelled.add(key)
            self._changed.notify_all()
        _cancel_result(waiting)

    def hold(self, key: Hashable) -> None:
        """Keep the place of a picture that is rendered but not delivered yet."""
        with self._changed:
            self._held[key] += 1
            self._places.add(key)

    def release(self, key: Hashable) -> None:
        """Give up a place that `hold` kept."""
        with self._changed:
            self._held[key] -= 1
            if self._held[key] <= 0:
                del self._held[key]
                if key not in self._requests and key not in self._rendering:
                    self._places.discard(key)
            self._changed.notify_all()

    def close(self, *, drain: bool) -> None:
        """Refuse new requests; without `drain`, cancel the waiting ones."""
        with self._changed:
            self._closed = True
            self._draining = drain
            waiting = [] if drain else list(self._requests.values())
            if not drain:
                self._requests = {}
            self._changed.notify_all()
        for request in waiting:
            _cancel_result(request)

    def collect(self, rendering: Collection[Hashable]) -> PendingRequests:
        """Empty the queue. If no picture is being rendered, wait until there is something to do.

        Args:
            rendering: keys of the pictures being rendered. They, the waiting requests and what `hold` keeps have their
                places; all other places become free.
        """
        with self._changed:
            self._rendering = frozenset(rendering)
            self._places = {*rendering, *self._requests, *self._held}
            self._changed.notify_all()
            while not (rendering or self._requests or self._cancelled or self._closed):
                self._changed.wait()
            pending = PendingRequests(
                requests=tuple(self._requests.values()),
                cancelled=frozenset(self._cancelled),
                closed=self._closed,
                draining=self._draining,
            )
            self._requests, self._cancelled = {}, set()
        return pending

    def _has_place(self, key: Hashable) -> bool:
        return key in self._places or len(self._places) < self._capacity


def _cancel_result(request: Request | None) -> None:
    # Called without the lock: cancelling a future runs its callbacks.
    if request:
        request.result.cancel()
