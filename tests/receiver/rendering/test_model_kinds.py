"""Other models than Stable Diffusion 1.5 with T2I-Adapters, compared with diffusers' own pipelines."""

from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from diffusers import (
    DDIMScheduler,
    EulerDiscreteScheduler,
    StableDiffusionControlNetPipeline,
    StableDiffusionXLAdapterPipeline,
)
from PIL import Image
from torch import Tensor

from codec.layers import Layer, Priors, Skeleton
from receiver.rendering.engine.direct import render
from receiver.rendering.models.model import Model
from receiver.rendering.models.scheduler_choice import choose_scheduler
from receiver.rendering.models.schedules import clean_estimate
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.noise import draw_noise
from receiver.rendering.sampling.passes import advance, predict
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.settings.settings import Condition

SIZE = (64, 64)
STEPS = 4
LAYERS = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)


def ddim(model: Model) -> Model:
    """With a scheduler that stock pipelines drive in the same way, literal prompts, and no colour fitting."""
    scheduler = DDIMScheduler.from_config(model.scheduler.config)
    return replace(model, scheduler=scheduler, settings=replace(model.settings, weighted_prompts=False, color_pull=0.0))


def finish(model: Model, priors: Priors) -> Tensor:
    run = DenoisingRun(model, Conditioner(model).prepare(priors), size=SIZE, seed=1, steps=STEPS)
    while not run.finished:
        advance(model, [run])
    return run.sample


def noise() -> Tensor:
    return torch.from_numpy(draw_noise((1, 4, 8, 8), 1))


def drawn(priors: Priors) -> Image.Image:
    assert priors.structure
    return Image.fromarray(priors.structure.to_image(SIZE)).convert("RGB")


def test_a_controlled_run_equals_the_stock_pipeline(controlled: Model, priors: Priors) -> None:
    model = ddim(controlled)
    pipeline = StableDiffusionControlNetPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        controlnet=model.controlnets[Condition.EDGES],
        scheduler=DDIMScheduler.from_config(model.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    assert priors.semantic
    expected = pipeline(
        priors.semantic.prompt,
        image=drawn(priors),
        height=64,
        width=64,
        num_inference_steps=STEPS,
        guidance_scale=model.settings.guidance,
        latents=noise(),
        controlnet_conditioning_scale=model.settings.weights[Condition.EDGES],
        output_type="latent",
    ).images
    known = priors.only([Layer.SEMANTIC, Layer.STRUCTURE])
    assert torch.allclose(finish(model, known), expected, atol=1e-3, rtol=1e-3)


def test_an_xl_run_equals_the_stock_pipeline(sdxl: Model, priors: Priors) -> None:
    model = ddim(sdxl)
    pipeline = StableDiffusionXLAdapterPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        text_encoder_2=model.text_encoder_2,
        tokenizer=model.tokenizer,
        tokenizer_2=model.tokenizer_2,
        unet=model.unet,
        adapter=model.adapters[Condition.EDGES],
        scheduler=DDIMScheduler.from_config(model.scheduler.config),
    )
    pipeline.set_progress_bar_config(disable=True)
    assert priors.semantic
    expected = pipeline(
        priors.semantic.prompt,
        image=drawn(priors),
        height=64,
        width=64,
        num_inference_steps=STEPS,
        guidance_scale=model.settings.guidance,
        latents=noise(),
        adapter_conditioning_scale=model.settings.weights[Condition.EDGES],
        output_type="latent",
    ).images
    known = priors.only([Layer.SEMANTIC, Layer.STRUCTURE])
    assert torch.allclose(finish(model, known), expected, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("kind", ["controlled", "sdxl"])
def test_every_set_of_layers_gives_its_own_picture(kind: str, priors: Priors, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(kind)
    sets = [layers for count in range(4) for layers in combinations(LAYERS, count)]
    pictures = [np.asarray(list(render(priors.only(s), 1, model=model, steps=2))[-1].image, int) for s in sets]
    for first, second in combinations(pictures, 2):
        assert np.abs(first - second).max() > 0


@pytest.mark.parametrize("kind", ["controlled", "sdxl"])
def test_a_batch_changes_no_picture(kind: str, priors: Priors, request: pytest.FixtureRequest) -> None:
    model: Model = request.getfixturevalue(kind)
    model = replace(model, settings=replace(model.settings, weighted_prompts=False))
    conditioner = Conditioner(model)
    runs = [
        DenoisingRun(model, conditioner.prepare(priors.only(layers)), size=SIZE, seed=seed, steps=STEPS)
        for seed, layers in enumerate([LAYERS, (Layer.SEMANTIC,), (Layer.TEXTURE,), ()])
    ]
    together = predict(model, runs)
    for run, prediction in zip(runs, together, strict=True):
        assert torch.allclose(predict(model, [run])[0], prediction, atol=1e-4, rtol=1e-4)


def test_lines_and_poses_act_together(sdxl: Model, controlled: Model, priors: Priors, skeleton: Skeleton) -> None:
    both = replace(priors, skeleton=skeleton)
    conditions = Conditioner(controlled).prepare(both)
    assert set(conditions.controls) == {Condition.EDGES, Condition.SKELETON}
    for model in (sdxl, controlled):
        pictures = [list(render(p, 1, model=model, steps=2))[-1].image for p in (priors, both)]
        assert np.abs(np.asarray(pictures[0], int) - np.asarray(pictures[1], int)).max() > 0


def test_weights_of_conditions_count(controlled: Model, priors: Priors) -> None:
    def with_weight(weight: float) -> Tensor:
        weights = {**controlled.settings.weights, Condition.EDGES: weight}
        return finish(replace(controlled, settings=replace(controlled.settings, weights=weights)), priors)

    assert not torch.allclose(with_weight(1.0), with_weight(0.2))
    nothing = finish(controlled, priors.only([Layer.SEMANTIC, Layer.TEXTURE]))
    assert torch.allclose(with_weight(0.0), nothing, atol=1e-4)


def test_the_trailing_solver_is_what_euler_does(sd15: Model) -> None:
    """Distilled models use Euler's scheduler; ours takes the same path from the same noise."""
    config = dict(sd15.scheduler.config) | {"timestep_spacing": "trailing", "use_karras_sigmas": False}
    euler = EulerDiscreteScheduler.from_config(config)
    ours = choose_scheduler(euler, "trailing")
    euler.set_timesteps(4)
    ours.set_timesteps(4)
    assert [int(t) for t in euler.timesteps] == [int(t) for t in ours.timesteps]
    start = noise()
    level = float(euler.sigmas[0])
    theirs, sample = start * level, start * level / (1 + level**2) ** 0.5
    for index, (timestep, own) in enumerate(zip(euler.timesteps, ours.timesteps, strict=True)):
        seen = euler.scale_model_input(theirs, timestep)
        assert torch.allclose(seen, sample, atol=1e-4)
        prediction = torch.tanh(seen * 0.7)
        assert torch.isfinite(clean_estimate(ours, index, sample, prediction)).all()
        theirs = euler.step(prediction, timestep, theirs).prev_sample
        sample = ours.step(prediction, own, sample).prev_sample
    assert torch.allclose(theirs, sample, atol=1e-3)
