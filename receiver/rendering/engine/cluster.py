"""Engines on a Ray cluster: the same calls as `Engine`, served by replicas, which may die.

    submit --> _follow, one per picture --> Serve's router --> EngineReplica.draw --> its engine
       ^                                                            |
       +------ on_frame, result <------ frames streamed back -------+

Serve holds requests back where every replica has enough to do, keeps a picture with the replica that has it under way,
and starts replicas anew. A picture whose replica died is submitted again: drawn from the same seed, it is the same.
"""

import asyncio
import contextlib
import logging
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.layers import Priors
from layercast_common.errors import EngineBusyError, MissingExtraError, RenderError
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.frames import Frame
from receiver.rendering.model_files.fingerprint import describe_mismatch, split_revision
from receiver.rendering.settings.settings import Tuning

logger = logging.getLogger(__name__)

#: Pictures that one replica takes at once; Serve keeps further ones waiting.
PER_REPLICA = 16

#: Pictures that may be under way at once, unless told otherwise.
CAPACITY = 256

#: How often a picture is submitted again before it is given up, and how long is waited before that, in seconds.
MAX_ATTEMPTS = 8
PATIENCE = 0.5

_NAME = "layercast"


@dataclass(eq=False, slots=True)
class _Drawing:
    key: Hashable
    priors: Priors
    seed: int
    steps: int | None
    session: Hashable
    on_frame: Callable[[Frame], None]
    result: Future[Frame]
    response: Any = None


