"""Runs that begin from an earlier picture: parity with img2img, planes, levels."""

import math
import threading
from concurrent.futures import Future
from dataclasses import replace

import numpy as np
import pytest
import torch
from diffusers import StableDiffusionImg2ImgPipeline

from codec.layers import EdgeMap, Layer, Priors
from codec.structure.derived import derive_lines
from codec.wavelet.plane import Plane
from codec.wavelet.transform import forward, inverse, texture_plane, to_channels
from layercast_common.errors import UsageError
from receiver.rendering.engine.direct import LevelRenderer, render
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.passes import advance
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.sampling.starts import StartingPoint, plane_band, plane_latents
from receiver.rendering.settings.settings import Condition
from receiver.rendering.settings.start_plan import FROM_NOISE, USUAL_STARTS, StartPlan, plane_cells
from receiver.rendering.settings.tuning import Tuning
from tests.support.pictures import draw_picture

PATIENCE = 120


@pytest.fixture(scope="module")
def quick(sd15: Model) -> Model:
    return replace(sd15, settings=replace(sd15.settings, steps=5, previews=(), guidance=1.0))


def known_down_to(plane: int) -> Plane:
    coefficients = forward(to_channels(draw_picture(64, 64)))
    return Plane.of(coefficients, np.full(coefficients.shape, plane, np.int8))


