"""The engine: one thread that owns the model and draws many pictures at once, a step at a time.

    submit, cancel --> pending, one per key --+
                                              v
                       take in --> choose a batch --> one UNet pass --> frames --> on_frame, result
                          ^                                               |
                          +-----------------------------------------------+

Between any two steps new pictures start, new layers join, and what nobody wants any more stops.
"""

import logging
import threading
import time
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from codec.layers import Priors
from layercast_errors import UsageError
from receiver.rendering.counters import EngineCounters
from receiver.rendering.frames import Frame
from receiver.rendering.identity import tell_difference
from receiver.rendering.inbox import Inbox, Request
from receiver.rendering.plan import Action
from receiver.rendering.turns import choose_batch

if TYPE_CHECKING:
    from receiver.rendering.job import Job
    from receiver.rendering.models import Model

logger = logging.getLogger(__name__)

#: Pictures in one UNet pass. A CPU gains nothing from more than one, and the first frame would come later.
GPU_BATCH = 4
CPU_BATCH = 1

#: Pictures that may wait or be drawn at once, unless told otherwise.
CAPACITY = 128


@dataclass(eq=False, slots=True)
class _Active:
    request: Request
    job: "Job"
    admitted: int
    last_turn: int = -1

    @property
    def session(self) -> Hashable:
        return self.request.session

    @property
    def shown(self) -> bool:
        return self.job.shown

    @property
    def to_frame(self) -> int:
        return self.job.to_frame

    @property
    def shape(self) -> tuple[int, ...]:
        return self.job.run.shape


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
        from receiver.rendering.conditioning import Conditioner

        if batch is not None and batch < 1:
            raise UsageError(f"a batch holds at least one picture, not {batch}")
        if capacity < 1:
            raise UsageError(f"an engine takes at least one picture, not {capacity}")
        self._model = model
        self._conditioner = Conditioner(model)
        self._batch = batch or (CPU_BATCH if model.device.type == "cpu" else GPU_BATCH)
        self._clock = clock
        self._counters = EngineCounters()
        self._inbox = Inbox(capacity)
        self._active: dict[Hashable, _Active] = {}
        self._turn = 0
        self._thread = threading.Thread(target=self._work, name="layercast-engine", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> EngineCounters:
        """What was done so far."""
        return self._counters.plus(refused=self._inbox.refused)

    def tell_difference(self, meant: str) -> str | None:
        """One line where a picture was meant for another model, or revision, than this draws with; else None."""
        return tell_difference(meant, self._model.name, self._model.revision)

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

    def _work(self) -> None:
        while self._take_in():
            self._take_turn()
        for active in list(self._active.values()):
            self._drop(active)

    def _take_turn(self) -> None:
        # A method of its own, so that nothing of a picture is held while the thread waits for the next.
        self._turn += 1
        chosen = choose_batch(self._active.values(), self._batch, self._turn)
        if chosen:
            self._step(chosen)

    def _take_in(self) -> bool:
        """Wait for something to do and take in what was asked since the last step; false at the end."""
        mail = self._inbox.take(self._active.keys())
        for active in list(self._active.values()):
            if active.request.key in mail.cancelled or active.request.result.cancelled():
                self._drop(active)
        for request in mail.requests:
            if not request.result.cancelled():
                self._admit(request)
        return not mail.closed or (mail.draining and bool(self._active))

    def _admit(self, request: Request) -> None:
        from receiver.rendering.job import Job

        began = time.perf_counter()
        active = self._active.get(request.key)
        try:
            if active and request.continues(active.request):
                active.request.result.cancel()
                active.request = request
                self._update(active.job, request.priors)
                return
            if active:
                self._drop(active)
            job = Job(
                self._model,
                self._conditioner,
                request.priors,
                seed=request.seed,
                steps=request.steps,
                clock=self._clock,
            )
            self._active[request.key] = _Active(request, job, admitted=self._turn)
        # Whatever is wrong with one picture must not end the thread that draws all the others.
        except Exception as error:
            self._fail(request, error)
        finally:
            self._count(preparing_s=time.perf_counter() - began)

    def _update(self, job: "Job", priors: Priors) -> None:
        done = job.run.done
        decision = job.take_layers(priors)
        kept = 0 if decision.action is Action.RESTART else decision.step
        self._count(saved=kept, thrown_away=done - kept)

    def _step(self, chosen: list[_Active]) -> None:
        from receiver.rendering.sampler import predict

        began = time.perf_counter()
        try:
            predictions = predict(self._model, [active.job.run for active in chosen])
        except Exception as error:
            if len(chosen) == 1:
                self._fail(chosen[0].request, error)
                return
            # One of them broke the pass, or all together are too much for the device: each on its own tells.
            for active in chosen:
                self._step([active])
            return
        for active, prediction in zip(chosen, predictions, strict=True):
            active.last_turn = self._turn
            self._attempt(active, partial(active.job.run.take, prediction))
        self._count(passes=1, steps=len(chosen), stepping_s=time.perf_counter() - began)
        for active in chosen:
            self._attempt(active, partial(self._show, active))

    def _attempt(self, active: _Active, act: Callable[[], None]) -> None:
        """Do something for one picture, which alone is lost if that fails, or if it failed before."""
        if self._active.get(active.request.key) is not active:
            return
        try:
            act()
        except Exception as error:
            self._fail(active.request, error)

    def _show(self, active: _Active) -> None:
        if active.request.result.cancelled():
            return
        began = time.perf_counter()
        crowded = sum(not other.shown for other in self._active.values()) > 1
        frame = active.job.draw_frame(small=crowded)
        if frame is None:
            return
        self._count(frames=1, decoding_s=time.perf_counter() - began)
        active.request.on_frame(frame)
        if frame.final:
            del self._active[active.request.key]
            self._count(finished=1)
            if active.request.result.set_running_or_notify_cancel():
                active.request.result.set_result(frame)

    def _drop(self, active: _Active) -> None:
        del self._active[active.request.key]
        self._count(thrown_away=active.job.run.done)
        active.request.result.cancel()

    def _fail(self, request: Request, error: Exception) -> None:
        active = self._active.pop(request.key, None)
        self._count(failed=1, thrown_away=active.job.run.done if active else 0)
        logger.warning("drawing %r failed: %s", request.key, error)
        if request.result.set_running_or_notify_cancel():
            request.result.set_exception(error)

    def _count(self, **more: float) -> None:
        # Only this thread writes them, and one assignment at a time: readers always get a whole set.
        self._counters = self._counters.plus(**more)