class ClusterEngine:
    """Draws pictures on replicas. All methods are thread-safe; none waits unless told to. `close` it."""

    def __init__(
        self,
        model: str | Path = "mini",
        *,
        replicas: int = 2,
        device: str = "auto",
        performance: str = "auto",
        tuning: Tuning | None = None,
        capacity: int = CAPACITY,
        cpus: float = 1.0,
        gpus: float = 0.0,
    ) -> None:
        """Join the cluster that `RAY_ADDRESS` names, or start one on this machine, and start replicas.

        Args:
            model: what `load_model` takes, on every machine of the cluster.
            replicas: engines with a model each.
            capacity: most pictures under way at once; more are refused.
            cpus, gpus: what one replica needs.

        Raises:
            MissingExtraError: Ray is not installed.
            RenderError: the replicas cannot be started.
        """
        try:
            import ray
            from ray import serve
        except ImportError as error:
            raise MissingExtraError("drawing on a cluster", "ray") from error
        from receiver.rendering.engine.replica import EngineReplica

        self._started = not ray.is_initialized()
        if self._started:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        deployment = serve.deployment(
            EngineReplica,
            name="engine",
            num_replicas=replicas,
            max_ongoing_requests=PER_REPLICA,
            ray_actor_options={"num_cpus": cpus, "num_gpus": gpus},
        )
        try:
            app = deployment.bind(str(model), device, performance, tuning)
            self._handle = serve.run(app, name=_NAME, route_prefix=None)
        # What goes wrong on a worker comes back as one of many of Ray's own errors.
        except Exception as error:
            self._leave()
            raise RenderError(f"the replicas cannot be started: {str(error).splitlines()[-1]}") from error
        self._model = str(model)
        self._capacity = capacity
        self._room = threading.Condition(threading.RLock())
        self._drawings: dict[Hashable, _Drawing] = {}
        self._counters = EngineCounters()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="layercast-cluster", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> EngineCounters:
        """What came back so far: frames, pictures finished, failed and refused; steps are counted by the replicas."""
        return self._counters

    def describe_mismatch(self, meant: str) -> str | None:
        """As `Engine.describe_mismatch`; revisions are the replicas' own business."""
        return describe_mismatch(split_revision(meant)[0], self._model, None)

    @property
    def pictures(self) -> int:
        """How many pictures are under way."""
        with self._room:
            return len(self._drawings)

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
        """As `Engine.submit`; `on_frame` is called in a thread of this object's own.

        Raises:
            EngineBusyError: too many pictures are under way, and stayed so.
            RenderError: it is closed.
        """
        drawing = _Drawing(key, priors, seed, steps, session, on_frame, Future())
        with self._room:
            self._room.wait_for(lambda: self._closed or self._has_room(key), wait)
            if self._closed:
                raise RenderError("the rendering engine is closed")
            if not self._has_room(key):
                self._count(refused=1)
                raise EngineBusyError(self._capacity)
            older = self._drawings.get(key)
            self._drawings[key] = drawing
        if older:
            # Its replica ends it when the new layers get there, and keeps the steps that it has done.
            older.result.cancel()
        asyncio.run_coroutine_threadsafe(self._follow(drawing), self._loop)
        return drawing.result

    def find_replica(self) -> int:
        """The process of one of the replicas, on whichever machine it is."""
        return int(self._handle.process.remote().result())

    def cancel(self, key: Hashable) -> None:
        """As `Engine.cancel`."""
        with self._room:
            drawing = self._drawings.pop(key, None)
            self._room.notify_all()
        if drawing:
            drawing.result.cancel()
            self._loop.call_soon_threadsafe(_stop, drawing)

    def close(self) -> None:
        """Stop drawing and the replicas; and the cluster, if it was started here."""
        with self._room:
            self._closed = True
            keys = list(self._drawings)
            self._room.notify_all()
        for key in keys:
            self.cancel(key)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._leave()

    def _leave(self) -> None:
        import ray
        from ray import serve

        with contextlib.suppress(Exception):
            serve.delete(_NAME)
        if self._started:
            with contextlib.suppress(Exception):
                serve.shutdown()
            ray.shutdown()

    def _has_room(self, key: Hashable) -> bool:
        return key in self._drawings or len(self._drawings) < self._capacity

    async def _follow(self, drawing: _Drawing) -> None:
        """Have one picture drawn, by another replica if its own dies."""
        try:
            final = await self._draw(drawing)
        # Whatever is wrong with one picture must not end the loop that follows all the others.
        except Exception as error:
            self._count(failed=1)
            if drawing.result.set_running_or_notify_cancel():
                drawing.result.set_exception(_own_error(error))
        else:
            if final is None:
                drawing.result.cancel()
            elif drawing.result.set_running_or_notify_cancel():
                self._count(finished=1)
                drawing.result.set_result(final)
        finally:
            with self._room:
                if self._drawings.get(drawing.key) is drawing:
                    del self._drawings[drawing.key]
                self._room.notify_all()

    async def _draw(self, drawing: _Drawing) -> Frame | None:
        """The last frame; None if newer layers took the picture's place, or nobody wants it any more."""
        from ray.exceptions import RayActorError, RayError
        from ray.serve.exceptions import BackPressureError

        name = str(drawing.key)
        handle = self._handle.options(stream=True, multiplexed_model_id=name)
        for attempt in range(MAX_ATTEMPTS):
            if drawing.result.cancelled() and self._drawings.get(drawing.key) is not drawing:
                return None
            frame: Frame | None = None
            try:
                drawing.response = handle.draw.remote(
                    name, drawing.priors, drawing.seed, drawing.steps, str(drawing.session)
                )
                async for frame in drawing.response:
                    self._show(drawing, frame)
            except (BackPressureError, RayActorError, asyncio.CancelledError) as error:
                logger.warning("%s: its replica is gone or full (%s); attempt %d", name, type(error).__name__, attempt)
            except RayError as error:
                if not isinstance(error.__cause__, RayActorError):
                    raise
                logger.warning("%s: its replica is gone; attempt %d", name, attempt)
            else:
                return frame if frame and frame.final else None
            await asyncio.sleep(PATIENCE * (attempt + 1))
        raise RenderError(f"no replica could draw it in {MAX_ATTEMPTS} attempts")

    def _show(self, drawing: _Drawing, frame: Frame) -> None:
        if self._drawings.get(drawing.key) is drawing and not drawing.result.cancelled():
            self._count(frames=1)
            drawing.on_frame(frame)

    def _count(self, **more: float) -> None:
        with self._room:
            self._counters = self._counters.plus(**more)


def _stop(drawing: _Drawing) -> None:
    if drawing.response is not None:
        drawing.response.cancel()


def _own_error(error: Exception) -> Exception:
    """The error that was raised on the replica, without Ray's wrapping, which shows its traces."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error
