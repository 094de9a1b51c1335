"""The engine: one thread that owns the model and draws many pictures at once, a step at a time.

    submit, cancel --> pending, one per key --+
                                              v
                       take in --> choose a batch --> one UNet pass --> frames --> on_frame, result
                          ^                                               |
                          +-----------------------------------------------+

Between any two steps new pictures start, new layers join, and what nobody wants any more stops.
"""

import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from typing import TYPE_CHECKING

from codec.layers import Priors
from layercast_common.errors import UsageError
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.engine.requests import Request, RequestQueue
from receiver.rendering.engine.worker import Worker
from receiver.rendering.frames import Frame
from receiver.rendering.model_files.fingerprint import describe_mismatch

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Pictures in one UNet pass. A CPU gains nothing from more than one, and the first frame would come later.
GPU_BATCH = 4
CPU_BATCH = 1

#: Pictures that may wait or be drawn at once, unless told otherwise.
CAPACITY = 128


class Engine:
    """Draws pictures with one model, in a thread of its own. All methods are thread-safe; none waits unless told to.

    Use as a context manager, or `close` it.
    """

    def __init__(
        self,
        model: "Model",
        *,
        batch: int | None = None,
        capacity: int = CAPACITY,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Start the thread.

        Args:
            model: from `load_model`; belongs to the engine from now on.
            batch: most pictures in one UNet pass; 4 on a GPU and 1 on a CPU if None.
            capacity: most pictures that wait or are drawn at once; more are refused.
            clock: seconds, for the times in frames.
        """
        if batch is not None and batch < 1:
            raise UsageError(f"a batch holds at least one picture, not {batch}")
        if capacity < 1:
            raise UsageError(f"an engine takes at least one picture, not {capacity}")
        self._model = model
        self._inbox = RequestQueue(capacity)
        usual = CPU_BATCH if model.device.type == "cpu" else GPU_BATCH
        self._worker = Worker(model, self._inbox, batch or usual, clock)
        self._thread = threading.Thread(target=self._worker.run, name="layercast-engine", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> EngineCounters:
        """What was done so far."""
        return self._worker.counters.plus(refused=self._inbox.refused)

    def describe_mismatch(self, meant: str) -> str | None:
        """One line where a picture was meant for another model, or revision, than this draws with; else None."""
        return describe_mismatch(meant, self._model.name, self._model.revision)

    @property
    def pictures(self) -> int:
        """How many pictures wait or are being drawn."""
        return self._inbox.taken

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
        """Ask for a picture, or tell what is known of it now.

        If `key` is being drawn with the same seed, steps and canvas, the new layers join, rewind or restart it;
        otherwise it is drawn anew and a picture of that key is dropped. Only the newest state of a key counts.

        Args:
            key: the picture's name.
            priors: all layers that are known of it.
            seed: of the starting noise.
            on_frame: called in the engine's thread with each frame; must return soon.
            steps: denoising steps; the model's own number if None.
            session: whose picture it is; the device is shared fairly between sessions.
            wait: longest to wait for a place if the engine is full, in seconds. A known key has its place.

        Returns:
            The final frame to come, or the picture's error; cancelled once a newer call for the key takes its
            place, or by `cancel` or `close`. Cancelling it drops the picture.

        Raises:
            EngineBusyError: the engine is full, and stayed so.
            RenderError: the engine is closed.
        """
        request = Request(
            key=key, priors=priors, seed=seed, steps=steps, on_frame=on_frame, result=Future(), session=session
        )
        self._inbox.put(request, wait=wait)
        return request.result

    def cancel(self, key: Hashable) -> None:
        """Stop drawing a picture after the step in progress; nothing happens if it is not being drawn."""
        self._inbox.cancel(key)

    def close(self, *, drain: bool = False, timeout: float | None = None) -> None:
        """End the thread.

        Args:
            drain: finish all pictures first; otherwise stop after the step in progress.
            timeout: longest to wait for the end, in seconds.
        """
        self._inbox.close(drain=drain)
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def __enter__(self) -> "Engine":
        return self

    def __exit__(self, *exc_info: object) -> None:
        self.close()
