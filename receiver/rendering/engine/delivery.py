"""Delivery: pixels become frames, and callers get them. On an accelerator threads of its own do it.

Fitting lines and colours and resizing take as long as a whole denoising run on a GPU. They need only the CPU, so the
engine's thread hands the pixels over, before the device has computed them, and goes on with the next step. On a CPU,
where the steps use the same cores, the engine's thread delivers frames itself.
"""

import threading
import time
from collections import deque
from collections.abc import Callable, Hashable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from receiver.rendering.engine.attempts import FailureLog, attempt, forget_frames, name_error
from receiver.rendering.engine.requests import Request, RequestQueue

if TYPE_CHECKING:
    from receiver.rendering.frames import Frame
    from receiver.rendering.output.finishing import FrameRecipe

#: Waits for the pixels of a frame, (H, W, 3) uint8 RGB, and returns them.
Pixels = Callable[[], NDArray[np.uint8]]


class Count(Protocol):
    """Adds to the counters of these names; may be called from any thread."""

    def __call__(self, **more: float) -> None: ...


class FrameDelivery:
    """Finishes frames, and calls `on_frame` and the futures of their requests.

    The frames of one picture come in the order in which they were put. A preview that still waits when a later frame
    of its picture comes is left out, so at most one frame waits for each picture. Several threads may finish frames of
    different pictures at once, but only one at a time calls back.
    """

    def __init__(self, queue: RequestQueue, count: Count, *, threads: int) -> None:
        """Start the threads.

        Args:
            queue: keeps the places of pictures whose final frame waits here.
            count: adds to the engine's counters.
            threads: threads that finish frames; with 0, `put` does it.
        """
        self._queue = queue
        self._count = count
        self._changed = threading.Condition()
        self._calling = threading.Lock()
        self._waiting: deque[_Waiting] = deque()
        self._in_hand: set[int] = set()
        self._failures = FailureLog()
        self._closed = False
        self._threads = tuple(
            threading.Thread(target=self._run, name=f"layercast-frames-{number}", daemon=True)
            for number in range(threads)
        )
        for thread in self._threads:
            thread.start()

    @property
    def in_own_thread(self) -> bool:
        """Whether the caller runs in one of this object's threads."""
        return threading.current_thread() in self._threads

    @property
    def has_threads(self) -> bool:
        """Whether other threads finish frames; otherwise `put` does."""
        return bool(self._threads)

    def put(self, request: Request, recipe: "FrameRecipe", pixels: Pixels) -> None:
        """Deliver a frame, now or soon."""
        if not self._threads:
            self._deliver(request, recipe, pixels)
            return
        if recipe.final:
            self._queue.hold(request.key)
        with self._changed:
            self._waiting = deque(item for item in self._waiting if item.request is not request)
            self._waiting.append(_Waiting(request, recipe, pixels))
            self._changed.notify_all()

    def cancel(self, key: Hashable) -> None:
        """Drop the frames of a picture that still wait, and cancel their results."""
        with self._changed:
            dropped = [item for item in self._waiting if item.request.key == key]
            self._waiting = deque(item for item in self._waiting if item.request.key != key)
        for item in dropped:
            item.request.result.cancel()
            if item.recipe.final:
                self._queue.release(key)

    def close(self, *, drain: bool) -> None:
        """Wait for the threads to end.

        Args:
            drain: deliver what waits; otherwise cancel it.
        """
        if not drain:
            for key in {item.request.key for item in tuple(self._waiting)}:
                self.cancel(key)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if not self.in_own_thread:
            for thread in self._threads:
                thread.join()
        self._failures.succeeded()

    def fail(self, request: Request, error: Exception) -> None:
        """End a picture with an error, which keeps no tensor alive."""
        self._count(failed=1)
        error = name_error(error)
        self._failures.warn(f"rendering {request.key!r} failed", error)
        if not request.result.done() and request.result.set_running_or_notify_cancel():
            request.result.set_exception(forget_frames(error))

    def leave_out(self, request: Request, error: Exception) -> None:
        """Go on without a preview that failed."""
        self._failures.warn(f"a preview of {request.key!r} is left out", name_error(error))

    def _run(self) -> None:
        while (item := self._next()) is not None:
            self._deliver(item.request, item.recipe, item.pixels)
            if item.recipe.final:
                self._queue.release(item.request.key)
            with self._changed:
                self._in_hand.discard(id(item.request))
                self._changed.notify_all()
            del item

    def _next(self) -> "_Waiting | None":
        """Wait for a frame whose picture no other thread has in hand; return None at the end."""
        with self._changed:
            while True:
                for place, item in enumerate(self._waiting):
                    if id(item.request) not in self._in_hand:
                        del self._waiting[place]
                        self._in_hand.add(id(item.request))
                        return item
                if self._closed and not self._waiting:
                    return None
                self._changed.wait()

    def _deliver(self, request: Request, recipe: "FrameRecipe", pixels: Pixels) -> None:
        if request.result.done():
            return
        frame, error = attempt(lambda: self._finish(recipe, pixels))
        if frame is None:
            assert error is not None
            if recipe.final:
                self.fail(request, error)
            else:
                self.leave_out(request, error)
            return
        self._count(frames=1)
        with self._calling:
            _, error = attempt(lambda: request.on_frame(frame))
            if error is not None:
                self.fail(request, error)
            elif frame.final:
                self._failures.succeeded()
                self._count(finished=1)
                if request.result.set_running_or_notify_cancel():
                    request.result.set_result(frame)

    def _finish(self, recipe: "FrameRecipe", pixels: Pixels) -> "Frame":
        picture = pixels()
        started = time.perf_counter()
        try:
            return recipe.finish(picture)
        finally:
            self._count(finishing_s=time.perf_counter() - started)


class _Waiting:
    """A frame that waits for a thread."""

    __slots__ = ("pixels", "recipe", "request")

    def __init__(self, request: Request, recipe: "FrameRecipe", pixels: Pixels) -> None:
        self.request = request
        self.recipe = recipe
        self.pixels = pixels
