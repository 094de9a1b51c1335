"""Checkpoints, LoRAs and autoencoders of users."""

import shutil
from pathlib import Path
from typing import Any

import pytest
import torch
from diffusers import AutoencoderTiny, StableDiffusionPipeline
from safetensors.torch import load_file, save_file

from codec.layers import Priors, Semantic
from layercast_common.errors import MissingModelError, ModelFilesError, UnknownModelError
from receiver.rendering.engine.direct import render
from receiver.rendering.loader import load_model
from receiver.rendering.model_files.checkpoints import read_checkpoint
from receiver.rendering.model_files.registry import REGISTRY
from receiver.rendering.models.model import Model
from receiver.rendering.selftest import _reference
from receiver.rendering.settings.additions import Lora
from receiver.rendering.settings.settings import Condition
from receiver.rendering.settings.tuning import Tuning
from tests.support.checkpoints import write_checkpoint, write_vae
from tests.support.hubs import BASE, LORA, LORA_MODULE, TAESD, fill_cache
from tests.support.models import build_parts, build_tiny_model


@pytest.fixture(scope="session")
def parts() -> dict[str, Any]:
    torch.manual_seed(7)
    return build_parts("sd15")


@pytest.fixture(scope="session")
def checkpoint(parts: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_checkpoint(tmp_path_factory.mktemp("civ") / "dream.safetensors", parts)


def load(name: str | Path, **tuning: Any) -> Model:
    return load_model(name, "cpu", dtype="float32", tuning=Tuning(**tuning))


def weights(model: Model, part: str) -> dict[str, torch.Tensor]:
    found: dict[str, torch.Tensor] = getattr(model, part).state_dict()
    return found


def test_a_checkpoint_is_loaded_with_the_configs_of_its_base(
    cache: Path, repositories: dict[str, Path], checkpoint: Path, parts: dict[str, Any]
) -> None:
    with pytest.raises(MissingModelError, match=f"models fetch {checkpoint}"):
        load(checkpoint)
    fill_cache(cache, repositories)
    for file in cache.glob("models--stable*/snapshots/*/*/*.safetensors"):
        file.unlink()
    model = load(checkpoint)
    for part in ("unet", "vae", "text_encoder"):
        expected = parts[part].state_dict()
        found = weights(model, part)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected), part
    assert "checkpoint" in model.recognised
    assert model.scheduler.config.prediction_type == "epsilon"


def test_a_checkpoint_of_stable_diffusion_xl(
    cache: Path, repositories: dict[str, Path], tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    base = build_tiny_model(tmp_path / "xl", "sdxl", seed=3)
    entry = REGISTRY["sdxl"]
    hub = {entry.base: base, entry.vae: base / "vae", entry.preview_vae: repositories[TAESD]}
    hub |= {entry.adapters[Condition.EDGES][0]: base / "t2iadapter_canny"}
    hub |= {entry.adapters[Condition.SKELETON][0]: base / "t2iadapter_openpose"}
    fill_cache(cache, {str(name): folder for name, folder in hub.items()})
    torch.manual_seed(8)
    own = build_parts("sdxl")
    file = write_checkpoint(tmp_path / "xl.safetensors", own)
    capfd.readouterr()
    model = load(file)
    # No progress bar of a library, and none of its warnings.
    assert capfd.readouterr() == ("", "")
    for part in ("unet", "text_encoder", "text_encoder_2"):
        expected, found = own[part].state_dict(), weights(model, part)
        assert found.keys() == expected.keys()
        assert all(torch.equal(found[name], expected[name]) for name in expected), part
    assert set(model.adapters) == {Condition.EDGES, Condition.SKELETON}
    assert "checkpoint" in model.recognised
    final = list(render(Priors((64, 64), Semantic("a red house")), 1, model=model, steps=1))[-1]
    assert final.image.size == (64, 64)


def test_a_checkpoint_says_how_it_was_trained(
    cache: Path, repositories: dict[str, Path], parts: dict[str, Any], tmp_path: Path
) -> None:
    fill_cache(cache, repositories)
    file = write_checkpoint(tmp_path / "v.safetensors", parts, flags=("v_pred", "ztsnr"))
    config = load(file).scheduler.config
    assert (config.prediction_type, config.rescale_betas_zero_snr) == ("v_prediction", True)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ({"lora_unet_x.lora_down.weight": (1, 1)}, "a LoRA: add it with --lora"),
        ({"model.diffusion_model.input_blocks.0.0.weight": (8, 9, 3, 3)}, "takes 9 channels"),
        (
            {"model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3), "cond_stage_model.model.x": (1,)},
            "Stable Diffusion 2",
        ),
        ({"model.diffusion_model.input_blocks.0.0.weight": (8, 4, 3, 3)}, "no text encoder"),
    ],
)
def test_files_that_are_no_checkpoint_are_named(tmp_path: Path, names: dict[str, Any], message: str) -> None:
    file = tmp_path / "x.safetensors"
    save_file({name: torch.zeros(shape) for name, shape in names.items()}, file)
    with pytest.raises(ModelFilesError, match=message):
        read_checkpoint(file)


