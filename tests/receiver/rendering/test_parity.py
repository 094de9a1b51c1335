"""Our denoising loop beside diffusers' own pipelines: the same parts, noise and prompt give the same latents.

Tiny random models of the real classes, float32. Each row names what is compared and the largest permitted difference.
"""

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from compel import Compel, ReturnedEmbeddingsType
from diffusers import (
    DDIMScheduler,
    DPMSolverMultistepScheduler,
    EulerDiscreteScheduler,
    LatentConsistencyModelPipeline,
    LCMScheduler,
    MultiAdapter,
    TCDScheduler,
    UniPCMultistepScheduler,
)

from codec.layers import Layer, Priors, Semantic
from receiver.rendering.loader import load_model
from receiver.rendering.models.embedded_guidance import embed_guidance
from receiver.rendering.models.model import Model
from receiver.rendering.models.scheduler_choice import choose_scheduler
from receiver.rendering.models.text_encoders import shorten
from receiver.rendering.settings.settings import Condition, Solver
from tests.support.models import build_time_cond_unet
from tests.support.pipelines import (
    draw_cells,
    draw_lines,
    our_latents,
    starting_noise,
    stock_latents,
    stock_pipeline,
)

PROMPT = "a red house by the lake"
BETAS = {"beta_schedule": "scaled_linear", "beta_start": 0.00085, "beta_end": 0.012, "steps_offset": 1}
ZERO_SNR = {"rescale_betas_zero_snr": True, "prediction_type": "v_prediction", "timestep_spacing": "trailing"}
DDIM = {**BETAS, "clip_sample": False, "set_alpha_to_one": False}
TEXT = (Layer.SEMANTIC,)


def literal(model: Model, **settings: Any) -> Model:
    """The model with literal prompts and without what stock pipelines do not have."""
    return replace(model, settings=replace(model.settings, weighted_prompts=False, color_pull=0.0, **settings))


def compare(ours: torch.Tensor, theirs: torch.Tensor, most: float) -> None:
    assert torch.isfinite(theirs).all()
    assert (ours - theirs).abs().max() <= most


SCHEDULERS = {
    "dpm++-karras": (DPMSolverMultistepScheduler(**BETAS, use_karras_sigmas=True), 5),
    "dpm++-karras-20": (DPMSolverMultistepScheduler(**BETAS, use_karras_sigmas=True), 20),
    "dpm++-linspace": (DPMSolverMultistepScheduler(**BETAS), 5),
    "dpm++-exponential": (DPMSolverMultistepScheduler(**BETAS, use_exponential_sigmas=True), 5),
    "dpm++-beta": (DPMSolverMultistepScheduler(**BETAS, use_beta_sigmas=True), 5),
    "dpm++3m": (DPMSolverMultistepScheduler(**BETAS, solver_order=3), 5),
    "dpm++-v": (DPMSolverMultistepScheduler(**BETAS, prediction_type="v_prediction"), 5),
    "dpm++-v-zero-snr": (DPMSolverMultistepScheduler(**BETAS, **ZERO_SNR), 5),
    "unipc": (UniPCMultistepScheduler(**BETAS), 5),
    "unipc-karras": (UniPCMultistepScheduler(**BETAS, use_karras_sigmas=True), 5),
    "ddim": (DDIMScheduler(**DDIM), 5),
    "ddim-clip-absent": (DDIMScheduler(**BETAS, set_alpha_to_one=False), 5),
    "ddim-v-zero-snr": (DDIMScheduler(**DDIM, **ZERO_SNR), 5),
}


@pytest.mark.parametrize("kind", SCHEDULERS)
def test_stable_diffusion_with_its_own_scheduler(kind: str, sd15: Model, priors: Priors) -> None:
    scheduler, steps = SCHEDULERS[kind]
    model = replace(literal(sd15), scheduler=choose_scheduler(scheduler, "own"))
    theirs = stock_latents(stock_pipeline(model, type(scheduler).from_config(scheduler.config)), PROMPT, steps, 7.5)
    compare(our_latents(model, priors.only(TEXT), steps), theirs, 0)


SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "negative-prompt": ({"negative_prompt": "portrait"}, {"negative_prompt": "portrait"}),
    "guidance-rescale": ({"guidance_rescale": 0.7}, {"guidance_rescale": 0.7}),
    # Without guidance: diffusers' pipelines leave the negative prompt's encoder whole; we shorten it, as web UIs do.
    "clip-skip": ({"clip_skip": 1, "guidance": 1.0}, {"clip_skip": 1}),
}


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
@pytest.mark.parametrize("row", SETTINGS)
def test_settings_of_a_run(kind: str, row: str, sd15_folder: Path, sdxl: Model, priors: Priors) -> None:
    ours, theirs = SETTINGS[row]
    model = literal(load_model(sd15_folder, "cpu", dtype="float32") if kind == "sd15" else sdxl, **ours)
    # diffusers 0.42 looks for this attribute, which transformers 5.6 removed; a plain attribute is no second module.
    vars(model.text_encoder).setdefault("text_model", model.text_encoder)
    expected = stock_latents(stock_pipeline(model, DDIMScheduler(**DDIM)), PROMPT, 4, model.settings.guidance, **theirs)
    if kind == "sd15":
        # As the loader does for a model with one text encoder.
        shorten(model.text_encoder, model.settings.clip_skip)
    model = replace(model, scheduler=DDIMScheduler(**DDIM))
    compare(our_latents(model, priors.only(TEXT), 4), expected, 1e-5)


def test_one_adapter(sd15: Model, priors: Priors) -> None:
    model = replace(literal(sd15), scheduler=DDIMScheduler(**DDIM))
    pipeline = stock_pipeline(model, DDIMScheduler(**DDIM), adapter=model.adapters[Condition.EDGES])
    known = replace(model, line_width=None), priors.only([Layer.SEMANTIC, Layer.STRUCTURE])
    theirs = stock_latents(pipeline, PROMPT, 4, 7.5, image=draw_lines(priors, "L"), adapter_conditioning_scale=0.9)
    compare(our_latents(*known, 4), theirs, 0)


def test_two_adapters(sd15: Model, priors: Priors) -> None:
    model = replace(literal(sd15), scheduler=DDIMScheduler(**DDIM), line_width=None)
    edges = model.adapters[Condition.EDGES]
    three = {"in_channels": 3, "channels": [8, 16, 16, 16], "num_res_blocks": 1, "adapter_type": "full_adapter"}
    both = MultiAdapter([type(edges)(**three), type(edges)(**three)])
    adapters = dict(zip((Condition.EDGES, Condition.COLORS), both.adapters, strict=True))
    model = replace(model, adapters=adapters)
    theirs = stock_latents(
        stock_pipeline(model, DDIMScheduler(**DDIM), adapter=both),
        PROMPT,
        4,
        7.5,
        image=[draw_lines(priors), draw_cells(priors)],
        adapter_conditioning_scale=[0.9, 0.8],
    )
    # Pictures of three channels lie in memory in another order, so that convolutions add in another order.
    compare(our_latents(model, priors, 4), theirs, 1e-4)


def test_a_controlnet(controlled: Model, priors: Priors) -> None:
    model = replace(literal(controlled), scheduler=DDIMScheduler(**DDIM), line_width=None)
    pipeline = stock_pipeline(model, DDIMScheduler(**DDIM), controlnet=model.controlnets[Condition.EDGES])
    theirs = stock_latents(pipeline, PROMPT, 4, 7.5, image=draw_lines(priors), controlnet_conditioning_scale=0.9)
    compare(our_latents(model, priors.only([Layer.SEMANTIC, Layer.STRUCTURE]), 4), theirs, 1e-5)


@pytest.mark.parametrize("factor", [1.0, 0.5, 0.0])
def test_an_adapter_of_stable_diffusion_xl(factor: float, sdxl: Model, priors: Priors) -> None:
    model = literal(sdxl, adapter_conditioning_factor=factor)
    model = replace(model, scheduler=DDIMScheduler(**DDIM), line_width=None)
    pipeline = stock_pipeline(model, DDIMScheduler(**DDIM), adapter=model.adapters[Condition.EDGES])
    theirs = stock_latents(
        pipeline,
        PROMPT,
        4,
        5.0,
        image=draw_lines(priors),
        adapter_conditioning_scale=0.9,
        adapter_conditioning_factor=factor,
    )
    compare(our_latents(model, priors.only([Layer.SEMANTIC, Layer.STRUCTURE]), 4), theirs, 1e-5)


