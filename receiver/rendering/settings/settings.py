"""Render settings: the numbers that belong to a model but are not in its files."""

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Literal

from receiver.rendering.settings.arrival_limits import USUAL_LIMITS, LimitsBySteps
from receiver.rendering.settings.start_plan import FROM_NOISE, USUAL_STARTS, StartPlan

#: The scheduler that drives a model: "own" is the one in its folder, the others are made from that one's config.
Solver = Literal["own", "dpm++", "lcm", "trailing", "ddim"]


class Condition(enum.Enum):
    """A condition besides the text, for an adapter or a ControlNet."""

    EDGES = "edges"
    COLORS = "colors"
    SKELETON = "skeleton"
    TILE = "tile"


def _weights() -> Mapping[Condition, float]:
    return dict.fromkeys(Condition, 1.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class RenderSettings:
    """One model's settings.

    Attributes:
        native: the long side that the model renders best, in pixels.
        steps: denoising steps of a run.
        previews: steps after which a frame of the clean estimate is shown, counted from 1.
        guidance: scale of classifier-free guidance (arXiv 2207.12598); at 1 or below the second UNet pass is left out.
        negative_prompt: the prompt that guidance steers away from.
        weights: factor of each adapter's features, and of each ControlNet's residuals.
        solver: the scheduler that drives the model.
        weighted_prompts: whether prompts may be long and contain weights; otherwise they are literal and truncated.
        color_pull: how far each step's clean estimate is pulled to the received colours, 0 to 1, in a model without a
            colour adapter. With an adapter the pull does harm: it took `mini` from an edge F1 of 0.48 to 0.31.
        color_fit: whether the cells of frames get exactly the received average colours, or, where bit planes have come,
            frames get exactly the known part of the coefficients.
        line_fit: whether frames are changed to vary along the received lines and hardly elsewhere; for models too
            small to follow lines closely, or to render at canvas size.
        restores_planes: whether pictures with a wavelet plane are restored instead of denoised even if the model has no
            restoration network; for models whose own pictures are less true than the plane's inverse transform.
        arrivals: how late a layer may join a running job.
        clip_skip: layers of the text encoders that are left out at their ends; with two encoders, further ones.
        guidance_rescale: how far the guided prediction gets the spread of the unguided one, 0 to 1
            (arXiv 2305.08891, section 3.4); for models that were trained to zero terminal SNR.
        adapter_conditioning_factor: share of the steps, from the first, at which the adapters act.
        starts: which runs begin from an earlier picture instead of noise, and how much of it is drawn again.
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
    restores_planes: bool = False
    arrivals: LimitsBySteps = field(default_factory=lambda: USUAL_LIMITS)
    clip_skip: int = 0
    guidance_rescale: float = 0.0
    adapter_conditioning_factor: float = 1.0
    starts: StartPlan = FROM_NOISE


def flow_settings(native: int) -> RenderSettings:
    """Return settings for a small flow-matching model, such as the embedded one.

    Args:
        native: the long side that the model renders best, in pixels; so in all functions below.
    """
    return RenderSettings(native=native, steps=4, previews=(1, 2), line_fit=True, restores_planes=True)


def diffusion_settings(native: int) -> RenderSettings:
    """Return settings for a Stable Diffusion 1 model with its usual adapters."""
    return RenderSettings(
        native=native,
        steps=20,
        previews=(2, 5, 10, 15),
        guidance=7.5,
        weighted_prompts=True,
        weights={Condition.EDGES: 0.9, Condition.COLORS: 0.8, Condition.SKELETON: 0.9, Condition.TILE: 0.8},
        solver="dpm++",
        starts=USUAL_STARTS,
    )


def consistency_settings(native: int) -> RenderSettings:
    """Return settings for a latent consistency model (arXiv 2310.04378): four steps, no guidance pass."""
    return RenderSettings(
        native=native,
        steps=4,
        previews=(1, 2),
        weighted_prompts=True,
        weights={Condition.EDGES: 0.9, Condition.COLORS: 0.8, Condition.SKELETON: 0.9},
        solver="lcm",
        starts=USUAL_STARTS,
    )


def turbo_settings(native: int) -> RenderSettings:
    """Return settings for a model distilled to few steps with an adversary (arXiv 2311.17042): no guidance pass."""
    return RenderSettings(
        native=native, steps=4, previews=(1, 2), solver="trailing", weighted_prompts=True, starts=USUAL_STARTS
    )


def xl_settings(native: int) -> RenderSettings:
    """Return settings for a Stable Diffusion XL model with its usual adapters."""
    return replace(diffusion_settings(native), guidance=5.0)


def transformer_settings(native: int) -> RenderSettings:
    """Return settings for a distilled flow-matching transformer with a ControlNet, such as Z-Image-Turbo."""
    return RenderSettings(
        native=native, steps=8, previews=(1, 2, 4), weights=dict.fromkeys(Condition, 0.75), color_pull=0.5
    )


def few_step_settings(full: RenderSettings, steps: int, solver: Solver) -> RenderSettings:
    """Return settings for a model that was distilled to few steps: no guidance pass.

    Args:
        full: the settings of the model that was distilled.
        steps: denoising steps that it was distilled to.
        solver: the scheduler that it was distilled for.
    """
    previews = tuple(step for step in (1, 2, 4) if step < steps and step <= max(1, steps // 2))
    return replace(full, steps=steps, previews=previews, guidance=1.0, solver=solver)
