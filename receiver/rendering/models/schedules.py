"""Schedulers: the choice for a model, the noise level of each step, and the clean estimate of a sample."""

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

#: Schedulers that call the UNet once per step and can begin at any step. Models with another one get DPM++ 2M.
_FIT = (DPMSolverMultistepScheduler, UniPCMultistepScheduler, DDIMScheduler, LCMScheduler)


def choose_scheduler(own: Any, solver: Solver) -> Any:
    """Make the scheduler that drives a model.

    Args:
        own: the scheduler in the model's folder.
        solver: the kind to make.
    """
    if solver == "lcm":
        return LCMScheduler.from_config(own.config)
    if solver == "dpm++":
        return DPMSolverMultistepScheduler.from_config(own.config, use_karras_sigmas=True)
    if solver == "trailing":
        # The same steps as Euler's from the noisiest one down, by a scheduler that can begin at any step.
        return DDIMScheduler.from_config(own.config, timestep_spacing="trailing", set_alpha_to_one=True)
    if isinstance(own, _FIT):
        return own
    if type(own).__name__.startswith("FlowMatch"):
        flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": own.config.shift}
        return DPMSolverMultistepScheduler(num_train_timesteps=own.config.num_train_timesteps, **flow)
    return DPMSolverMultistepScheduler.from_config(own.config)


def infer_settings(unet: Any, scheduler: Any, pixels_per_latent: int) -> RenderSettings:
    """Infer the settings of an unregistered model from the configs of its UNet and scheduler."""
    sample = unet.config.sample_size
    native = (sample if isinstance(sample, int) else max(sample)) * pixels_per_latent
    if is_flow(scheduler) or type(scheduler).__name__.startswith("FlowMatch"):
        return flow_settings(native)
    if isinstance(scheduler, LCMScheduler):
        return consistency_settings(native)
    return diffusion_settings(native)


def is_flow(scheduler: Any) -> bool:
    """Return whether samples lie on straight lines between picture and noise (flow matching, arXiv 2210.02747)."""
    return bool(getattr(scheduler.config, "use_flow_sigmas", False))


def fresh_copy(scheduler: Any, steps: int, begin: int = 0) -> Any:
    """Return a copy of a scheduler without history, set to `steps` steps and about to do step `begin` (from 0).

    Raises:
        UsageError: the scheduler cannot do that number of steps.
    """
    copy = type(scheduler).from_config(scheduler.config)
    try:
        copy.set_timesteps(steps)
    except ValueError as error:
        raise UsageError(f"this model cannot be run in {steps} steps: {str(error).splitlines()[0]}") from error
    # DDIM has no step counter: it goes by the timestep.
    if hasattr(copy, "set_begin_index"):
        copy.set_begin_index(begin)
    return copy


def noise_level(scheduler: Any, index: int) -> tuple[float, float]:
    """Return the factors of (picture, noise) in the sample before step `index` (from 0)."""
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
    """Return the clean sample that the UNet's prediction before step `index` implies (x0, arXiv 2010.02502)."""
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


def prediction_for(scheduler: Any, index: int, sample: Tensor, clean: Tensor) -> Tensor:
    """Return the prediction before step `index` that implies a clean sample: the inverse of `clean_estimate`."""
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
    """Return the sample that step `index` expects for a clean sample and noise; after the last step, the clean one."""
    if index >= len(scheduler.timesteps):
        return clean
    picture, share = noise_level(scheduler, index)
    return picture * clean + share * noise


def is_stochastic(scheduler: Any) -> bool:
    """Return whether each step adds noise."""
    return isinstance(scheduler, LCMScheduler)


def take_step(scheduler: Any, index: int, sample: Tensor, prediction: Tensor, noise: Tensor | None) -> Tensor:
    """Do step `index` and return the sample before the next step.

    Args:
        scheduler: set to its steps, see `fresh_copy`.
        index: number of the step, from 0.
        sample: (1, C, h, w) before the step.
        prediction: the UNet's, of the same shape.
        noise: the noise that a stochastic scheduler adds, passed in so that all devices add the same; else None.
    """
    timestep = scheduler.timesteps[index]
    if noise is None:
        return torch.as_tensor(scheduler.step(prediction, timestep, sample, return_dict=False)[0])
    denoised = scheduler.step(prediction, timestep, sample, return_dict=False)[1]
    return mix_noise(scheduler, index + 1, denoised, noise)
