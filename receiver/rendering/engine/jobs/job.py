"""The jobs of an engine: what they have in common, and the choice of one for a picture."""

from collections.abc import Callable
from typing import Protocol

from codec.layers import Priors
from layercast_common.errors import UsageError
from receiver.rendering.engine.jobs.denoising_job import DenoisingJob
from receiver.rendering.engine.jobs.restoration_job import RestorationJob
from receiver.rendering.engine.render_method import RenderMethod, render_method
from receiver.rendering.models.model import Model
from receiver.rendering.output.drafts import FrameDraft
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.sampling.starts import EarlierPicture

#: Most denoising steps of a run; more improve nothing with any solver here.
MAX_STEPS = 1000


class RenderJob(Protocol):
    """The rendering of one picture: after each step of `run`, or at once if there is none, a frame may be due.

    Attributes:
        method: how the job renders.
        run: the denoising run; None if nothing is denoised.
        shown: whether the job has produced a frame.
        shape: only jobs of one shape fit into one UNet pass.
        to_frame: steps until the first frame; 0 once the job has produced one.
    """

    @property
    def method(self) -> RenderMethod: ...
    @property
    def run(self) -> DenoisingRun | None: ...
    @property
    def shown(self) -> bool: ...
    @property
    def shape(self) -> tuple[int, ...]: ...
    @property
    def to_frame(self) -> int: ...

    def update(self, priors: Priors) -> int:
        """Replace the layers, with some of the same `method`; return the number of denoising steps that are kept."""

    def finished_picture(self) -> EarlierPicture | None:
        """Return what later levels may begin from; None if nothing is finished or nothing may."""

    def draft_frame(self, *, small: bool = False) -> FrameDraft | None:
        """Return the frame that is due now, not decoded yet; None if none is due.

        Args:
            small: whether a preview may be rendered at a smaller size, because other pictures wait.
        """


def start_job(
    model: Model,
    conditioner: Conditioner,
    priors: Priors,
    *,
    seed: int,
    steps: int | None,
    clock: Callable[[], float],
    earlier: EarlierPicture | None = None,
) -> RenderJob:
    """Start the job of a picture.

    Args:
        model: the model to render with.
        conditioner: the model's conditioner.
        priors: the layers received so far.
        seed: of the starting noise.
        steps: denoising steps, 1 to `MAX_STEPS`; None for the model's own number.
        clock: returns seconds.
        earlier: the finished picture of the level before; None if there is none.

    Raises:
        UsageError: a number of steps outside its range, or one that the model's scheduler cannot do.
    """
    steps = model.settings.steps if steps is None else steps
    if not 1 <= steps <= MAX_STEPS:
        raise UsageError(f"a picture takes 1 to {MAX_STEPS} steps, not {steps}")
    if render_method(priors, model, seed) is RenderMethod.RESTORE:
        return RestorationJob(model, priors, seed=seed, clock=clock)
    return DenoisingJob(model, conditioner, priors, seed=seed, steps=steps, clock=clock, earlier=earlier)
