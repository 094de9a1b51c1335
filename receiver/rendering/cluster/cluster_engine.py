"""Engines on a Ray cluster: the interface of `Engine`, served by replicas, any of which may die.

    submit --> _follow, one per picture --> Serve's router --> EngineReplica.draw --> its engine
       ^                                                            |
       +------ on_frame, result <------ frames streamed back -------+

Serve queues requests while every replica is busy, routes all requests of one picture to the same replica, and restarts
dead replicas. A picture whose replica died is submitted again: the same seed gives the same picture.
"""

import asyncio
import threading
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path

from codec.layers import Priors
from layercast_common.errors import EngineBusyError, RenderError
from receiver.rendering.cluster.deployment import ClusterRequest, ReplicaDeployment, unwrap_error
from receiver.rendering.cluster.options import ClusterOptions
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.engine.renderer import Renderer
from receiver.rendering.frames import Frame
from receiver.rendering.model_files.fingerprint import describe_mismatch, split_revision
from receiver.rendering.settings.tuning import Tuning


class ClusterEngine(Renderer):
    """Renders pictures on the replicas of a Ray cluster."""

    def __init__(
        self,
        model: str | Path = "mini",
        *,
        device: str = "auto",
        performance: str = "auto",
        tuning: Tuning | None = None,
        options: ClusterOptions | None = None,
    ) -> None:
        """Join the cluster that `RAY_ADDRESS` names, or start one on this machine, and start the replicas.

        Args:
            model, device, performance, tuning: arguments of `load_model`, on every machine of the cluster.
            options: number and needs of the replicas; None for the defaults.

        Raises:
            MissingExtraError: Ray is not installed.
            RenderError: the replicas cannot be started.
        """
        options = options or ClusterOptions()
        self._deployment = ReplicaDeployment(model, device, performance, tuning, options)
        self._model = str(model)
        self._capacity = options.capacity
        self._changed = threading.Condition(threading.RLock())
        self._requests: dict[Hashable, ClusterRequest] = {}
        self._counters = EngineCounters()
        self._closed = False
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="layercast-cluster", daemon=True)
        self._thread.start()

    @property
    def counters(self) -> EngineCounters:
        """Frames received, and pictures finished, failed and refused. The replicas count their steps themselves."""
        return self._counters

    @property
    def pictures(self) -> int:
        """The number of pictures under way."""
        with self._changed:
            return len(self._requests)

    def describe_mismatch(self, meant: str) -> str | None:
        """Return one line if a picture was made for another model; revisions are not compared."""
        return describe_mismatch(split_revision(meant)[0], self._model, None)

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
        request = ClusterRequest(
            key=key, priors=priors, seed=seed, steps=steps, session=session, on_frame=on_frame, result=Future()
        )
        with self._changed:
            self._changed.wait_for(lambda: self._closed or self._has_place(key), wait)
            if self._closed:
                raise RenderError("the rendering engine is closed")
            if not self._has_place(key):
                self._count(refused=1)
                raise EngineBusyError(self._capacity)
            older = self._requests.get(key)
            self._requests[key] = request
        if older:
            # The replica ends the older call when the new layers arrive, and keeps the steps already done.
            older.result.cancel()
        asyncio.run_coroutine_threadsafe(self._follow(request), self._loop)
        return request.result

    def cancel(self, key: Hashable) -> None:
        with self._changed:
            request = self._requests.pop(key, None)
            self._changed.notify_all()
        if request:
            request.result.cancel()
            self._loop.call_soon_threadsafe(request.stop)

    def close(self) -> None:
        """Drop all pictures, stop the replicas, and stop Ray if this object started it."""
        with self._changed:
            self._closed = True
            keys = list(self._requests)
            self._changed.notify_all()
        for key in keys:
            self.cancel(key)
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._deployment.stop()

    def find_process(self) -> int:
        """Return the process id of one of the replicas, on whichever machine it runs."""
        return self._deployment.find_process()

    def _has_place(self, key: Hashable) -> bool:
        return key in self._requests or len(self._requests) < self._capacity

    def _is_current(self, request: ClusterRequest) -> bool:
        return self._requests.get(request.key) is request

    async def _follow(self, request: ClusterRequest) -> None:
        """Render one picture and settle its future."""

        def show(frame: Frame) -> None:
            if self._is_current(request) and not request.result.cancelled():
                self._count(frames=1)
                request.on_frame(frame)

        try:
            final = await self._deployment.render(request, show, lambda: self._is_current(request))
        # An error of one picture must not end the loop that follows all the others.
        except Exception as error:
            self._count(failed=1)
            if request.result.set_running_or_notify_cancel():
                request.result.set_exception(unwrap_error(error))
        else:
            if final is None:
                request.result.cancel()
            elif request.result.set_running_or_notify_cancel():
                self._count(finished=1)
                request.result.set_result(final)
        finally:
            with self._changed:
                if self._is_current(request):
                    del self._requests[request.key]
                self._changed.notify_all()

    def _count(self, **more: float) -> None:
        with self._changed:
            self._counters = self._counters.plus(**more)