@pytest.mark.parametrize("content", [b"", b"\x00" * 7, b"\xff" * 100, b"\x02" + bytes(7) + b"{]" + bytes(9)])
def test_broken_files_are_named(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "x.safetensors"
    file.write_bytes(content)
    with pytest.raises(ModelFilesError, match=r"x\.safetensors"):
        load(file)


def test_half_a_checkpoint_is_refused(
    cache: Path, repositories: dict[str, Path], checkpoint: Path, tmp_path: Path
) -> None:
    fill_cache(cache, repositories)
    cut = {name: value for name, value in load_file(checkpoint).items() if "output_blocks.3" not in name}
    save_file(cut, tmp_path / "half.safetensors")
    with pytest.raises(ModelFilesError, match=r"half\.safetensors"):
        load(tmp_path / "half.safetensors")


@pytest.mark.parametrize("weight", [1.0, 0.5, -0.25])
def test_loras_are_fused_as_stock_pipelines_do(
    cache: Path, repositories: dict[str, Path], sd15_folder: Path, weight: float
) -> None:
    fill_cache(cache, repositories)
    model = load(sd15_folder, loras=(Lora(LORA, None, weight),))
    plain = load(sd15_folder)
    pipeline = StableDiffusionPipeline.from_pretrained(str(sd15_folder), safety_checker=None, use_safetensors=True)
    pipeline.load_lora_weights(str(repositories[LORA]))
    pipeline.fuse_lora(lora_scale=weight)
    pipeline.unload_lora_weights()
    expected = pipeline.unet.state_dict()
    found, before = weights(model, "unet"), weights(plain, "unet")
    assert all(torch.equal(found[name], expected[name]) for name in before)
    assert not torch.equal(found[f"{LORA_MODULE}.weight"], before[f"{LORA_MODULE}.weight"])
    assert model.fingerprint != plain.fingerprint


def test_a_check_compares_with_the_same_parts(repositories: dict[str, Path], sd15_folder: Path) -> None:
    tuning = Tuning(loras=(Lora(str(repositories[LORA])),))
    half = load_model(sd15_folder, "cpu", dtype="bfloat16", tuning=tuning)
    reference = _reference(half)
    full = load(sd15_folder, loras=tuning.loras)
    name = f"{LORA_MODULE}.weight"
    assert torch.equal(weights(reference, "unet")[name], weights(full, "unet")[name])


def test_several_loras_add_up(repositories: dict[str, Path], sd15_folder: Path) -> None:
    source = str(repositories[LORA] / "pytorch_lora_weights.safetensors")
    name = f"{LORA_MODULE}.weight"
    plain, once, twice = (
        weights(load(sd15_folder, loras=loras), "unet")[name]
        for loras in ((), (Lora(source),), (Lora(str(repositories[LORA]), None, 0.5), Lora(source, None, 1.5)))
    )
    assert torch.allclose(twice - plain, 2 * (once - plain), atol=1e-6)


def test_a_lora_of_another_model_is_refused(sd15_folder: Path, tmp_path: Path) -> None:
    file = tmp_path / "wide.safetensors"
    name = "lora_unet_" + LORA_MODULE.replace(".", "_")
    save_file({f"{name}.lora_down.weight": torch.ones(2, 99), f"{name}.lora_up.weight": torch.ones(99, 2)}, file)
    with pytest.raises(ModelFilesError, match=r"LoRA.*wide\.safetensors"):
        load(sd15_folder, loras=(Lora(str(file)),))


def test_sources_that_do_not_exist_are_named(cache: Path, sd15_folder: Path, tmp_path: Path) -> None:
    with pytest.raises(UnknownModelError, match=r"no LoRA at nowhere\.safetensors"):
        load(sd15_folder, loras=(Lora("nowhere.safetensors"),))
    with pytest.raises(MissingModelError, match="fetch it"):
        load(sd15_folder, loras=(Lora("someone/lora"),))
    with pytest.raises(UnknownModelError, match=r"no autoencoder at \./vae"):
        load(sd15_folder, vae="./vae")
    with pytest.raises(ModelFilesError, match="has no autoencoder"):
        load(sd15_folder, vae=str(tmp_path))
    (tmp_path / "a.safetensors").touch()
    (tmp_path / "b.safetensors").touch()
    with pytest.raises(ModelFilesError, match=r"name one, as in .*a\.safetensors"):
        load(sd15_folder, loras=(Lora(str(tmp_path)),))


def test_another_autoencoder(
    cache: Path, repositories: dict[str, Path], sd15_folder: Path, parts: dict[str, Any], tmp_path: Path
) -> None:
    fill_cache(cache, {hub_id: repositories[hub_id] for hub_id in (TAESD, BASE)})
    assert isinstance(load(sd15_folder, vae=TAESD).vae, AutoencoderTiny)
    state = parts["vae"].state_dict()
    original = {name: value.contiguous() for name, value in write_vae(state, 4).items()}
    save_file(original, tmp_path / "kl.safetensors")
    shutil.copytree(repositories[BASE] / "vae", tmp_path / "folder" / "vae")
    for source, expected in (
        (tmp_path / "kl.safetensors", state),
        (tmp_path / "folder", load_file(repositories[BASE] / "vae" / "diffusion_pytorch_model.safetensors")),
    ):
        found = weights(load(sd15_folder, vae=str(source)), "vae")
        assert all(torch.equal(found[name], value) for name, value in expected.items())


def test_canny_adapters_get_thin_lines(sd15_folder: Path, tmp_path: Path) -> None:
    assert load(sd15_folder).line_width == 1
    sketch = Path(shutil.copytree(sd15_folder, tmp_path / "sketch"))
    (sketch / "t2iadapter_canny").rename(sketch / "t2iadapter_sketch")
    model = load(sketch)
    assert model.line_width is None
    assert Condition.EDGES in model.adapters
