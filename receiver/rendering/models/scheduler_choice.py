"""The scheduler that drives a model: made from the one in its folder, deterministic, and able to begin at any step.

What layercast supports and refuses is a table in docs/models.md.
"""

import logging
from collections.abc import Mapping
from typing import Any

from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    UniPCMultistepScheduler,
)

from layercast_common.errors import ModelFilesError
from receiver.rendering.settings.settings import Solver

_log = logging.getLogger(__name__)

#: What drives a model whose folder has a scheduler of this class: "itself", or a solver made from its config.
#: All are samplers of the same noise schedule, so that one may stand in for another; they differ in the path they take.
DRIVERS: Mapping[str, str] = {
    "DPMSolverMultistepScheduler": "itself",
    "UniPCMultistepScheduler": "itself",
    "DDIMScheduler": "itself",
    "LCMScheduler": "itself",
    "FlowMatchEulerDiscreteScheduler": "flow",
    "TCDScheduler": "ddim",
    **dict.fromkeys(
        (
            "DDPMScheduler",
            "DEISMultistepScheduler",
            "DPMSolverSDEScheduler",
            "DPMSolverSinglestepScheduler",
            "EulerAncestralDiscreteScheduler",
            "EulerDiscreteScheduler",
            "HeunDiscreteScheduler",
            "KDPM2AncestralDiscreteScheduler",
            "KDPM2DiscreteScheduler",
            "LMSDiscreteScheduler",
            "PNDMScheduler",
            "SASolverScheduler",
        ),
        "dpm++",
    ),
}

#: Settings that this loop does not follow: name -> what it means, for the error.
_REFUSED: Mapping[str, str] = {
    "use_dynamic_shifting": "a noise schedule that depends on the picture's size",
    "shift_terminal": "a noise schedule that ends early",
    "invert_sigmas": "an inverted noise schedule",
    "stochastic_sampling": "noise that is added at every step",
}

_PREDICTIONS = ("epsilon", "v_prediction", "sample", "flow_prediction")


#: Clipping and thresholding are for pictures; latents go beyond -1 to 1.
_LATENTS = {"clip_sample": False, "thresholding": False}


def choose_scheduler(own: Any, solver: Solver, *, transformer: bool = False) -> Any:
    """Make the scheduler that drives a model.

    Args:
        own: the scheduler in the model's folder.
        solver: the kind to make.
        transformer: whether the model is a diffusion transformer, which keeps Euler's scheduler for flow matching.

    Raises:
        ModelFilesError: the model was trained for a noise schedule that this loop does not follow.
    """
    _check(own)
    kind = type(own).__name__
    if DRIVERS[kind] == "flow":
        return own if transformer else _flow(own)
    match solver if solver != "own" else DRIVERS[kind]:
        case "lcm":
            return LCMScheduler.from_config(own.config, **_LATENTS)
        case "trailing":
            # The same steps as Euler's from the noisiest one down, by a scheduler that can begin at any step.
            changes = {**_LATENTS, "timestep_spacing": "trailing", "set_alpha_to_one": True}
            return DDIMScheduler.from_config(own.config, **changes)
        case "ddim":
            return DDIMScheduler.from_config(own.config, timestep_spacing="trailing", **_LATENTS)
        case "dpm++":
            karras = solver == "dpm++" and not _has_own_sigmas(own.config)
            return _dpm(own, karras=karras or bool(own.config.get("use_karras_sigmas")))
    if isinstance(own, DPMSolverMultistepScheduler):
        return _dpm(own, karras=bool(own.config.use_karras_sigmas))
    if isinstance(own, DDIMScheduler | LCMScheduler):
        return type(own).from_config(own.config, **_LATENTS)
    assert isinstance(own, UniPCMultistepScheduler)
    return own


def _dpm(own: Any, *, karras: bool) -> Any:
    config = own.config
    changes: dict[str, Any] = {"use_karras_sigmas": karras, "thresholding": False}
    if str(getattr(config, "algorithm_type", "dpmsolver++")) != "dpmsolver++":
        # The other kinds draw noise from torch's own generator, so that the same seed gives another picture each time,
        # or are outdated.
        _log.info("the model's %s runs without added noise, as dpmsolver++", config.algorithm_type)
        changes["algorithm_type"] = "dpmsolver++"
    return DPMSolverMultistepScheduler.from_config(config, **changes)


def _has_own_sigmas(config: Any) -> bool:
    """Return whether a schedule is not to be spaced as Karras's (arXiv 2206.00364), which `dpm++` otherwise is.

    At zero terminal SNR that spacing would spend most steps on nothing but noise.
    """
    other = ("use_exponential_sigmas", "use_beta_sigmas", "use_lu_lambdas", "rescale_betas_zero_snr")
    return any(bool(config.get(name)) for name in other)


def _flow(own: FlowMatchEulerDiscreteScheduler) -> Any:
    flow = {"use_flow_sigmas": True, "prediction_type": "flow_prediction", "flow_shift": own.config.shift}
    return DPMSolverMultistepScheduler(num_train_timesteps=own.config.num_train_timesteps, **flow)


def _check(own: Any) -> None:
    kind, config = type(own).__name__, own.config
    if kind not in DRIVERS:
        known = ", ".join(name.removesuffix("Scheduler") for name in DRIVERS)
        raise ModelFilesError(f"the model's scheduler, {kind}, is not supported; those that are: {known}")
    for name, meaning in _REFUSED.items():
        if config.get(name):
            raise ModelFilesError(f"the model's scheduler, {kind}, is set to {name}, which is not supported: {meaning}")
    predicts = config.get("prediction_type", "epsilon")
    if predicts not in _PREDICTIONS:
        raise ModelFilesError(f"the model's scheduler, {kind}, has an unknown prediction_type {predicts!r}")
    if config.get("rescale_betas_zero_snr") and predicts == "epsilon":
        raise ModelFilesError(
            f"the model's scheduler, {kind}, begins at zero SNR (rescale_betas_zero_snr), where predicted noise says "
            "nothing; its prediction_type would have to be v_prediction"
        )
    if config.get("timestep_type") == "continuous" or config.get("sigma_data"):
        raise ModelFilesError(f"the model's scheduler, {kind}, has EDM's preconditioning, which is not supported")
