"""One picture's job: its run, what was shown of it, and the frames it gives."""

from collections.abc import Callable
from dataclasses import replace

from codec.layers import EdgeMap, Priors
from layercast_common.errors import UsageError
from receiver.rendering.engine.update_policy import Action, Decision, changed_layers, decide
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model
from receiver.rendering.output.previews import decode_latents, halve, preview_due
from receiver.rendering.sampling.conditioning import Conditioner, Conditioning
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.settings.arrival_limits import limits_for

#: More denoising steps than this only waste time with any solver here.
MAX_STEPS = 1000


class RenderJob:
    """A run with frames.

    Attributes:
        run: the denoising itself.
        priors: what it is drawn from now.
        shown: whether it gave a frame yet.
    """

    def __init__(
        self,
        model: Model,
        conditioner: Conditioner,
        priors: Priors,
        *,
        seed: int,
        steps: int | None,
        clock: Callable[[], float],
    ) -> None:
        """Make ready to run; encodes text and conditions.

        Args:
            seed: of the starting noise.
            steps: denoising steps, up to `MAX_STEPS`; the model's own number if None.
            clock: seconds.

        Raises:
            UsageError: a number of steps that cannot be.
        """
        steps = model.settings.steps if steps is None else steps
        if not 1 <= steps <= MAX_STEPS:
            raise UsageError(f"a picture takes 1 to {MAX_STEPS} steps, not {steps}")
        self.priors = priors
        self.shown = False
        self._model = model
        self._seed = seed
        self._seen = self._imagine(priors)
        self._conditioner = conditioner
        self._clock = clock
        self._began = clock()
        self._news = False
        self.run = DenoisingRun(
            model,
            self._prepare(),
            size=conditioner.size(priors.canvas),
            seed=seed,
            steps=steps,
        )

    def take_layers(self, priors: Priors) -> Decision:
        """Take in what is known now: join, rewind or restart, as the plan says."""
        seen = self._imagine(priors)
        # That what was remembered went away with what came in its place is no news of its own.
        changed = changed_layers(self.priors, priors) | (changed_layers(self._seen, seen) & seen.layers)
        limits = limits_for(self.run.steps, self._model.settings.arrivals)
        decision = decide(self.run.done, self.run.steps, changed, limits)
        self.priors, self._seen = priors, seen
        self.run.conditions = self._prepare()
        self._news = self._news or bool(changed)
        match decision.action:
            case Action.REWIND:
                self.run.rewind(decision.step)
            case Action.RESTART:
                self.run.restart()
        return decision

    @property
    def to_frame(self) -> int:
        """Steps until the first frame; 0 once it was given."""
        if self.shown:
            return 0
        return min((step for step in self._model.settings.previews if step > self.run.done), default=self.run.steps) - (
            self.run.done
        )

    def draw_frame(self, *, small: bool = False) -> Frame | None:
        """The frame that is due after the last step, if one is.

        Args:
            small: whether a preview may be drawn from fewer latents, since others wait.
        """
        run, settings = self.run, self._model.settings
        final = run.finished
        if not final and not preview_due(run.done, run.steps, settings.previews, news=self._news):
            return None
        latents = run.sample if final or run.clean is None else run.clean
        structure = self._seen.structure
        lines = structure if settings.line_fit and isinstance(structure, EdgeMap) else None
        colors = self._seen.texture if settings.color_fit else None
        if small and not final:
            latents = halve(latents)
        image = decode_latents(self._model, latents, self.priors.canvas, final=final, lines=lines, colors=colors)
        self.shown, self._news = True, False
        return Frame(
            image=image,
            layers=run.conditions.layers,
            step=run.done,
            steps=run.steps,
            final=final,
            seconds=self._clock() - self._began,
        )

    def _imagine(self, priors: Priors) -> Priors:
        """What the picture is drawn from: what came, or for words alone what the model remembers of such a thing."""
        memory = self._model.memory
        return priors if memory is None else memory.complete(priors, self._seed)

    def _prepare(self) -> Conditioning:
        return replace(self._conditioner.prepare(self._seen), layers=self.priors.layers)
