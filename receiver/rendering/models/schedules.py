"""Schedulers: the noise level of each step, the clean estimate of a sample, and one step."""

from typing import Any

import torch
from diffusers import FlowMatchEulerDiscreteScheduler, LCMScheduler
from torch import Tensor

from layercast_common.errors import UsageError


def is_flow(scheduler: Any) -> bool:
    """Return whether samples lie on straight lines between picture and noise (flow matching, arXiv 2210.02747)."""
    return bool(getattr(scheduler.config, "use_flow_sigmas", False)) or is_flow_euler(scheduler)


def is_flow_euler(scheduler: Any) -> bool:
    """Return whether a scheduler is Euler's for flow matching, which has no setting for what the model predicts."""
    return isinstance(scheduler, FlowMatchEulerDiscreteScheduler)


def prediction_type(scheduler: Any) -> str:
    """Return what the model predicts: "epsilon", "v_prediction", "flow_prediction" or "sample"."""
    return "flow_prediction" if is_flow_euler(scheduler) else str(scheduler.config.prediction_type)


def fresh_copy(scheduler: Any, steps: int, begin: int = 0) -> Any:
    """Return a copy of a scheduler without history, set to `steps` steps and about to do step `begin` (from 0).

    Raises:
        UsageError: the scheduler cannot do that number of steps.
    """
    if steps < 1:
        raise UsageError(f"a run has at least one step, not {steps}")
    copy = type(scheduler).from_config(scheduler.config)
    try:
        if is_flow_euler(copy):
            # As in the pipelines of flow-matching transformers, whose own number of training steps has no part in it.
            copy.set_timesteps(sigmas=torch.linspace(1.0, 1 / steps, steps).tolist())
        else:
            copy.set_timesteps(steps)
    except ValueError as error:
        raise UsageError(f"this model cannot be run in {steps} steps: {str(error).splitlines()[0]}") from error
    # DDIM has no step counter: it goes by the timestep.
    if hasattr(copy, "set_begin_index"):
        copy.set_begin_index(begin)
    return copy


def starting_scale(scheduler: Any) -> float:
    """Return the factor of the noise that a run starts from."""
    return 1.0 if is_flow_euler(scheduler) else float(scheduler.init_noise_sigma)


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
    match prediction_type(scheduler):
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
    match prediction_type(scheduler):
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
