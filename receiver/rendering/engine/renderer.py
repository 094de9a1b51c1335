"""What draws pictures for a receiver: an engine in this process, or replicas of it on a cluster. Loads no torch."""

from collections.abc import Callable, Hashable
from concurrent.futures import Future
from pathlib import Path
from typing import TYPE_CHECKING, Protocol, Union

from codec.layers import Priors
from layercast_common.errors import UsageError
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.frames import Frame
from receiver.rendering.settings.settings import Tuning

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


class Renderer(Protocol):
    """See `Engine`, whose methods these are."""

    @property
    def counters(self) -> EngineCounters: ...

    @property
    def pictures(self) -> int: ...

    def describe_mismatch(self, meant: str) -> str | None:
        """One line where a picture was meant for another model than this draws with."""

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
    ) -> Future[Frame]: ...

    def cancel(self, key: Hashable) -> None: ...

    def close(self) -> None: ...


def start_renderer(
    model: Union[str, Path, "Model"],
    device: str = "auto",
    *,
    performance: str = "auto",
    replicas: int = 0,
    tuning: Tuning | None = None,
) -> Renderer:
    """Load a model and start drawing with it.

    Args:
        model: what `load_model` takes, or a loaded model.
        performance: how it is run.
        replicas: engines on a Ray cluster; 0 for one in this process.
        tuning: what is wanted otherwise than the model's settings have it.

    Raises:
        RenderError: the model cannot be had.
        MissingExtraError: the libraries for drawing, or for the cluster, are not installed.
        UsageError: a loaded model cannot be copied to a cluster.
    """
    if replicas:
        from receiver.rendering.engine.cluster import ClusterEngine

        if not isinstance(model, str | Path):
            raise UsageError("replicas load the model themselves; name it instead of loading it")
        return ClusterEngine(model, replicas=replicas, device=device, performance=performance, tuning=tuning)
    from receiver.rendering import Engine, load_model

    if isinstance(model, str | Path):
        return Engine(load_model(model, device, performance=performance, tuning=tuning))
    return Engine(model)
