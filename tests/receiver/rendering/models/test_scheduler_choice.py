from typing import Any

import diffusers
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EDMEulerScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
)

from layercast_common.errors import ModelFilesError
from receiver.rendering.models.scheduler_choice import DRIVERS, choose_scheduler
from receiver.rendering.models.schedules import fresh_copy, take_step

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}


def run(scheduler: Any) -> torch.Tensor:
    """A run of a made-up model from fixed noise."""
    fresh = fresh_copy(scheduler, 5)
    sample = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1)) * float(fresh.init_noise_sigma)
    for index in range(5):
        sample = take_step(fresh, index, sample, torch.tanh(sample * 0.7), None)
    return sample


@pytest.mark.parametrize("kind", ["sde-dpmsolver++", "dpmsolver++"])
def test_the_same_seed_gives_the_same_picture(kind: str) -> None:
    own = DPMSolverMultistepScheduler(**BETAS, algorithm_type=kind)
    for solver in ("own", "dpm++"):
        chosen = choose_scheduler(own, solver)
        assert chosen.config.algorithm_type == "dpmsolver++"
        assert torch.equal(run(chosen), run(chosen))


@pytest.mark.parametrize("name", ["use_exponential_sigmas", "use_beta_sigmas"])
def test_other_spacings_are_kept(name: str) -> None:
    chosen = choose_scheduler(DPMSolverMultistepScheduler(**BETAS, **{name: True}), "dpm++")
    assert (chosen.config[name], chosen.config.use_karras_sigmas) == (True, False)
    assert torch.isfinite(run(chosen)).all()


def test_zero_snr_keeps_its_spacing() -> None:
    zero_snr = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}
    chosen = choose_scheduler(EulerDiscreteScheduler(**BETAS, **zero_snr), "dpm++")
    assert not chosen.config.use_karras_sigmas
    assert chosen.config.timestep_spacing == "trailing"
    fresh = fresh_copy(chosen, 20)
    assert sum(float(sigma) > 14.7 for sigma in fresh.sigmas) <= 3


@pytest.mark.parametrize("solver", ["own", "lcm", "trailing", "ddim"])
@pytest.mark.parametrize("own", [DDIMScheduler(**BETAS), LCMScheduler(**BETAS, clip_sample=True)], ids=["ddim", "lcm"])
def test_latents_are_not_clipped(own: Any, solver: Any) -> None:
    """DDIM clips to -1..1 unless its config says otherwise, which is for pictures."""
    assert choose_scheduler(own, solver).config.clip_sample is False


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (EDMEulerScheduler(), "EDMEulerScheduler, is not supported; those that are: DPMSolverMultistep"),
        (FlowMatchEulerDiscreteScheduler(use_dynamic_shifting=True), "use_dynamic_shifting"),
        (FlowMatchEulerDiscreteScheduler(stochastic_sampling=True), "stochastic_sampling"),
        (FlowMatchEulerDiscreteScheduler(shift_terminal=0.1), "shift_terminal"),
        (DDIMScheduler(**BETAS, rescale_betas_zero_snr=True), "zero SNR"),
        (EulerDiscreteScheduler(**BETAS, timestep_type="continuous"), "EDM"),
    ],
)
def test_schedulers_that_are_not_supported_are_refused_by_name(own: Any, message: str) -> None:
    for solver in ("own", "dpm++", "trailing"):
        with pytest.raises(ModelFilesError, match=message):
            choose_scheduler(own, solver)


def test_flow_matching_has_one_driver_per_kind_of_model() -> None:
    own = FlowMatchEulerDiscreteScheduler(shift=3.0)
    assert choose_scheduler(own, "own", transformer=True) is own
    assert choose_scheduler(own, "dpm++").config.flow_shift == 3.0


def test_the_table_names_classes_that_exist() -> None:
    assert [name for name in DRIVERS if not hasattr(diffusers, name)] == []
