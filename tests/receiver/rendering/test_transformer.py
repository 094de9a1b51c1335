"""A diffusion transformer with a union ControlNet, beside diffusers' own pipelines: random weights, real classes."""

from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from diffusers import FlowMatchEulerDiscreteScheduler, ZImageControlNetPipeline, ZImagePipeline
from safetensors.torch import save_file

from codec.layers import Layer, Priors, Skeleton
from layercast_common.errors import ModelFilesError, UsageError
from receiver.rendering.backends.choice import with_performance
from receiver.rendering.engine.direct import render
from receiver.rendering.loader import load_model
from receiver.rendering.models.model import Model
from receiver.rendering.models.transformer import load_union_controlnet
from receiver.rendering.sampling.conditioning import Conditioner
from receiver.rendering.sampling.passes import predict
from receiver.rendering.sampling.sampler import DenoisingRun
from receiver.rendering.settings.settings import Condition
from receiver.rendering.settings.tuning import Tuning
from tests.support.pipelines import SIZE, draw_lines, our_latents, starting_noise
from tests.support.transformers import build_tiny_transformer

STEPS = 4
PROMPT = "a red house by the lake"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_tiny_transformer(tmp_path_factory.mktemp("models") / "tiny-z-image")


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    loaded = load_model(folder, "cpu", dtype="float32")
    return replace(loaded, settings=replace(loaded.settings, native=64, color_pull=0.0), line_width=None)


def stock(folder: Path, **named: Any) -> torch.Tensor:
    kind: Any = ZImageControlNetPipeline if "control_image" in named else ZImagePipeline
    fresh = load_model(folder, "cpu", dtype="float32")
    parts = {
        "vae": fresh.vae,
        "text_encoder": fresh.text_encoder,
        "tokenizer": fresh.tokenizer,
        "transformer": fresh.unet._transformer,
        "scheduler": FlowMatchEulerDiscreteScheduler.from_config(fresh.scheduler.config),
    }
    if "control_image" in named:
        parts["controlnet"] = fresh.controlnets[Condition.EDGES]
    pipeline = kind(**parts)
    pipeline.set_progress_bar_config(disable=True)
    named = {"height": 64, "width": 64, "num_inference_steps": STEPS, "guidance_scale": 0.0, **named}
    return torch.as_tensor(pipeline(PROMPT, latents=starting_noise(), output_type="latent", **named).images)


def test_a_text_run_equals_the_stock_pipeline(folder: Path, model: Model, priors: Priors) -> None:
    ours = our_latents(model, priors.only([Layer.SEMANTIC]), STEPS)
    assert (ours - stock(folder)).abs().max() <= 1e-5


def test_a_controlled_run_equals_the_stock_pipeline(folder: Path, model: Model, priors: Priors) -> None:
    ours = our_latents(model, priors.only([Layer.SEMANTIC, Layer.STRUCTURE]), STEPS)
    theirs = stock(folder, control_image=draw_lines(priors), controlnet_conditioning_scale=0.75)
    assert (ours - theirs).abs().max() <= 1e-5
    assert (theirs - stock(folder)).abs().max() > 0.01


def test_lines_poses_and_colours_act(model: Model, priors: Priors, skeleton: Skeleton) -> None:
    pulled = replace(model, settings=replace(model.settings, color_pull=0.5))
    states = [
        priors.only([Layer.SEMANTIC]),
        priors.only([Layer.SEMANTIC, Layer.STRUCTURE]),
        replace(priors.only([Layer.SEMANTIC, Layer.STRUCTURE]), skeleton=skeleton),
        priors,
    ]
    pictures = [np.asarray(list(render(state, 1, model=pulled, steps=2))[-1].image, int) for state in states]
    for before, after in pairwise(pictures):
        assert np.abs(before - after).max() > 0


def test_a_batch_changes_no_picture(model: Model, priors: Priors) -> None:
    conditioner = Conditioner(model)
    runs = [
        DenoisingRun(model, conditioner.prepare(priors.only(layers)), size=SIZE, seed=seed, steps=STEPS)
        for seed, layers in enumerate([(Layer.SEMANTIC, Layer.STRUCTURE), (Layer.SEMANTIC,)])
    ]
    for run, together in zip(runs, predict(model, runs), strict=True):
        assert torch.allclose(predict(model, [run])[0], together, atol=1e-4, rtol=1e-4)


def test_a_rewound_run_reaches_a_picture(model: Model, priors: Priors) -> None:
    run = DenoisingRun(model, Conditioner(model).prepare(priors), size=SIZE, seed=1, steps=STEPS)
    for _ in range(2):
        run.apply(predict(model, [run])[0])
    run.rewind(1)
    while not run.finished:
        run.apply(predict(model, [run])[0])
    assert torch.isfinite(run.sample).all()


def test_a_controlnet_in_one_file(folder: Path, model: Model, tmp_path: Path) -> None:
    controlnet, transformer = model.controlnets[Condition.EDGES], model.unet._transformer
    shared = {name.split(".")[0] for name, _ in transformer.named_parameters()}
    own = {name: value for name, value in controlnet.state_dict().items() if name.split(".")[0] not in shared}
    save_file({name: value.contiguous().clone() for name, value in own.items()}, tmp_path / "union.safetensors")
    place, device = tmp_path / "union.safetensors", torch.device("cpu")
    loaded = load_union_controlnet(place, transformer, device, torch.float32)
    assert loaded.config.control_layers_places == [0]
    assert all(torch.equal(loaded.state_dict()[name], value) for name, value in own.items())
    save_file({"x": torch.zeros(1)}, tmp_path / "other.safetensors")
    with pytest.raises(ModelFilesError, match=r"other\.safetensors"):
        load_union_controlnet(tmp_path / "other.safetensors", transformer, device, torch.float32)


def test_what_a_transformer_cannot_do_is_said(folder: Path, model: Model) -> None:
    assert with_performance(model, "auto").performance == "plain"
    with pytest.raises(UsageError, match="without guidance"):
        load_model(folder, "cpu", dtype="float32", tuning=Tuning(guidance=3.0))
    with pytest.raises(UsageError, match="graphs"):
        with_performance(model, "graphs")
