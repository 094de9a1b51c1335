"""Delivery: pixels become frames, and callers get them. On an accelerator a thread of its own does it.

Fitting lines and colours and resizing take as long as a whole denoising run on a GPU. They need only the CPU, so the
engine's thread hands the pixels over and goes on with the next step. On a CPU, where the steps use the same cores, the
engine's thread delivers frames itself.
"""

import logging
import threading
import time
from collections import deque
from collections.abc import Hashable
from typing import TYPE_CHECKING, Protocol

import numpy as np
from numpy.typing import NDArray

from layercast_common.errors import DeviceMemoryError
from receiver.rendering.engine.attempts import attempt, forget_frames
from receiver.rendering.engine.requests import Request, RequestQueue

if TYPE_CHECKING:
    from receiver.rendering.output.finishing import FrameRecipe

_log = logging.getLogger(__name__)


class Count(Protocol):
    """Adds to the counters of these names; may be called from any thread."""

    def __call__(self, **more: float) -> None: ...


class FrameDelivery:
    """Finishes frames in the order in which they were decoded, and calls `on_frame` and the futures of their requests.

    A preview that still waits when a later frame of its picture comes is left out, so at most one frame waits for each
    picture.
    """

    def __init__(self, queue: RequestQueue, count: Count, *, threaded: bool) -> None:
        """Start the thread.

        Args:
            queue: keeps the places of pictures whose final frame waits here.
            count: adds to the engine's counters.
            threaded: whether to finish frames in a thread; otherwise `put` does it.
        """
        self._queue = queue
        self._count = count
        self._changed = threading.Condition()
        self._waiting: deque[_Waiting] = deque()
        self._closed = False
        self._thread: threading.Thread | None = None
        if threaded:
            self._thread = threading.Thread(target=self._run, name="layercast-frames", daemon=True)
            self._thread.start()

    @property
    def in_own_thread(self) -> bool:
        """Whether the caller runs in this object's thread."""
        return threading.current_thread() is self._thread

    def put(self, request: Request, recipe: "FrameRecipe", pixels: NDArray[np.uint8]) -> None:
        """Deliver a frame, now or soon."""
        if self._thread is None:
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
        """Wait for the thread to end.

        Args:
            drain: deliver what waits; otherwise cancel it.
        """
        if self._thread is None:
            return
        if not drain:
            for key in {item.request.key for item in tuple(self._waiting)}:
                self.cancel(key)
        with self._changed:
            self._closed = True
            self._changed.notify_all()
        if not self.in_own_thread:
            self._thread.join()

    def fail(self, request: Request, error: Exception) -> None:
        """End a picture with an error, which keeps no tensor alive."""
        self._count(failed=1)
        error = _named(error)
        _log.warning("rendering %r failed: %s", request.key, error)
        if not request.result.done() and request.result.set_running_or_notify_cancel():
            request.result.set_exception(forget_frames(error))

    def _run(self) -> None:
        while True:
            with self._changed:
                self._changed.wait_for(lambda: self._waiting or self._closed)
                if not self._waiting:
                    return
                item = self._waiting.popleft()
            self._deliver(item.request, item.recipe, item.pixels)
            if item.recipe.final:
                self._queue.release(item.request.key)
            del item

    def _deliver(self, request: Request, recipe: "FrameRecipe", pixels: NDArray[np.uint8]) -> None:
        if request.result.done():
            return
        started = time.perf_counter()
        frame, error = attempt(lambda: recipe.finish(pixels))
        self._count(finishing_s=time.perf_counter() - started)
        if frame is None:
            assert error is not None
            if recipe.final:
                self.fail(request, error)
            else:
                _log.warning("a preview of %r is left out: %s", request.key, error)
            return
        self._count(frames=1)
        _, error = attempt(lambda: request.on_frame(frame))
        if error is not None:
            self.fail(request, error)
        elif frame.final:
            self._count(finished=1)
            if request.result.set_running_or_notify_cancel():
                request.result.set_result(frame)


def _named(error: Exception) -> Exception:
    """Return a full memory's error with the way out; every other error as it is."""
    from receiver.rendering.models.memory import is_out_of_memory

    if not is_out_of_memory(error):
        return error
    return DeviceMemoryError(
        "the device's memory is too small for one picture; use --performance low-memory, a smaller model,"
        f" or another device ({str(error).splitlines()[0]})"
    )


class _Waiting:
    """A frame that waits for the thread."""

    __slots__ = ("pixels", "recipe", "request")

    def __init__(self, request: Request, recipe: "FrameRecipe", pixels: NDArray[np.uint8]) -> None:
        self.request = request
        self.recipe = recipe
        self.pixels = pixels
