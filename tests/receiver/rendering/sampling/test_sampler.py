from collections.abc import Callable
from dataclasses import replace
from itertools import combinations

import numpy as np
import pytest
import torch
from diffusers import LCMScheduler, MultiAdapter, StableDiffusionAdapterPipeline
from PIL import Image
from torch import Tensor

from codec.layers import Layer, Priors
from receiver.rendering.models.model import Model
from receiver.rendering.output.decoding import decode_pixels
from receiver.rendering.sampling.conditioning import Conditioner, Conditioning
from receiver.rendering.sampling.noise import draw_noise
from receiver.rendering.sampling.passes import advance, predict
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.settings.settings import Condition

SIZE = (64, 64)
LAYERS = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)


@pytest.fixture
def ddim(sd15: Model, sd15_folder: object) -> Model:
    """The tiny Stable Diffusion with the scheduler of its folder, as in a stock pipeline."""
    from diffusers import DDIMScheduler

    return replace(sd15, scheduler=DDIMScheduler.from_pretrained(f"{sd15_folder}/scheduler"))


def start(model: Model, priors: Priors, seed: int = 1, steps: int = 5) -> DenoisingRun:
    return DenoisingRun(model, Conditioner(model).prepare(priors), size=SIZE, seed=seed, steps=steps)


def finish(model: Model, run: DenoisingRun) -> Tensor:
    while not run.finished:
        advance(model, [run])
    return run.sample


def stock_latents(model: Model, priors: Priors, steps: int) -> tuple[Tensor, Image.Image]:
    """Run diffusers' own T2I-Adapter pipeline on the same parts, priors and starting noise."""
    adapters = [model.adapters[condition] for condition in (Condition.EDGES, Condition.COLORS)]
    pipeline = StableDiffusionAdapterPipeline(
        vae=model.vae,
        text_encoder=model.text_encoder,
        tokenizer=model.tokenizer,
        unet=model.unet,
        adapter=MultiAdapter(adapters),
        scheduler=type(model.scheduler).from_config(model.scheduler.config),
        safety_checker=None,
        feature_extractor=None,
        requires_safety_checker=False,
    )
    pipeline.set_progress_bar_config(disable=True)
    assert priors.semantic
    assert priors.structure
    assert priors.texture
    latents = pipeline(
        priors.semantic.prompt,
        image=[Image.fromarray(priors.structure.to_image(SIZE)), Image.fromarray(priors.texture.to_image(SIZE))],
        height=SIZE[1],
        width=SIZE[0],
        num_inference_steps=steps,
        guidance_scale=model.settings.guidance,
        latents=torch.from_numpy(draw_noise((1, 4, 8, 8), 1)),
        adapter_conditioning_scale=[
            model.settings.weights[condition] for condition in (Condition.EDGES, Condition.COLORS)
        ],
        output_type="latent",
    ).images
    return latents, pipeline.numpy_to_pil(pipeline.decode_latents(latents))[0]


def test_guided_run_equals_the_stock_adapter_pipeline(ddim: Model, priors: Priors) -> None:
    assert ddim.settings.guidance == 7.5
    expected, picture = stock_latents(ddim, priors, 5)
    run = start(ddim, priors)
    assert torch.allclose(finish(ddim, run), expected, atol=1e-4, rtol=1e-4)
    ours = np.asarray(decode_pixels(ddim, run.sample, final=True)[0], int)
    assert np.abs(ours - np.asarray(picture, int)).max() <= 1


