from typing import Any

import pytest
import torch
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    FlowMatchEulerDiscreteScheduler,
    LCMScheduler,
    PNDMScheduler,
    UniPCMultistepScheduler,
)

from layercast_common.errors import UsageError
from receiver.rendering.models.scheduler_choice import choose_scheduler
from receiver.rendering.models.schedules import (
    clean_estimate,
    fresh_copy,
    mix_noise,
    noise_level,
    take_step,
)
from receiver.rendering.settings.settings import Solver

BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012}
FLOW = {"use_flow_sigmas": True, "prediction_type": "flow_prediction"}

SCHEDULERS = [
    DPMSolverMultistepScheduler(**FLOW),
    DPMSolverMultistepScheduler(**BETAS, use_karras_sigmas=True),
    DPMSolverMultistepScheduler(**BETAS, prediction_type="v_prediction"),
    UniPCMultistepScheduler(**BETAS),
    UniPCMultistepScheduler(**FLOW),
    DDIMScheduler(**BETAS, clip_sample=False),
    DDIMScheduler(**BETAS, clip_sample=False, prediction_type="sample"),
    LCMScheduler(**BETAS),
]


def name(scheduler: Any) -> str:
    return f"{type(scheduler).__name__}-{scheduler.config.prediction_type}"


@pytest.mark.parametrize(
    ("own", "solver", "expected"),
    [
        (PNDMScheduler(**BETAS), "own", DPMSolverMultistepScheduler),
        (PNDMScheduler(**BETAS), "dpm++", DPMSolverMultistepScheduler),
        (PNDMScheduler(**BETAS), "lcm", LCMScheduler),
        (EulerDiscreteScheduler(**BETAS), "own", DPMSolverMultistepScheduler),
        (DDIMScheduler(**BETAS), "own", DDIMScheduler),
        (FlowMatchEulerDiscreteScheduler(shift=3.0), "own", DPMSolverMultistepScheduler),
    ],
)
def test_which_scheduler_drives(own: Any, solver: Solver, expected: type[Any]) -> None:
    chosen = choose_scheduler(own, solver)
    assert type(chosen) is expected
    if isinstance(own, PNDMScheduler):
        assert chosen.config.beta_end == BETAS["beta_end"]
    if isinstance(own, FlowMatchEulerDiscreteScheduler):
        assert chosen.config.flow_shift == 3.0
        assert chosen.config.use_flow_sigmas


@pytest.mark.parametrize("prototype", SCHEDULERS, ids=name)
def test_noise_levels_are_the_schedulers_own(prototype: Any) -> None:
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    for index in (0, 3, 7):
        scheduler = fresh_copy(prototype, 8, index)
        theirs = scheduler.add_noise(clean, noise, scheduler.timesteps[index : index + 1])
        assert torch.allclose(mix_noise(scheduler, index, clean, noise), theirs, atol=1e-4)
    assert torch.equal(mix_noise(scheduler, 8, clean, noise), clean)


@pytest.mark.parametrize("prototype", SCHEDULERS, ids=name)
def test_a_perfect_prediction_gives_the_clean_picture_from_any_step(prototype: Any) -> None:
    """The estimate and the result are exact, whether the run starts from noise or is rewound."""
    clean, noise = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    for begin in (1, 4):
        scheduler = fresh_copy(prototype, 8, begin)
        sample = mix_noise(scheduler, begin, clean, noise)
        for index in range(begin, 8):
            picture, share = noise_level(scheduler, index)
            hidden = (sample - picture * clean) / share
            prediction = {
                "epsilon": hidden,
                "sample": clean,
                "v_prediction": picture * hidden - share * clean,
                "flow_prediction": hidden - clean,
            }[scheduler.config.prediction_type]
            assert torch.allclose(clean_estimate(scheduler, index, sample, prediction), clean, atol=2e-3)
            added = noise if isinstance(scheduler, LCMScheduler) else None
            sample = take_step(scheduler, index, sample, prediction, added)
        # DDIM and LCM end at the noise of the first training step, and LCM keeps a trace of the sample.
        assert torch.allclose(sample, clean, atol=0.05)


def test_own_noise_in_a_consistency_step_stands_in_for_the_schedulers() -> None:
    prototype = LCMScheduler(**BETAS)
    sample, prediction = torch.randn(1, 4, 8, 8), torch.randn(1, 4, 8, 8)
    drawn = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    theirs = fresh_copy(prototype, 4)
    expected = theirs.step(
        prediction, theirs.timesteps[0], sample, generator=torch.Generator().manual_seed(3)
    ).prev_sample
    ours = fresh_copy(prototype, 4)
    assert torch.allclose(take_step(ours, 0, sample, prediction, drawn), expected, atol=1e-5)


def test_too_many_steps_raise_a_clear_error() -> None:
    with pytest.raises(UsageError, match="cannot be run in 200 steps"):
        fresh_copy(LCMScheduler(**BETAS), 200)
