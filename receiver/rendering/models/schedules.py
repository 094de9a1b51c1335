"""Schedulers: which one drives a model, how noisy a sample is at each of its steps, and what is clean in it."""

from typing import Any

import torch
from diffusers import DDIMScheduler, DPMSolverMultistepScheduler, LCMScheduler, UniPCMultistepScheduler
from torch import Tensor

from layercast_common.errors import UsageError
from receiver.rendering.settings.settings import (
    RenderSettings,
    Solver,
    consistency_settings,
    diffusion_settings,
    flow_settings,
)

#: Schedulers that call the UNet once a step and can begin at any step; models with another one get DPM++ 2M.
_FIT = (DPMSolverMultistepScheduler, UniPCMultistepScheduler, DDIMScheduler, LCMScheduler)


def choose_scheduler(own: Any, solver: Solver) -> Any:
    """Make the scheduler that drives a model from the one in its folder."""
    if solver == "lcm":
        return LCMScheduler.from_config(own.config)
    if solver == "dpm++":
        return DPMSolverMultistepScheduler.from_config(own.config, use_karras_sigmas=True)
    if solver == "trailing":
        # What Euler does from the noisiest step down, in the terms of a scheduler that can begin anywhere.
        return DDIMScheduler.from_config(own.config, timestep_spacing="trailing", set_alpha_to_one=True)
    if isinstance(own, _FIT):
        return own
    if type(own).__name__.startswith("FlowMatch"):
        flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": own.config.shift}
        return DPMSolverMultistepScheduler(num_train_timesteps=own.config.num_train_timesteps, **flow)
    return DPMSolverMultistepScheduler.from_config(own.config)


def infer_settings(unet: Any, scheduler: Any, pixels_per_latent: int) -> RenderSettings:
    """Guess the settings of a model that no registry knows, from its configs."""
    sample = unet.config.sample_size
    native = (sample if isinstance(sample, int) else max(sample)) * pixels_per_latent
    if is_flow(scheduler) or type(scheduler).__name__.startswith("FlowMatch"):
        return flow_settings(native)
    if isinstance(scheduler, LCMScheduler):
        return consistency_settings(native)
    return diffusion_settings(native)


def is_flow(scheduler: Any) -> bool:
    """Whether samples lie on straight lines between picture and noise (flow matching, arXiv 2210.02747)."""
    return bool(getattr(scheduler.config, "use_flow_sigmas", False))


def fresh(scheduler: Any, steps: int, begin: int = 0) -> Any:
    """A copy of a scheduler without a past, set to `steps` steps and about to do step `begin` (from 0).

    Raises:
        UsageError: the scheduler cannot do so many steps.
    """
    copy = type(scheduler).from_config(scheduler.config)
    try:
        copy.set_timesteps(steps)
    except ValueError as error:
        raise UsageError(f"this model cannot be run in {steps} steps: {str(error).splitlines()[0]}") from error
    # DDIM keeps no count of its own: it goes by the timestep.
    if hasattr(copy, "set_begin_index"):
        copy.set_begin_index(begin)
    return copy


def noise_level(scheduler: Any, index: int) -> tuple[float, float]:
    """(share of picture, share of noise) in the sample before step `index` (from 0)."""
    if is_flow(scheduler):
        sigma = float(scheduler.sigmas[index])
        return 1 - sigma, sigma
    if hasattr(scheduler, "sigmas"):
        ratio = float(scheduler.sigmas[index])
        share = (1 + ratio**2) ** -0.5
        return share, ratio * share
    kept = float(scheduler.alphas_cumprod[int(scheduler.timesteps[index])])
    return kept**0.5, (1 - kept) ** 0.5


def clean_estimate(scheduler: Any, index: int, sample: Tensor, prediction: Tensor) -> Tensor:
    """What the picture would be if the UNet's prediction before step `index` were right (x0, arXiv 2010.02502)."""
    picture, noise = noise_level(scheduler, index)
    match scheduler.config.prediction_type:
        case "epsilon":
            return (sample - noise * prediction) / picture
        case "v_prediction":
            return picture * sample - noise * prediction
        case "flow_prediction":
            return sample - noise * prediction
        case _:
            return prediction


def prediction_of(scheduler: Any, index: int, sample: Tensor, clean: Tensor) -> Tensor:
    """What the UNet would have predicted before step `index`, had its clean estimate been this: the way back."""
    picture, noise = noise_level(scheduler, index)
    match scheduler.config.prediction_type:
        case "epsilon":
            return (sample - picture * clean) / noise
        case "v_prediction":
            return (picture * sample - clean) / noise
        case "flow_prediction":
            return (sample - clean) / noise
        case _:
            return clean


def mix_noise(scheduler: Any, index: int, clean: Tensor, noise: Tensor) -> Tensor:
    """The sample that step `index` expects of this clean picture and this noise."""
    if index >= len(scheduler.timesteps):
        return clean
    picture, share = noise_level(scheduler, index)
    return picture * clean + share * noise


def is_stochastic(scheduler: Any) -> bool:
    """Whether each step adds noise of its own."""
    return isinstance(scheduler, LCMScheduler)


def take_step(scheduler: Any, index: int, sample: Tensor, prediction: Tensor, noise: Tensor | None) -> Tensor:
    """Do step `index`: the sample before the next one.

    Args:
        noise: what a stochastic scheduler adds; given, and not drawn, so that all devices add the same.
    """
    timestep = scheduler.timesteps[index]
    if noise is None:
        return torch.as_tensor(scheduler.step(prediction, timestep, sample, return_dict=False)[0])
    denoised = scheduler.step(prediction, timestep, sample, return_dict=False)[1]
    return mix_noise(scheduler, index + 1, denoised, noise)
