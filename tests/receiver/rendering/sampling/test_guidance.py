from dataclasses import replace

import numpy as np
import pytest
import torch

from codec.layers import ColorMap, Layer, Priors
from receiver.rendering.engine.direct import render
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.guidance import color_latents, pull_low_band
from receiver.rendering.sampling.passes import advance
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.settings.settings import Condition

SIZE = (64, 64)


@pytest.fixture(params=["mini", "sd15"])
def uncolored(request: pytest.FixtureRequest) -> Model:
    """A tiny model without a colour adapter, whose frames are not fitted."""
    model: Model = request.getfixturevalue(request.param)
    adapters = dict(model.adapters)
    del adapters[Condition.COLORS]
    return replace(model, adapters=adapters, settings=replace(model.settings, color_fit=False, steps=5))


def low_band(model: Model, priors: Priors, pull: float) -> torch.Tensor:
    pulled = replace(model, settings=replace(model.settings, color_pull=pull))
    run = DenoisingRun(pulled, Conditioner(pulled).prepare(priors), size=SIZE, seed=1, steps=5)
    while not run.finished:
        advance(pulled, [run])
    return torch.nn.functional.adaptive_avg_pool2d(run.sample, (2, 2))


def test_a_stronger_pull_brings_the_low_band_nearer(uncolored: Model, priors: Priors) -> None:
    assert priors.texture
    wanted = color_latents(uncolored, priors.texture, SIZE)
    assert wanted.shape == (1, 4, 2, 2)
    far, near, there = (float((low_band(uncolored, priors, pull) - wanted).abs().mean()) for pull in (0.0, 0.5, 1.0))
    assert there < near < far


def test_the_pull_moves_only_the_low_band() -> None:
    clean = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(1))
    assert torch.allclose(pull_low_band(clean, torch.full((1, 4, 1, 1), 3.0), 1.0).mean((2, 3)), torch.tensor(3.0))
    moved = pull_low_band(clean, torch.full((1, 4, 1, 1), 3.0), 1.0) - clean
    assert torch.allclose(moved, moved[..., :1, :1].expand_as(moved), atol=1e-5)
    assert torch.equal(pull_low_band(clean, torch.zeros(1, 4, 2, 2), 0.0), clean)


def test_a_colour_adapter_disables_the_pull(mini: Model, uncolored: Model, priors: Priors) -> None:
    assert Conditioner(mini).prepare(priors).colors is None
    assert Conditioner(uncolored).prepare(priors).colors is not None
    assert Conditioner(uncolored).prepare(priors.only([Layer.SEMANTIC])).colors is None


def test_frames_have_the_received_colours(mini: Model, priors: Priors) -> None:
    gentle = replace(priors, texture=ColorMap(np.full((2, 2, 3), (90, 120, 150), np.uint8), priors.canvas))
    for frame in render(gentle, 1, model=mini):
        averages = np.asarray(frame.image.resize((2, 2), 4), int)
        assert np.abs(averages - (90, 120, 150)).max() <= 2
