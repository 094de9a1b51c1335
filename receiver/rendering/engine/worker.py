"""The engine's thread: admits requests, chooses batches, runs their steps, and hands over frames."""

import threading
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, TypeVar

from codec.layers import Priors
from receiver.rendering.engine.attempts import attempt, make_room
from receiver.rendering.engine.batching import BatchLimit, choose_batch
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.engine.delivery import FrameDelivery
from receiver.rendering.engine.frame_decoder import FrameDecoder
from receiver.rendering.engine.render_method import render_method
from receiver.rendering.engine.requests import Request, RequestQueue

if TYPE_CHECKING:
    from receiver.rendering.engine.jobs.job import RenderJob
    from receiver.rendering.models.model import Model
    from receiver.rendering.sampling.sampler import DenoisingRun

R = TypeVar("R")


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
        """Denoising steps done, without those that an earlier picture saved."""
        return self.job.run.done - self.job.run.begin if self.job.run else 0

    @property
    def skipped(self) -> int:
        """Steps that an earlier picture saves, of a run that has done none yet."""
        return self.job.run.begin if self.job.run and not self.done else 0


class Worker:
    """The loop of the engine's thread. Only one thread may run it."""

    def __init__(
        self, model: "Model", queue: RequestQueue, batch: int, clock: Callable[[], float], *, finishers: int
    ) -> None:
        """Prepare the loop.

        Args:
            model: the model to render with.
            queue: where requests come from.
            batch: most pictures in one pass.
            clock: returns seconds, for the times in frames.
            finishers: other threads that finish and deliver frames; 0 for none.
        """
        from receiver.rendering.engine.jobs.finished import FinishedPictures
        from receiver.rendering.sampling.conditioning import Conditioner

        self._finished = FinishedPictures()
        self._counting = threading.Lock()
        self._counters = EngineCounters()
        self._model = model
        self._conditioner = Conditioner(model)
        self._queue = queue
        self._limit = BatchLimit(batch)
        self._delivery = FrameDelivery(queue, self._count, threads=finishers)
        self._decoder = FrameDecoder(model, self._delivery, self._count, batch)
        self._clock = clock
        self._active: dict[Hashable, _ActivePicture] = {}
        self._pass_number = 0
        self._draining = False

    @property
    def counters(self) -> EngineCounters:
        """The work done so far."""
        return self._counters

    @property
    def delivers_here(self) -> bool:
        """Whether the caller runs in a thread that delivers frames."""
        return self._delivery.in_own_thread

    def run(self) -> None:
        """Render until the queue is closed."""
        while self._admit_pending():
            self._run_pass()
        for active in list(self._active.values()):
            self._drop(active)
        self._delivery.close(drain=self._draining)

    def _run_pass(self) -> None:
        # A method of its own: its locals keep no picture alive while the thread waits for the next one.
        self._pass_number += 1
        chosen = choose_batch(self._active.values(), self._limit.size, self._pass_number)
        denoising = [(active, active.job.run) for active in chosen if active.job.run]
        if denoising:
            self._step(denoising)
        for active in chosen:
            active.last_pass = self._pass_number
        self._draw([active for active in chosen if self._is_active(active)])

    def _admit_pending(self) -> bool:
        """Wait for work and admit the requests that came since the last pass; return False at the end."""
        pending = self._queue.collect(self._active.keys())
        self._draining = pending.draining
        for key in pending.cancelled:
            self._delivery.cancel(key)
            self._finished.keep(key, None)
        for active in list(self._active.values()):
            if active.request.key in pending.cancelled or active.request.result.done():
                self._drop(active)
        for request in pending.requests:
            if not request.result.cancelled():
                self._admit(request)
        return not pending.closed or (pending.draining and bool(self._active))

    def _admit(self, request: Request) -> None:
        started = time.perf_counter()
        _, error = self._attempt_twice(lambda: self._start_or_update(request))
        if error is not None:
            self._fail(request, error)
        self._count(preparing_s=time.perf_counter() - started)

    def _start_or_update(self, request: Request) -> None:
        from receiver.rendering.engine.jobs.job import start_job

        active = self._active.get(request.key)
        method = render_method(request.priors, self._model, request.seed)
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
            earlier=self._finished.get(request.key),
        )
        active = self._active[request.key] = _ActivePicture(request, job, admitted=self._pass_number)
        self._count(skipped=active.skipped)

    def _update(self, active: _ActivePicture, priors: Priors) -> None:
        done = active.done
        kept = active.job.update(priors)
        self._count(saved=kept, thrown_away=done - kept, skipped=active.skipped)

    def _step(self, denoising: list[tuple[_ActivePicture, "DenoisingRun"]]) -> None:
        """Do one step of each run in one UNet pass; if it fails, in smaller parts."""
        from receiver.rendering.sampling.passes import predict

        started = time.perf_counter()
        runs = [run for _, run in denoising]
        # One run is tried twice if the memory is full; several are split at once.
        predictions, error = (attempt if len(runs) > 1 else self._attempt_twice)(lambda: predict(self._model, runs))
        if predictions is None:
            self._step_apart(denoising, error)
            return
        for (active, run), prediction in zip(denoising, predictions, strict=True):
            _, error = attempt(partial(run.apply, prediction))
            if error is not None:
                self._fail(active.request, error)
        self._limit.record_pass()
        self._count(passes=1, steps=len(denoising), stepping_s=time.perf_counter() - started)

    def _step_apart(self, denoising: list[tuple[_ActivePicture, "DenoisingRun"]], error: Exception | None) -> None:
        """Do a step that failed again in smaller parts: the memory is full, or one picture broke the pass.

        The failed pass holds no memory here: its error has no traceback, and its handler has been left.
        """
        if len(denoising) == 1:
            assert error is not None
            self._fail(denoising[0][0].request, error)
            return
        size = 1
        if make_room(self._model, error):
            self._limit.shrink(len(denoising))
            size = min(self._limit.size, len(denoising) - 1)
        for start in range(0, len(denoising), size):
            self._step(denoising[start : start + size])

    def _attempt_twice(self, act: Callable[[], R]) -> tuple[R | None, Exception | None]:
        """Call `act`; if the memory is full, free what is unused and call it once more."""
        result, error = attempt(act)
        return attempt(act) if make_room(self._model, error) else (result, error)

    def _draw(self, chosen: list[_ActivePicture]) -> None:
        """Decode and hand over the frames that are due."""
        others_wait = sum(not other.shown for other in self._active.values()) > 1
        # A picture came during the pass: its first frame is not held up by another frame of a picture that is shown.
        hurry = not self._delivery.has_threads and self._queue.has_newcomer(self._active.keys())
        due = []
        for active in chosen:
            if hurry and active.shown and active.job.run and not active.job.run.finished:
                continue
            draft, error = self._attempt_twice(partial(active.job.draft_frame, small=others_wait))
            if error is not None:
                self._fail(active.request, error)
            elif draft is not None:
                due.append((active.request, draft))
                if draft.recipe.final:
                    del self._active[active.request.key]
                    self._finished.keep(active.request.key, active.job.finished_picture())
        self._decoder.draw(due)

    def _is_active(self, active: _ActivePicture) -> bool:
        return self._active.get(active.request.key) is active and not active.request.result.done()

    def _drop(self, active: _ActivePicture) -> None:
        del self._active[active.request.key]
        self._count(thrown_away=active.done)
        active.request.result.cancel()

    def _fail(self, request: Request, error: Exception) -> None:
        active = self._active.pop(request.key, None)
        self._count(thrown_away=active.done if active else 0)
        self._delivery.fail(request, error)

    def _count(self, **more: float) -> None:
        # Several threads count; the object is replaced as a whole, so readers always see a consistent set.
        with self._counting:
            self._counters = self._counters.plus(**more)
