"""How a model is used: the numbers that belong to it and not to its files."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from layercast_common.errors import UsageError
from receiver.rendering.settings.arrival_limits import USUAL_LIMITS, LimitsBySteps

#: Which scheduler drives a model: the one in its own folder, or one made from that one's config.
Solver = Literal["own", "dpm++", "lcm", "trailing"]


#: Beyond these, pictures only fall apart.
MAX_GUIDANCE = 30.0
MAX_WEIGHT = 2.0


class Condition(enum.Enum):
    """What a picture adapter can be given beside the text."""

    EDGES = "edges"
    COLORS = "colors"
    SKELETON = "skeleton"


def _weights() -> Mapping[Condition, float]:
    return dict.fromkeys(Condition, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """One model's settings.

    Attributes:
        native: the long side that the model draws best at, in pixels.
        steps: denoising steps of a run.
        previews: steps after which the clean estimate is shown, counted from 1.
        guidance: classifier-free guidance (arXiv 2207.12598); at 1 or below the second UNet pass is left out.
        negative_prompt: what guidance leads away from.
        weights: the share of each adapter's features that goes into the UNet.
        solver: which scheduler drives the model.
        weighted_prompts: whether prompts may be long and have weights; else they are taken literally, and cut.
        color_pull: how far each step's clean estimate is pulled to the colours that were sent, 0 to 1, by a model
            without a colour adapter. With one it does harm: it took `mini` from an edge F1 of 0.48 to 0.31.
        color_fit: whether frames get exactly the average colours that were sent.
        line_fit: whether frames are made to change along the lines that were sent and nowhere else; for models too
            small to follow lines closely, or to draw at canvas size.
        arrivals: how late a layer may still join a running job.
    """

    native: int
    steps: int
    previews: tuple[int, ...]
    guidance: float = 1.0
    negative_prompt: str = ""
    weights: Mapping[Condition, float] = field(default_factory=_weights)
    solver: Solver = "own"
    weighted_prompts: bool = False
    color_pull: float = 0.5
    color_fit: bool = True
    line_fit: bool = False
    arrivals: LimitsBySteps = field(default_factory=lambda: USUAL_LIMITS)


def flow_settings(native: int) -> RenderSettings:
    """Settings of a small flow-matching model such as the embedded one."""
    return RenderSettings(native=native, steps=4, previews=(1, 2), line_fit=True)


def diffusion_settings(native: int) -> RenderSettings:
    """Settings of a Stable Diffusion 1 model with its usual adapters."""
    return RenderSettings(
        native=native,
        steps=20,
        previews=(2, 5, 10, 15),
        guidance=7.5,
        weighted_prompts=True,
        weights={Condition.EDGES: 0.9, Condition.COLORS: 0.8, Condition.SKELETON: 0.9},
        solver="dpm++",
    )


def consistency_settings(native: int) -> RenderSettings:
    """Settings of a latent consistency model (arXiv 2310.04378): four steps, no guidance pass."""
    return RenderSettings(
        native=native,
        steps=4,
        previews=(1, 2),
        weighted_prompts=True,
        weights={Condition.EDGES: 0.9, Condition.COLORS: 0.8, Condition.SKELETON: 0.9},
        solver="lcm",
    )


def turbo_settings(native: int) -> RenderSettings:
    """Settings of a model distilled to few steps by adversaries (arXiv 2311.17042): no guidance pass."""
    return RenderSettings(native=native, steps=4, previews=(1, 2), solver="trailing", weighted_prompts=True)


def xl_settings(native: int) -> RenderSettings:
    """Settings of a Stable Diffusion XL model with its usual adapters."""
    return replace(diffusion_settings(native), guidance=5.0, previews=(2, 5, 10, 15))


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """What a person wants otherwise than a model's own settings have it; None and what is not named stays.

    Attributes:
        guidance: classifier-free guidance; 1 turns it off.
        negative_prompt: what guidance leads away from.
        weights: shares of single conditions.
    """

    guidance: float | None = None
    negative_prompt: str | None = None
    weights: Mapping[Condition, float] = field(default_factory=dict)

    def apply(self, settings: RenderSettings) -> RenderSettings:
        """The settings with these wishes.

        Raises:
            UsageError: a number that makes no sense.
        """
        if self.guidance is not None and not 0 <= self.guidance <= MAX_GUIDANCE:
            raise UsageError(f"guidance is a number from 0 to {MAX_GUIDANCE:g}, not {self.guidance:g}")
        if not all(0 <= weight <= MAX_WEIGHT for weight in self.weights.values()):
            raise UsageError(f"a condition's weight is a number from 0 to {MAX_WEIGHT:g}")
        return replace(
            settings,
            guidance=settings.guidance if self.guidance is None else self.guidance,
            negative_prompt=settings.negative_prompt if self.negative_prompt is None else self.negative_prompt,
            weights={**settings.weights, **self.weights},
        )
