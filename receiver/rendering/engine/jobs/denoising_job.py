"""A job that denoises: a denoising run, and the frames that it produces."""

from collections.abc import Callable
from dataclasses import replace
from typing import Final

from codec.layers import EdgeMap, Priors
from receiver.rendering.engine.render_method import RenderMethod
from receiver.rendering.engine.update_policy import Action, Decision, changed_layers, decide
from receiver.rendering.models.model import Model
from receiver.rendering.output.decoding import halve
from receiver.rendering.output.drafts import FrameDraft
from receiver.rendering.output.finishing import FrameRecipe
from receiver.rendering.output.previews import preview_due
from receiver.rendering.sampling.conditioning import Conditioner, Conditioning
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.sampling.starts import EarlierPicture, StartingPoint
from receiver.rendering.settings.arrival_limits import limits_for


class DenoisingJob:
    """A denoising run with its frames: a `RenderJob`.

    Attributes:
        method: how the job renders.
        run: the denoising run.
        priors: the layers received so far.
        shown: whether the job has produced a frame.
    """

    method: Final = RenderMethod.DENOISE

    def __init__(
        self,
        model: Model,
        conditioner: Conditioner,
        priors: Priors,
        *,
        seed: int,
        steps: int,
        clock: Callable[[], float],
        earlier: EarlierPicture | None = None,
    ) -> None:
        """Encode text and conditions, and set up the run.

        Args:
            model: the model to render with.
            conditioner: the model's conditioner.
            priors: the layers received so far.
            seed: of the starting noise.
            steps: denoising steps, at least 1.
            clock: returns seconds.
            earlier: the finished picture of the level before, to begin from if the model's plan says so.

        Raises:
            UsageError: the model's scheduler cannot do that number of steps.
        """
        self.priors = priors
        self.shown = False
        self._model = model
        self._seed = seed
        self._completed = self._retrieve(priors)
        self._conditioner = conditioner
        self._clock = clock
        self._started = clock()
        self._layers_changed = False
        conditions = self._prepare(priors, self._completed)
        self._earlier = earlier if earlier and (earlier.seed, earlier.priors.canvas) == (seed, priors.canvas) else None
        self.run = DenoisingRun(
            model,
            conditions,
            size=conditioner.size(priors.canvas),
            seed=seed,
            steps=steps,
            start=self._choose_start(priors, conditions),
        )

    def update(self, priors: Priors) -> int:
        """Replace the layers: the run goes on, rewinds or restarts, as the update policy decides.

        Returns:
            The number of steps that are kept.
        """
        completed = self._retrieve(priors)
        # Retrieved layers that vanish because received ones replace them are not a change of their own.
        changed = changed_layers(self.priors, priors) | (changed_layers(self._completed, completed) & completed.layers)
        limits = limits_for(self.run.steps, self._model.settings.arrivals)
        done = self.run.done - self.run.begin
        decision = decide(self.run.done, self.run.steps, changed, limits)
        if not done:
            decision = Decision(Action.RESTART, 0)
        # First what may fail for lack of memory, so that the call can be repeated.
        self.run.conditions = self._prepare(priors, completed)
        self.priors, self._completed = priors, completed
        self._layers_changed = self._layers_changed or bool(changed)
        match decision.action:
            case Action.REWIND:
                self.run.rewind(decision.step)
            case Action.RESTART:
                self.run.start = self._choose_start(priors, self.run.conditions)
                self.run.restart()
        return max(0, min(done, self.run.done - self.run.begin))

    def finished_picture(self) -> EarlierPicture | None:
        """Return what later levels may begin from; None if the run is not finished or the model's plan has no use."""
        if not self.run.finished or not self._model.settings.starts.layers:
            return None
        return EarlierPicture(self.run.sample, self.priors, self._seed)

    def _choose_start(self, priors: Priors, conditions: Conditioning) -> StartingPoint | None:
        """Return the picture to begin from: that of the received planes, else the level before; None for noise."""
        plan = self._model.settings.starts
        if priors.plane is not None and conditions.plane is not None:
            return StartingPoint(conditions.plane, plan.for_plane(priors.plane))
        if self._earlier is None:
            return None
        strength = plan.after(changed_layers(self._earlier.priors, priors))
        return StartingPoint(self._earlier.latents, strength) if strength < 1 else None

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape of the run."""
        return self.run.shape

    @property
    def to_frame(self) -> int:
        """Steps until the first frame; 0 once the job has produced one."""
        if self.shown:
            return 0
        done = self.run.done
        return min((step for step in self._model.settings.previews if step > done), default=self.run.steps) - done

    def draft_frame(self, *, small: bool = False) -> FrameDraft | None:
        """Return the frame that is due after the last step; None if none is due.

        Args:
            small: whether to decode a preview at half the size, because other pictures wait.
        """
        run, settings = self.run, self._model.settings
        final = run.finished
        if not final and not preview_due(run.done, run.steps, settings.previews, layers_changed=self._layers_changed):
            return None
        latents = run.sample if final or run.clean is None else run.clean
        structure = self._completed.structure
        lines = structure if settings.line_fit and isinstance(structure, EdgeMap) else None
        plane = self._completed.plane if settings.color_fit and run.conditions.plane is not None else None
        colors = self._completed.texture if settings.color_fit and plane is None else None
        if small and not final:
            latents = halve(latents)
        self.shown, self._layers_changed = True, False
        recipe = FrameRecipe(
            canvas=self.priors.canvas,
            layers=run.conditions.layers,
            step=run.done,
            steps=run.steps,
            final=final,
            started=self._started,
            clock=self._clock,
            lines=lines,
            colors=colors,
            plane=plane,
        )
        return FrameDraft(recipe=recipe, latents=latents)

    def _retrieve(self, priors: Priors) -> Priors:
        """Return the layers to condition on: those received, or for a prompt alone those of a similar picture."""
        index = self._model.retrieval
        return priors if index is None else index.complete(priors, self._seed)

    def _prepare(self, priors: Priors, completed: Priors) -> Conditioning:
        return replace(self._conditioner.prepare(completed), layers=priors.layers)
