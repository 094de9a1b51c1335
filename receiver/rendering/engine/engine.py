"""The engine: one thread that owns the model and renders many pictures at once, one step at a time.

    submit, cancel --> pending, one per key --+
                                              v
                          admit --> choose a batch --> one UNet pass --> pixels --> frames --> on_frame, result
                          ^                                               |
                          +-----------------------------------------------+

Between two steps new pictures start, new layers join, and cancelled pictures stop.
"""

import os
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from codec.layers import Priors
from layercast_common.errors import UsageError
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.engine.renderer import Renderer
from receiver.rendering.engine.requests import Request, RequestQueue
from receiver.rendering.engine.worker import Worker
from receiver.rendering.frames import Frame
from receiver.rendering.model_files.fingerprint import describe_mismatch

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Pictures in one UNet pass. A CPU gains nothing from more than one, and the first frame would come later.
GPU_BATCH = 4
CPU_BATCH = 1

#: Most threads that finish frames beside a GPU.
GPU_FINISHERS = 4

#: Pictures that may wait or be rendered at once, by default.
CAPACITY = 128


class Engine(Renderer):
    """Renders pictures with one model, in a thread of its own. Use it as a context manager, or call `close`."""

    def __init__(
        self,
        model: "Model",
        *,
        batch: int | None = None,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
        finishers: int | None = None,
    ) -> None:
        """Start the thread.

        Args:
            model: from `load_model`. The engine owns it: do not use it elsewhere while the engine runs.
            batch: most pictures in one UNet pass, at least 1; None for 4 on a GPU and 1 on a CPU.
            capacity: most pictures that wait or are rendered at once, at least 1; more are refused.
            clock: returns seconds, for the times in frames.
            finishers: threads that fit and deliver frames while the engine's own goes on with the next step; with 0 it
                does that itself. None for half the cores on a GPU, at most `GPU_FINISHERS`, and for 0 on a CPU, where
                the steps use the same cores.

        Raises:
            UsageError: `batch` or `capacity` is below 1.
        """
        if batch is not None and batch < 1:
            raise UsageError(f"a batch holds at least one picture, not {batch}")
        if capacity < 1:
            raise UsageError(f"the capacity of an engine is at least one picture, not {capacity}")
        self._model = model
        self._queue = RequestQueue(capacity)
        on_cpu = model.device.type == "cpu"
        usual = CPU_BATCH if on_cpu else GPU_BATCH
        if finishers is None:
            finishers = 0 if on_cpu else max(1, min(GPU_FINISHERS, (os.cpu_count() or 1) // 2))
        self._worker = Worker(model, self._queue, batch or usual, clock, finishers=finishers)
        self._thread = threading.Thread(target=self._worker.run, name="layercast-engine", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> EngineCounters:
        return self._worker.counters.plus(refused=self._queue.refused)

    @property
    def pictures(self) -> int:
        return self._queue.pictures

    def describe_mismatch(self, meant: str) -> str | None:
        return describe_mismatch(meant, self._model.name, self._model.revision)

    def submit(
        self,
        key: Hashable,
        priors: Priors,
        seed: int,
        on_frame: Callable[[Frame], None],
        steps: int | None = None,
        *,
        session: Hashable = None,
        wait: float = 0.0,
    ) -> Future[Frame]:
        request = Request(
            key=key, priors=priors, seed=seed, steps=steps, on_frame=on_frame, result=Future(), session=session
        )
        self._queue.put(request, wait=wait)
        return request.result

    def cancel(self, key: Hashable) -> None:
        self._queue.cancel(key)

    def close(self, *, drain: bool = False, timeout: float | None = None) -> None:
        """End the thread.

        Args:
            drain: finish all pictures first; otherwise stop after the step in progress.
            timeout: longest wait for the thread, in seconds; None waits without limit.
        """
        self._queue.close(drain=drain)
        if threading.current_thread() is not self._thread and not self._worker.delivers_here:
            self._thread.join(timeout)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