@pytest.mark.parametrize("zeros", [True, False])
def test_the_empty_negative_prompt_of_stable_diffusion_xl(*, zeros: bool, sdxl: Model, priors: Priors) -> None:
    model = replace(literal(sdxl), scheduler=DDIMScheduler(**DDIM), zero_empty_prompt=zeros)
    pipeline = stock_pipeline(model, DDIMScheduler(**DDIM), force_zeros_for_empty_prompt=zeros)
    compare(our_latents(model, priors.only(TEXT), 4), stock_latents(pipeline, PROMPT, 4, 5.0), 1e-5)


@pytest.mark.parametrize(("steps", "most"), [(1, 1e-5), (2, 1e-5), (4, 5e-5), (8, 1e-4)])
def test_latent_consistency(
    steps: int, most: float, sd15: Model, priors: Priors, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = choose_scheduler(DDIMScheduler(**DDIM), "lcm")
    model = replace(literal(sd15, guidance=1.0), scheduler=scheduler)
    give_our_noise(monkeypatch)
    theirs = stock_latents(stock_pipeline(model, LCMScheduler.from_config(scheduler.config)), PROMPT, steps, 1.0)
    compare(our_latents(model, priors.only(TEXT), steps), theirs, most)


def give_our_noise(monkeypatch: pytest.MonkeyPatch) -> None:
    """Make a consistency scheduler add the noise that ours adds: one stream of the seed per step."""
    count = iter(range(1, 100))
    monkeypatch.setattr(
        "diffusers.schedulers.scheduling_lcm.randn_tensor", lambda *_, **__: starting_noise(stream=next(count))
    )


@pytest.mark.parametrize("scale", [8.5, 1.0])
def test_latent_consistency_with_an_embedded_guidance_scale(
    scale: float, sd15: Model, priors: Priors, monkeypatch: pytest.MonkeyPatch
) -> None:
    scheduler = choose_scheduler(LCMScheduler(**BETAS), "lcm")
    model = replace(literal(sd15, guidance=scale), unet=build_time_cond_unet(), scheduler=scheduler)
    give_our_noise(monkeypatch)
    pipeline = stock_pipeline(model, LCMScheduler.from_config(scheduler.config), kind=LatentConsistencyModelPipeline)
    theirs = stock_latents(pipeline, PROMPT, 4, scale, original_inference_steps=50)
    embed_guidance(model.unet, scale)
    assert not model.guides
    give_our_noise(monkeypatch)
    compare(our_latents(model, priors.only(TEXT), 4), theirs, 5e-5)


#: Distilled models: solver, the scheduler of their cards, steps, and the difference. Euler starts from noise of another
#: scale, by the share of the picture in the first step: 0.6 % of latents whose largest value is about 15.
DISTILLED: dict[str, tuple[Solver, Callable[[], Any], int, dict[str, Any], float]] = {
    "turbo-1": ("trailing", lambda: EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing"), 1, {}, 0.2),
    "turbo-4": ("trailing", lambda: EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing"), 4, {}, 0.2),
    "lightning-8": ("trailing", lambda: EulerDiscreteScheduler(**BETAS, timestep_spacing="trailing"), 8, {}, 0.2),
    "hyper-2": ("ddim", lambda: DDIMScheduler(**DDIM, timestep_spacing="trailing"), 2, {}, 0),
    "hyper-8": ("ddim", lambda: DDIMScheduler(**DDIM, timestep_spacing="trailing"), 8, {}, 0),
    "hyper-1": ("ddim", lambda: TCDScheduler(**BETAS, set_alpha_to_one=False), 1, {"eta": 1.0}, 1e-4),
    "pcm-4": ("ddim", lambda: DDIMScheduler(**DDIM, timestep_spacing="trailing"), 4, {}, 0),
}


@pytest.mark.parametrize("row", DISTILLED)
@pytest.mark.parametrize("clip_sample", [False, None], ids=["clip-false", "clip-absent"])
def test_distilled_models(row: str, clip_sample: bool | None, sd15: Model, priors: Priors) -> None:
    solver, theirs_scheduler, steps, named, most = DISTILLED[row]
    own = DDIMScheduler(**(DDIM if clip_sample is False else BETAS | {"set_alpha_to_one": False}))
    model = replace(literal(sd15, guidance=1.0), scheduler=choose_scheduler(own, solver))
    theirs = stock_latents(stock_pipeline(model, theirs_scheduler()), PROMPT, steps, 0.0, **named)
    compare(our_latents(model, priors.only(TEXT), steps), theirs, most)


#: Weights as web UIs write them, and the same in compel's notation.
WEIGHTED = {
    "brackets": ("a ((red)) cat", "a (red)1.21 cat"),
    "number": ("a (red:1.3) cat", "a (red)1.3 cat"),
    "square": ("a [red] cat", "a (red)0.909091 cat"),
    "compel": ("a (red)++ cat", "a (red)1.21 cat"),
    "none": ("a red cat", "a red cat"),
}


@pytest.mark.parametrize("kind", ["sd15", "sdxl"])
@pytest.mark.parametrize("row", WEIGHTED)
def test_weights_in_prompts(kind: str, row: str, sd15: Model, sdxl: Model, priors: Priors) -> None:
    """Stock pipelines get compel's embeddings, as its documentation shows it."""
    ours, theirs = WEIGHTED[row]
    model = literal({"sd15": sd15, "sdxl": sdxl}[kind])
    model = replace(model, scheduler=DDIMScheduler(**DDIM), settings=replace(model.settings, weighted_prompts=True))
    if kind == "sdxl":
        kinds = ReturnedEmbeddingsType
        compel = Compel(
            tokenizer=[model.tokenizer, model.tokenizer_2],
            text_encoder=[model.text_encoder, model.text_encoder_2],
            returned_embeddings_type=kinds.PENULTIMATE_HIDDEN_STATES_NON_NORMALIZED,
            requires_pooled=[False, True],
            device="cpu",
        )
        embedded, _ = compel(theirs)
        # The pooled embedding is that of the words, without their weights.
        pooled = compel("a red cat")[1]
        named = {
            "prompt_embeds": embedded,
            "pooled_prompt_embeds": pooled,
            "negative_prompt_embeds": torch.zeros_like(embedded),
            "negative_pooled_prompt_embeds": torch.zeros_like(pooled),
        }
    else:
        compel = Compel(tokenizer=model.tokenizer, text_encoder=model.text_encoder, device="cpu")
        named = {"prompt_embeds": compel(theirs), "negative_prompt_embeds": compel("")}
    expected = stock_latents(stock_pipeline(model, DDIMScheduler(**DDIM)), None, 4, 7.5, **named)
    known = replace(priors.only(TEXT), semantic=Semantic(ours))
    compare(our_latents(replace(model, settings=replace(model.settings, guidance=7.5)), known, 4), expected, 1e-5)


HALF = {
    "dpm++-20": ("sd15", DPMSolverMultistepScheduler(**BETAS, use_karras_sigmas=True), 20, 7.5),
    "dpm++-4-no-guidance": ("sd15", DPMSolverMultistepScheduler(**BETAS, use_karras_sigmas=True), 4, 1.0),
    "xl-ddim-4": ("sdxl", DDIMScheduler(**DDIM), 4, 7.5),
}


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16], ids=["float16", "bfloat16"])
@pytest.mark.parametrize("row", HALF)
def test_half_precision(row: str, dtype: torch.dtype, sd15: Model, sdxl: Model, priors: Priors) -> None:
    """Ours keeps samples and guidance in float32, the pipelines in half precision: rounding, and no more.

    The difference is measured as a mean, in units of the last place of the mean latent. One unit is permitted for a
    step's own rounding, and half a unit for each multiple of a rounded prediction that guidance adds: 2 g - 1 of them.
    """
    kind, scheduler, steps, guidance = HALF[row]
    known = priors.only(TEXT)

    def prepare(model: Model) -> Model:
        return replace(literal(model, guidance=guidance), scheduler=choose_scheduler(scheduler, "own"))

    plain = {"sd15": sd15, "sdxl": sdxl}[kind]
    full = our_latents(prepare(plain), known, steps)
    model = prepare(load_model(plain.name, "cpu", dtype=str(dtype).removeprefix("torch.")))
    pipeline = stock_pipeline(model, type(scheduler).from_config(scheduler.config))
    ours, theirs = our_latents(model, known, steps), stock_latents(pipeline, PROMPT, steps, guidance).float()

    def distance(one: torch.Tensor, other: torch.Tensor) -> float:
        return float((one - other).abs().mean() / full.abs().mean()) / torch.finfo(dtype).eps

    assert 0 < distance(ours, theirs) <= 1 + (2 * guidance - 1) / 2
    # Neither is nearer to float32 in every row; ours is never noticeably further.
    assert distance(ours, full) <= 1.25 * distance(theirs, full)