def test_flow_run_equals_the_stock_adapter_pipeline(mini: Model, priors: Priors) -> None:
    expected, _ = stock_latents(mini, priors, 8)
    assert torch.allclose(finish(mini, start(mini, priors, steps=8)), expected, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize(
    "kept", [layers for count in range(4) for layers in combinations(LAYERS, count)], ids=lambda layers: f"{layers}"
)
def test_any_layers_give_a_picture_of_their_own(
    mini: Model, sd15: Model, priors: Priors, kept: tuple[Layer, ...]
) -> None:
    for model in (mini, sd15):
        some = finish(model, start(model, priors.only(kept), steps=2))
        assert some.isfinite().all()
        if len(kept) < 3:
            assert not torch.allclose(some, finish(model, start(model, priors, steps=2)), atol=1e-3)


def test_seeds_decide(mini: Model, priors: Priors) -> None:
    first, again, other = (finish(mini, start(mini, priors, seed, 2)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.allclose(first, other, atol=1e-2)


@pytest.mark.parametrize("name", ["mini", "sd15", "lcm"])
def test_a_batch_changes_nothing(name: str, request: pytest.FixtureRequest, priors: Priors) -> None:
    """Jobs with other steps, layers, seeds and step counts share passes without any effect on each other."""
    model = lcm_model(request.getfixturevalue("sd15")) if name == "lcm" else request.getfixturevalue(name)
    jobs = [
        (priors.only([Layer.SEMANTIC]), 1, 4),
        (priors, 2, 4),
        (priors.only([Layer.TEXTURE]), 3, 3),
        (priors.only([Layer.STRUCTURE, Layer.TEXTURE]), 4, 6),
    ]
    alone = [finish(model, start(model, *job)) for job in jobs]
    runs = [start(model, *job) for job in jobs]
    advance(model, runs[:1])
    advance(model, runs[:3])
    while waiting := [run for run in runs if not run.finished]:
        advance(model, waiting)
    for run, expected in zip(runs, alone, strict=True):
        assert torch.allclose(run.sample, expected, atol=1e-4, rtol=1e-4)


def test_one_pass_for_a_whole_batch(sd15: Model, priors: Priors) -> None:
    rows: list[int] = []
    with watched(sd15, lambda batch: rows.append(batch)):
        predict(sd15, [start(sd15, priors), start(sd15, priors, 2), start(sd15, priors.only([]))])
    assert rows == [6]


def test_guidance_of_one_costs_one_pass(mini: Model, priors: Priors) -> None:
    rows: list[int] = []
    with watched(mini, lambda batch: rows.append(batch)):
        finish(mini, start(mini, priors, steps=3))
    assert rows == [1, 1, 1]


def test_new_conditions_count_from_the_step_they_join(mini: Model, priors: Priors) -> None:
    words = priors.only([Layer.SEMANTIC])
    plain, joined = start(mini, words, steps=6), start(mini, words, steps=6)
    for step in range(6):
        if step == 2:
            joined.conditions = Conditioner(mini).prepare(priors)
        advance(mini, [plain])
        advance(mini, [joined])
        assert torch.equal(plain.sample, joined.sample) is (step < 2)


@pytest.mark.parametrize("name", ["mini", "sd15"])
def test_restart_is_a_new_run(name: str, request: pytest.FixtureRequest, priors: Priors) -> None:
    model: Model = request.getfixturevalue(name)
    expected = finish(model, start(model, priors))
    run = start(model, priors)
    advance(model, [run])
    advance(model, [run])
    run.restart()
    assert (run.done, run.clean) == (0, None)
    assert torch.equal(finish(model, run), expected)


@pytest.mark.parametrize("name", ["mini", "sd15", "lcm"])
def test_rewind_keeps_the_estimate_and_redoes_the_tail(
    name: str, request: pytest.FixtureRequest, priors: Priors
) -> None:
    model = lcm_model(request.getfixturevalue("sd15")) if name == "lcm" else request.getfixturevalue(name)
    run = start(model, priors, steps=6)
    for _ in range(4):
        advance(model, [run])
    clean = run.clean
    assert clean is not None
    run.rewind(2)
    assert run.done == 2
    assert run.clean is clean
    assert not torch.allclose(run.sample, clean, atol=1e-2)
    steps = 0
    while not run.finished:
        advance(model, [run])
        steps += 1
    assert steps == 4
    assert run.sample.isfinite().all()


def test_a_run_cannot_be_rewound_before_it_has_an_estimate(mini: Model, priors: Priors) -> None:
    run = start(mini, priors)
    begin = run.sample
    run.rewind(3)
    assert run.done == 0
    assert torch.equal(run.sample, begin)


def test_the_clean_estimate_ends_as_the_picture(mini: Model, priors: Priors) -> None:
    run = start(mini, priors, steps=8)
    finish(mini, run)
    assert run.clean is not None
    assert torch.allclose(run.clean, run.sample, atol=0.05)


def test_conditions_are_not_used_up(mini: Model, priors: Priors) -> None:
    """The UNet removes its features from the list that it gets."""
    conditions: Conditioning = Conditioner(mini).prepare(priors)
    before = [feature.clone() for feature in conditions.features or ()]
    run = DenoisingRun(mini, conditions, size=SIZE, seed=1, steps=2)
    finish(mini, run)
    assert len(before) == len(conditions.features or ()) == 3
    assert all(torch.equal(a, b) for a, b in zip(before, conditions.features or (), strict=True))


def lcm_model(model: Model) -> Model:
    return replace(
        model,
        scheduler=LCMScheduler.from_config(model.scheduler.config),
        settings=replace(model.settings, guidance=1.0),
    )


class watched:  # noqa: N801 - reads as a verb
    """Counts the rows of each UNet pass."""

    def __init__(self, model: Model, tell: Callable[[int], None]) -> None:
        self._hook = model.unet.register_forward_pre_hook(lambda _, inputs: tell(inputs[0].shape[0]))

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc_info: object) -> None:
        self._hook.remove()
