"""The interface of everything that renders pictures for a receiver. Loads no torch."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Hashable
from concurrent.futures import Future

from codec.layers import Priors
from receiver.rendering.engine.counters import EngineCounters
from receiver.rendering.frames import Frame


class Renderer(ABC):
    """Renders pictures in the background. All methods are thread-safe; only those with a wait argument block.

    `Engine` renders in a thread of this process, `ClusterEngine` on replicas of a Ray cluster. Call `close` at the end.
    """

    @property
    @abstractmethod
    def counters(self) -> EngineCounters:
        """The work done so far."""

    @property
    @abstractmethod
    def pictures(self) -> int:
        """The number of pictures that wait or are being rendered."""

    @abstractmethod
    def describe_mismatch(self, meant: str) -> str | None:
        """Return one line if a picture was made for another model or revision than this one; else None.

        Args:
            meant: the model that the picture's stream names; "@" and a revision may follow.
        """

    @abstractmethod
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
        """Start rendering a picture, or add layers to one that is being rendered.

        If `key` is already being rendered with the same seed, steps and canvas, the new layers join the run, rewind it
        or restart it. Otherwise the old run of that key is dropped and a new one starts. Only the newest call of a key
        counts.

        Args:
            key: identifies the picture.
            priors: all layers received so far.
            seed: of the starting noise, 0 to 2**64 - 1.
            on_frame: called with each frame, in a thread of the renderer; must return quickly.
            steps: denoising steps, 1 to 1000; None for the model's own number.
            session: the session that the picture belongs to; the device is shared fairly between sessions.
            wait: longest wait for a place if the renderer is full, in seconds. A key that is being rendered keeps its
                place.

        Returns:
            A future of the final frame. It raises the error that ended the picture, such as a `UsageError` for a wrong
            number of steps. It is cancelled when a newer call of the same key replaces it, and by `cancel` and `close`.
            Cancelling the future drops the picture.

        Raises:
            EngineBusyError: the renderer was still full after `wait` seconds.
            RenderError: the renderer is closed.
        """

    @abstractmethod
    def cancel(self, key: Hashable) -> None:
        """Stop rendering a picture after the step in progress. Unknown keys are ignored."""

    @abstractmethod
    def close(self) -> None:
        """Drop all pictures and release the model."""
