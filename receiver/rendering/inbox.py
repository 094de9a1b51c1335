"""What the engine was asked for and has not taken in yet: the only thing that its callers and its thread share."""

import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass

from codec.layers import Priors
from layercast_errors import RenderError
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

    def continues(self, other: "Request") -> bool:
        """Whether it is the same picture, only with other layers."""
        return (self.seed, self.steps, self.priors.canvas) == (other.seed, other.steps, other.priors.canvas)


@dataclass(frozen=True, slots=True, kw_only=True)
class Mail:
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


class Inbox:
    """A mailbox that keeps only the newest request of each key. Thread-safe; only `take` ever waits."""

    def __init__(self) -> None:
        self._changed = threading.Condition()
        self._requests: dict[Hashable, Request] = {}
        self._cancelled: set[Hashable] = set()
        self._closed = False
        self._draining = False

    def put(self, request: Request) -> None:
        """Leave a request in place of an older one of its key.

        Raises:
            RenderError: the inbox is closed.
        """
        with self._changed:
            if self._closed:
                raise RenderError("the rendering engine is closed")
            older = self._requests.pop(request.key, None)
            self._requests[request.key] = request
            self._changed.notify()
        _cancel(older)

    def cancel(self, key: Hashable) -> None:
        """Take back a request, and have the picture dropped if it is already being drawn."""
        with self._changed:
            waiting = self._requests.pop(key, None)
            self._cancelled.add(key)
            self._changed.notify()
        _cancel(waiting)

    def close(self, *, drain: bool) -> None:
        """Let nothing more in; without `drain`, what waits is cancelled."""
        with self._changed:
            self._closed = True
            self._draining = drain
            waiting = [] if drain else list(self._requests.values())
            if not drain:
                self._requests = {}
            self._changed.notify()
        for request in waiting:
            _cancel(request)

    def take(self, *, wait: bool) -> Mail:
        """Empty the inbox; with `wait`, not before something is in it or it is closed."""
        with self._changed:
            while wait and not (self._requests or self._cancelled or self._closed):
                self._changed.wait()
            mail = Mail(
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
