"""The replicas on Ray Serve: start and stop them, and render one picture on one of them. Loads ray when used."""

import asyncio
import contextlib
import logging
from collections.abc import Callable, Hashable
from concurrent.futures import Future
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from codec.layers import Priors
from layercast_common.errors import MissingExtraError, RenderError, UsageError
from receiver.rendering.cluster.options import ClusterOptions
from receiver.rendering.frames import Frame
from receiver.rendering.settings.tuning import Tuning

_log = logging.getLogger(__name__)

#: Pictures that one replica accepts at once; Serve queues further ones.
PER_REPLICA = 16

#: Attempts to render one picture, and the base of the pause between them, in seconds: it grows with each attempt.
MAX_ATTEMPTS = 8
RETRY_PAUSE_S = 0.5

_NAME = "layercast"


@dataclass(eq=False, slots=True, kw_only=True)
class ClusterRequest:
    """One picture that is being rendered on the cluster; fields as in `Renderer.submit`.

    Attributes:
        result: the future of the final frame.
        response: Serve's response stream, once there is one.
    """

    key: Hashable
    priors: Priors
    seed: int
    steps: int | None
    session: Hashable
    on_frame: Callable[[Frame], None]
    result: Future[Frame]
    response: Any = None

    def stop(self) -> None:
        """Cancel the call to the replica."""
        if self.response is not None:
            self.response.cancel()


class ReplicaDeployment:
    """The replicas of one model."""

    def __init__(
        self, model: str | Path, device: str, performance: str, tuning: Tuning | None, options: ClusterOptions
    ) -> None:
        """Join the cluster that `RAY_ADDRESS` names, or start one on this machine, and start the replicas.

        Args:
            model, device, performance, tuning: arguments of `load_model`, on every machine of the cluster.
            options: number and needs of the replicas.

        Raises:
            MissingExtraError: Ray is not installed.
            RenderError: the replicas cannot be started.
            UsageError: the cluster has fewer GPUs than they need.
        """
        try:
            import ray
            from ray import serve
        except ImportError as error:
            raise MissingExtraError("rendering on a cluster", "ray") from error
        from receiver.rendering.cluster.replica import EngineReplica

        self._started_ray = not ray.is_initialized()
        if self._started_ray:
            ray.init(include_dashboard=False, log_to_driver=False, logging_level=logging.ERROR)
        try:
            gpus = options.choose_gpus(float(ray.cluster_resources().get("GPU", 0.0)), device)
        except UsageError:
            self.stop()
            raise
        if not gpus and device != "cpu":
            _log.warning(
                "the replicas render on CPUs: the cluster has no GPU for them; --device cpu says so on purpose"
            )
        else:
            _log.info("each replica has %g GPUs", gpus)
        deployment = serve.deployment(
            EngineReplica,
            name="engine",
            num_replicas=options.replicas,
            max_ongoing_requests=PER_REPLICA,
            ray_actor_options={"num_cpus": options.cpus, "num_gpus": gpus},
        )
        try:
            app = deployment.bind(str(model), device, performance, tuning)
            self._handle = serve.run(app, name=_NAME, route_prefix=None)
        # Ray wraps a worker's error in one of many types of its own.
        except Exception as error:
            self.stop()
            raise RenderError(f"the replicas cannot be started: {str(error).splitlines()[-1]}") from error

    def find_process(self) -> int:
        """Return the process id of one of the replicas, on whichever machine it runs."""
        return int(self._handle.process.remote().result())

    async def render(
        self, request: ClusterRequest, show: Callable[[Frame], None], is_current: Callable[[], bool]
    ) -> Frame | None:
        """Render one picture; if its replica dies, render it again on another one.

        Args:
            request: the picture.
            show: called with each frame.
            is_current: whether the picture's newest request is still this one.

        Returns:
            The final frame; None if newer layers replaced the request or its result was cancelled.

        Raises:
            RenderError: every attempt failed, or the replica's engine refused the picture.
        """
        from ray.exceptions import RayActorError, RayError
        from ray.serve.exceptions import BackPressureError

        name = str(request.key)
        handle = self._handle.options(stream=True, multiplexed_model_id=name)
        for attempt in range(MAX_ATTEMPTS):
            if request.result.cancelled() and not is_current():
                return None
            frame: Frame | None = None
            try:
                request.response = handle.draw.remote(
                    name, request.priors, request.seed, request.steps, str(request.session)
                )
                async for frame in request.response:
                    show(frame)
            except (BackPressureError, RayActorError, asyncio.CancelledError) as error:
                _log.warning("%s: the replica is gone or full (%s); attempt %d", name, type(error).__name__, attempt)
            except RayError as error:
                if not isinstance(error.__cause__, RayActorError):
                    raise
                _log.warning("%s: the replica is gone; attempt %d", name, attempt)
            else:
                return frame if frame and frame.final else None
            await asyncio.sleep(RETRY_PAUSE_S * (attempt + 1))
        raise RenderError(f"no replica could render the picture in {MAX_ATTEMPTS} attempts")

    def stop(self) -> None:
        """Stop the replicas, and Ray if this object started it."""
        import ray
        from ray import serve

        with contextlib.suppress(Exception):
            serve.delete(_NAME)
        if self._started_ray:
            with contextlib.suppress(Exception):
                serve.shutdown()
            ray.shutdown()


def unwrap_error(error: Exception) -> Exception:
    """Return the error that the replica raised, without Ray's wrapper and its stack trace."""
    cause = getattr(error, "cause", None)
    return cause if isinstance(cause, Exception) else error
