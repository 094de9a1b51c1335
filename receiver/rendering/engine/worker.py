"""The engine's thread: admits requests, chooses batches, runs their steps, and delivers frames."""

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from codec.layers import Priors
from receiver.rendering.engine.batching import choose_batch
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.engine.render_method import render_method
from receiver.rendering.engine.requests import Request, RequestQueue

if TYPE_CHECKING:
    from receiver.rendering.engine.job import RenderJob
    from receiver.rendering.models.model import Model
    from receiver.rendering.sampling.sampler import DenoisingRun

_log = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _ActivePicture:
    """A picture being rendered: a `BatchCandidate`."""

    request: Request
    job: "RenderJob"
    admitted: int
    last_pass: int = -1

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
        return self.job.shape

    @property
    def done(self) -> int:
        """Denoising steps done."""
        return self.job.run.done if self.job.run else 0


class Worker:
    """The loop of the engine's thread. Only one thread may run it.

    Attributes:
        counters: the work done so far.
    """

    def __init__(self, model: "Model", queue: RequestQueue, batch: int, clock: Callable[[], float]) -> None:
        from receiver.rendering.sampling.conditioning import Conditioner

        self.counters = EngineCounters()
        self._model = model
        self._conditioner = Conditioner(model)
        self._queue = queue
        self._batch = batch
        self._clock = clock
        self._active: dict[Hashable, _ActivePicture] = {}
        self._pass_number = 0

    def run(self) -> None:
        """Render until the queue is closed."""
        while self._admit_pending():
            self._run_pass()
        for active in list(self._active.values()):
            self._drop(active)

    def _run_pass(self) -> None:
        # A method of its own: its locals keep no picture alive while the thread waits for the next one.
        self._pass_number += 1
        chosen = choose_batch(self._active.values(), self._batch, self._pass_number)
        denoising = [(active, active.job.run) for active in chosen if active.job.run]
        if denoising:
            self._step(denoising)
        for active in chosen:
            active.last_pass = self._pass_number
            self._attempt(active, partial(self._deliver_frame, active))

    def _admit_pending(self) -> bool:
        """Wait for work and admit the requests that came since the last pass; return False at the end."""
        pending = self._queue.collect(self._active.keys())
        for active in list(self._active.values()):
            if active.request.key in pending.cancelled or active.request.result.cancelled():
                self._drop(active)
        for request in pending.requests:
            if not request.result.cancelled():
                self._admit(request)
        return not pending.closed or (pending.draining and bool(self._active))

    def _admit(self, request: Request) -> None:
        from receiver.rendering.engine.job import start_job

        started = time.perf_counter()
        active = self._active.get(request.key)
        try:
            method = render_method(request.priors, self._model)
            if active and active.job.method is method and request.continues(active.request):
                active.request.result.cancel()
                active.request = request
                self._update(active, request.priors)
                return
            if active:
                self._drop(active)
            job = start_job(
                self._model,
                self._conditioner,
                request.priors,
                seed=request.seed,
                steps=request.steps,
                clock=self._clock,
            )
            self._active[request.key] = _ActivePicture(request, job, admitted=self._pass_number)
        # An error of one picture must not end the thread that renders all the others.
        except Exception as error:
            self._fail(request, error)
        finally:
            self._count(preparing_s=time.perf_counter() - started)

    def _update(self, active: _ActivePicture, priors: Priors) -> None:
        done = active.done
        kept = active.job.update(priors)
        self._count(saved=kept, thrown_away=done - kept)

    def _step(self, denoising: list[tuple[_ActivePicture, "DenoisingRun"]]) -> None:
        """Do one step of each run in one UNet pass."""
        from receiver.rendering.sampling.sampler import predict

        started = time.perf_counter()
        try:
            predictions = predict(self._model, [run for _, run in denoising])
        except Exception as error:
            if len(denoising) == 1:
                self._fail(denoising[0][0].request, error)
                return
            # One picture broke the pass, or the batch is too large for the device. Running each picture alone finds
            # out.
            for alone in denoising:
                self._step([alone])
            return
        for (active, run), prediction in zip(denoising, predictions, strict=True):
            self._attempt(active, partial(run.apply, prediction))
        self._count(passes=1, steps=len(denoising), stepping_s=time.perf_counter() - started)

    def _attempt(self, active: _ActivePicture, act: Callable[[], None]) -> None:
        """Run `act` unless the picture has already failed; an error in it fails this picture alone."""
        if self._active.get(active.request.key) is not active:
            return
        try:
            act()
        except Exception as error:
            self._fail(active.request, error)

    def _deliver_frame(self, active: _ActivePicture) -> None:
        if active.request.result.cancelled():
            return
        started = time.perf_counter()
        others_wait = sum(not other.shown for other in self._active.values()) > 1
        frame = active.job.draw_frame(small=others_wait)
        if frame is None:
            return
        self._count(frames=1, decoding_s=time.perf_counter() - started)
        active.request.on_frame(frame)
        if frame.final:
            del self._active[active.request.key]
            self._count(finished=1)
            if active.request.result.set_running_or_notify_cancel():
                active.request.result.set_result(frame)

    def _drop(self, active: _ActivePicture) -> None:
        del self._active[active.request.key]
        self._count(thrown_away=active.done)
        active.request.result.cancel()

    def _fail(self, request: Request, error: Exception) -> None:
        active = self._active.pop(request.key, None)
        self._count(failed=1, thrown_away=active.done if active else 0)
        _log.warning("rendering %r failed: %s", request.key, error)
        if request.result.set_running_or_notify_cancel():
            request.result.set_exception(error)

    def _count(self, **more: float) -> None:
        # Only this thread writes, and in one assignment: readers always see a consistent set.
        self.counters = self.counters.plus(**more)