@pytest.mark.parametrize(("steps", "strength"), [(10, 0.3), (10, 0.85), (4, 0.5), (7, 1.0)])
def test_a_start_equals_the_stock_img2img_pipeline(sd15: Model, priors: Priors, steps: int, strength: float) -> None:
    model = replace(sd15, settings=replace(sd15.settings, guidance=1.0))
    words = priors.only([Layer.SEMANTIC])
    assert words.semantic
    clean = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(3))
    pipeline = StableDiffusionImg2ImgPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        scheduler=type(model.scheduler).from_config(model.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    conditioner = Conditioner(model)
    run = DenoisingRun(
        model,
        replace(conditioner.prepare(words), colors=None),
        size=(64, 64),
        seed=7,
        steps=steps,
        start=StartingPoint(clean, strength),
    )
    assert run.done == run.begin == steps - int(steps * strength + 1e-6)
    noise = run._noise()

    def prepare(image: torch.Tensor, timestep: torch.Tensor, *_: object, **__: object) -> torch.Tensor:
        return torch.as_tensor(pipeline.scheduler.add_noise(image, noise, timestep))

    pipeline.prepare_latents = prepare
    expected = pipeline(
        words.semantic.prompt,
        image=clean,
        strength=strength,
        num_inference_steps=steps,
        guidance_scale=1.0,
        output_type="latent",
    ).images
    while not run.finished:
        advance(model, [run])
    if strength < 1:
        assert torch.allclose(run.sample, expected, atol=1e-4, rtol=1e-4)
    else:
        # From the noisiest step the pipeline still mixes the picture in; a whole run begins from noise alone.
        assert run.begin == 0


@pytest.mark.parametrize(("strength", "steps", "first"), [(0.3, 20, 14), (0.2, 4, 3), (1.0, 20, 0), (0.01, 20, 19)])
def test_at_least_one_step_is_done(strength: float, steps: int, first: int) -> None:
    assert StartingPoint(torch.zeros(1), strength).first_step(steps) == first


@pytest.mark.parametrize(("plane", "strength", "cells"), [(9, 0.6, 64), (8, 0.45, 64), (7, 0.3, 32), (6, 0.2, 16)])
def test_the_finer_the_planes_the_less_is_drawn_anew(plane: int, strength: float, cells: int) -> None:
    # On 64x64 pixels planes are three lower than on 512x512.
    known = known_down_to(plane - 3)
    assert math.isclose(USUAL_STARTS.for_plane(known), strength, abs_tol=1e-6)
    assert plane_cells(known) == cells
    assert FROM_NOISE.for_plane(known) == 1


def test_the_layer_that_changes_most_decides_the_strength() -> None:
    plan = StartPlan(layers={Layer.STRUCTURE: 0.8, Layer.TEXTURE: 0.6})
    assert plan.after([Layer.TEXTURE]) == 0.6
    assert plan.after([Layer.STRUCTURE, Layer.TEXTURE]) == 0.8
    assert plan.after([Layer.SEMANTIC, Layer.TEXTURE]) == 1
    assert plan.after([]) == 1


@pytest.mark.parametrize("strength", [0.0, -1.0, 1.5, float("nan")])
def test_impossible_strengths_are_refused(quick: Model, strength: float) -> None:
    with pytest.raises(UsageError, match="starting strength"):
        Tuning(start_strength=strength).apply(quick.settings)


def test_a_plane_is_the_start_of_a_denoising_model(quick: Model, planes: Priors, plane: Plane) -> None:
    conditions = Conditioner(quick).prepare(planes)
    assert conditions.plane is not None
    assert conditions.colors is not None
    assert torch.equal(conditions.plane, plane_latents(quick, plane, (64, 64)))
    assert conditions.pull == 1 - USUAL_STARTS.for_plane(plane)
    assert torch.allclose(plane_band(plane, conditions.plane, 8), conditions.colors)
    frames = list(render(planes, 1, model=quick))
    assert [frame.step for frame in frames] == [5]
    off = replace(quick, settings=Tuning(start_strength=1.0).apply(quick.settings))
    assert Conditioner(off).prepare(planes).plane is None


@pytest.mark.parametrize("known", [6, 4, 3])
def test_the_result_contradicts_no_coefficient_that_has_come(quick: Model, planes: Priors, known: int) -> None:
    """Even though the tiny model draws noise: the low band of the result is that of the plane."""
    plane = known_down_to(known)
    picture = np.asarray(list(render(replace(planes, plane=plane), 1, model=quick))[-1].image)
    found, middle = forward(to_channels(picture)), plane.to_coefficients()
    step = float(1 << known)
    low = (slice(None), slice(0, 16), slice(0, 16))
    # A known coefficient is within its cell, up to rounding and clipping to whole levels.
    assert np.abs(found - middle)[low].max() <= step + 12
    means = [
        inverse(np.where(np.isin(np.arange(64), range(8))[:, None] & np.isin(np.arange(64), range(8)), c, 0))
        for c in (found, middle)
    ]
    assert np.abs(means[0] - means[1])[0].mean() <= step / 8 + 1


def test_a_level_begins_from_the_latents_of_the_level_before(quick: Model, priors: Priors) -> None:
    words, lines = priors.only([Layer.SEMANTIC]), priors.only([Layer.SEMANTIC, Layer.STRUCTURE])
    with Engine(quick) as engine:
        for state in (words, lines, priors):
            final = engine.submit("a", state, 1, lambda _: None).result(PATIENCE)
        counters = engine.counters
    # 5 from noise, then 4 of 5 for lines, 3 of 5 for colours.
    assert (counters.steps, counters.skipped, counters.thrown_away) == (12, 3, 0)
    by_hand = LevelRenderer(quick, 1)
    for state in (words, lines, priors):
        last = list(by_hand.render(state))[-1]
    assert np.abs(np.asarray(last.image, int) - np.asarray(final.image, int)).max() <= 1


def test_another_seed_a_cancelled_key_and_the_same_layers_begin_from_noise(quick: Model, priors: Priors) -> None:
    lines = priors.only([Layer.SEMANTIC, Layer.STRUCTURE])
    with Engine(quick) as engine:
        engine.submit("a", lines, 1, lambda _: None).result(PATIENCE)
        engine.submit("a", lines, 1, lambda _: None).result(PATIENCE)
        engine.submit("a", priors, 2, lambda _: None).result(PATIENCE)
        engine.cancel("a")
        engine.submit("a", priors, 2, lambda _: None).result(PATIENCE)
        assert (engine.counters.steps, engine.counters.skipped) == (20, 0)


def test_with_strength_1_no_level_begins_from_another(quick: Model, priors: Priors) -> None:
    model = replace(quick, settings=Tuning(start_strength=1.0).apply(quick.settings))
    renderer = LevelRenderer(model, 1)
    list(renderer.render(priors.only([Layer.SEMANTIC])))
    last = list(renderer.render(priors))[-1]
    assert np.array_equal(np.asarray(last.image), np.asarray(list(render(priors, 1, model=model))[-1].image))


def test_a_plane_that_arrives_restarts_the_run_from_its_picture(quick: Model, planes: Priors) -> None:
    model = replace(quick, settings=replace(quick.settings, previews=(1,)))
    later: list[Future[Frame]] = []
    with Engine(model) as engine:

        def refine(_: object) -> None:
            if not later:
                later.append(engine.submit("a", planes, 1, lambda _: None))

        engine.submit("a", planes.only([Layer.SEMANTIC]), 1, refine)
        while not later:
            threading.Event().wait(0.005)
        final = later[0].result(PATIENCE)
        assert (engine.counters.thrown_away, engine.counters.skipped) == (1, 4)
    alone = list(render(planes, 1, model=model))[-1]
    assert np.array_equal(np.asarray(final.image), np.asarray(alone.image))


def test_lines_come_from_the_plane_once_it_has_detail(quick: Model, planes: Priors, plane: Plane) -> None:
    grid = np.zeros((16, 16), bool)
    grid[5] = True
    sent = replace(planes, structure=EdgeMap(grid, planes.canvas), texture=None)
    conditioner = Conditioner(quick)
    found = conditioner.prepare(sent).features
    derived = conditioner.prepare(replace(sent, plane=None, structure=derive_lines(plane))).features
    assert found is not None
    assert derived is not None
    assert all(torch.equal(a, b) for a, b in zip(found, derived, strict=True))
    coarse = conditioner.prepare(replace(sent, plane=plane.down_to(texture_plane(*plane.canvas)))).features
    own = conditioner.prepare(replace(sent, plane=None)).features
    assert coarse is not None
    assert own is not None
    assert all(torch.equal(a, b) for a, b in zip(coarse, own, strict=True))


def test_a_tile_controlnet_gets_the_picture_of_the_plane(controlled: Model, planes: Priors, plane: Plane) -> None:
    tiled = replace(controlled, controlnets={Condition.TILE: controlled.controlnets[Condition.EDGES]})
    (shown,) = Conditioner(tiled).prepare(planes).controls.values()
    picture = torch.from_numpy(plane.to_image()).permute(2, 0, 1)[None] / 255
    assert torch.equal(shown, picture)
    words = Conditioner(tiled).prepare(planes.only([Layer.SEMANTIC]))
    assert not words.controls
    assert list(render(planes, 1, model=tiled, steps=2))[-1].final
