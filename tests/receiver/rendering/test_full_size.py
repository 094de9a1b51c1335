"""Stable Diffusion 1.5 at full size with random weights: the real architecture runs in the same code."""

from typing import Any

import numpy as np
import pytest
import torch
from diffusers import AutoencoderTiny, DPMSolverMultistepScheduler, T2IAdapter, UNet2DConditionModel
from transformers import CLIPTextConfig, CLIPTextModel

from codec.layers import ColorMap, EdgeMap, Priors, Semantic, Skeleton
from receiver.rendering.engine.direct import render
from receiver.rendering.models.model import Model
from receiver.rendering.settings.settings import Condition, RenderSettings
from tests.support.models import build_parts


def fill(module: Any) -> Any:
    """Give small random weights to a module built on the meta device."""
    module = module.to_empty(device="cpu").to(torch.bfloat16)
    for parameter in module.parameters():
        torch.nn.init.normal_(parameter, std=0.02)
    return module.to(memory_format=torch.channels_last).eval().requires_grad_(False)


@pytest.fixture
def sd15_full() -> Model:
    torch.manual_seed(0)
    tokenizer = build_parts("sd15")["tokenizer"]
    adapters = {Condition.EDGES: ("full_adapter", 1), Condition.COLORS: ("light_adapter", 3)}
    adapters[Condition.SKELETON] = ("full_adapter", 3)
    with torch.device("meta"):
        unet = UNet2DConditionModel(
            sample_size=64, block_out_channels=(320, 640, 1280, 1280), cross_attention_dim=768, attention_head_dim=8
        )
        built = {
            condition: T2IAdapter(
                in_channels=channels,
                channels=[320, 640, 1280, 1280][: 4 if kind == "full_adapter" else 3],
                num_res_blocks=2 if kind == "full_adapter" else 4,
                downscale_factor=8,
                adapter_type=kind,
            )
            for condition, (kind, channels) in adapters.items()
        }
    vae = AutoencoderTiny().to(torch.bfloat16).eval()
    text = CLIPTextConfig(vocab_size=len(tokenizer), hidden_size=768, num_hidden_layers=2, num_attention_heads=12)
    scheduler = DPMSolverMultistepScheduler(beta_schedule="scaled_linear", beta_start=0.00085, beta_end=0.012)
    return Model(
        name="sd15 at full size",
        settings=RenderSettings(native=256, steps=1, previews=(), guidance=7.5),
        device=torch.device("cpu"),
        dtype=torch.bfloat16,
        unet=fill(unet),
        vae=vae,
        preview_vae=vae,
        text_encoder=CLIPTextModel(text).to(torch.bfloat16).eval(),
        tokenizer=tokenizer,
        scheduler=scheduler,
        adapters={condition: fill(adapter) for condition, adapter in built.items()},
    )


@pytest.mark.slow
def test_one_step_at_full_size(sd15_full: Model, skeleton: Skeleton) -> None:
    canvas = (256, 256)
    random = np.random.default_rng(0)
    priors = Priors(
        canvas,
        Semantic("a red house"),
        EdgeMap(random.random((64, 64)) < 0.1, canvas),
        ColorMap(random.integers(0, 256, (4, 4, 3), dtype=np.uint8), canvas),
        skeleton=Skeleton(skeleton.people, canvas),
    )
    assert 850e6 < sum(parameter.numel() for parameter in sd15_full.unet.parameters()) < 870e6
    assert sd15_full.size_multiple == 64
    (frame,) = render(priors, 1, model=sd15_full)
    assert frame.final
    assert frame.image.size == canvas
