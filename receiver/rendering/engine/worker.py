"""The engine's thread: takes pictures in, chooses batches, steps them, and gives frames."""

import logging
import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING

from codec.layers import Priors
from receiver.rendering.engine.batching import choose_batch
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.engine.requests import Request, RequestQueue
from receiver.rendering.engine.update_policy import Action

if TYPE_CHECKING:
    from receiver.rendering.engine.job import RenderJob
    from receiver.rendering.models.model import Model

logger = logging.getLogger(__name__)


@dataclass(eq=False, slots=True)
class _Active:
    request: Request
    job: "RenderJob"
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


class Worker:
    """What the engine does between its inbox and its callers. Only one thread may run it.

    Attributes:
        counters: what was done so far.
    """

    def __init__(self, model: "Model", inbox: RequestQueue, batch: int, clock: Callable[[], float]) -> None:
        from receiver.rendering.sampling.conditioning import Conditioner

        self.counters = EngineCounters()
        self._model = model
        self._conditioner = Conditioner(model)
        self._inbox = inbox
        self._batch = batch
        self._clock = clock
        self._active: dict[Hashable, _Active] = {}
        self._turn = 0

    def run(self) -> None:
        """Draw until the inbox is closed."""
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
        from receiver.rendering.engine.job import RenderJob

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
            job = RenderJob(
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

    def _update(self, job: "RenderJob", priors: Priors) -> None:
        done = job.run.done
        decision = job.take_layers(priors)
        kept = 0 if decision.action is Action.RESTART else decision.step
        self._count(saved=kept, thrown_away=done - kept)

    def _step(self, chosen: list[_Active]) -> None:
        from receiver.rendering.sampling.sampler import predict

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
        self.counters = self.counters.plus(**more)
