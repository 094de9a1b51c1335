import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from layercast_common.errors import ModelFilesError
from receiver.rendering.model_files.recognition import family_of, recognise
from receiver.rendering.model_files.registry import REGISTRY

SD: dict[str, Any] = {"sample_size": 64, "block_out_channels": [320, 640, 1280, 1280], "cross_attention_dim": 768}
XL: dict[str, Any] = {
    "sample_size": 128,
    "block_out_channels": [320, 640, 1280],
    "cross_attention_dim": 2048,
    "addition_embed_type": "text_time",
}
EULER = {"_class_name": "EulerDiscreteScheduler", "timestep_spacing": "leading"}
TRAILING = {**EULER, "timestep_spacing": "trailing"}
TURBO_XL = {"_class_name": "EulerAncestralDiscreteScheduler", "timestep_spacing": "trailing"}
PNDM = {"_class_name": "PNDMScheduler"}
ZERO_SNR = {**TRAILING, "prediction_type": "v_prediction", "rescale_betas_zero_snr": True}


def write(folder: Path, unet: dict[str, Any], scheduler: dict[str, Any]) -> dict[str, Path]:
    configs = {
        "unet/config.json": unet,
        "vae/config.json": {"block_out_channels": [128, 256, 512, 512]},
        "scheduler/scheduler_config.json": scheduler,
    }
    for name, config in configs.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(json.dumps(config))
    return {part: folder / part for part in ("unet", "vae", "scheduler")}


@pytest.mark.parametrize(
    ("name", "unet", "scheduler", "steps", "guidance", "solver", "reason"),
    [
        ("dreamshaper-8", SD, PNDM, 20, 7.5, "dpm++", "Stable Diffusion 1 or 2"),
        ("a/juggernaut", XL, EULER, 20, 5.0, "dpm++", "Stable Diffusion XL"),
        ("folder", SD, TRAILING, 4, 1.0, "trailing", "trailing timesteps"),
        ("folder", XL, TURBO_XL, 4, 1.0, "trailing", "trailing timesteps"),
        ("noob-vpred", XL, ZERO_SNR, 20, 5.0, "dpm++", "Stable Diffusion XL"),
        ("folder", SD, {"_class_name": "LCMScheduler"}, 4, 1.0, "lcm", "LCMScheduler"),
        ("folder", XL, {"_class_name": "TCDScheduler"}, 4, 1.0, "ddim", "TCDScheduler"),
        ("Lykon/dreamshaper-xl-lightning", XL, EULER, 4, 1.0, "trailing", "'lightning' in its name"),
        ("x/realvisxlV40_v40LightningBakedvae.safetensors", XL, EULER, 4, 1.0, "trailing", "'lightning'"),
        ("DreamShaperXLTurbo", XL, EULER, 4, 1.0, "trailing", "'turbo'"),
        ("models/Hyper-Dream-8steps", SD, PNDM, 8, 1.0, "ddim", "'hyper'"),
        ("hyper-realistic-v2", SD, PNDM, 20, 7.5, "dpm++", "Stable Diffusion 1 or 2"),
        ("hyperrealism", SD, PNDM, 20, 7.5, "dpm++", "Stable Diffusion 1 or 2"),
        ("LCM_Dreamshaper_v7", {**SD, "time_cond_proj_dim": 256}, PNDM, 4, 8.5, "lcm", "embeds the guidance scale"),
    ],
)
def test_models_are_recognised_by_configs_and_names(
    tmp_path: Path,
    name: str,
    unet: dict[str, Any],
    scheduler: dict[str, Any],
    *,
    steps: int,
    guidance: float,
    solver: str,
    reason: str,
) -> None:
    found = recognise(name, write(tmp_path, unet, scheduler))
    settings = found.settings
    assert (settings.steps, settings.guidance, settings.solver) == (steps, guidance, solver)
    assert settings.native == unet["sample_size"] * 8
    assert all(0 < step < steps for step in settings.previews)
    assert reason in found.reason


def test_an_unreadable_config_is_named(tmp_path: Path) -> None:
    parts = write(tmp_path, SD, PNDM)
    (tmp_path / "scheduler" / "scheduler_config.json").write_text("[]")
    with pytest.raises(ModelFilesError, match=r"scheduler_config\.json"):
        recognise("x", parts)


@pytest.mark.parametrize(("unet", "family"), [(SD, "sd15"), (XL, "sdxl"), ({**SD, "cross_attention_dim": 1024}, None)])
def test_models_that_are_alike_share_adapters(tmp_path: Path, unet: dict[str, Any], family: str | None) -> None:
    write(tmp_path, unet, PNDM)
    assert family_of(tmp_path) == (REGISTRY[family] if family else None)


def test_every_registered_model_of_few_steps_has_previews_before_its_end() -> None:
    for name, entry in REGISTRY.items():
        assert entry.settings is not None
        assert all(0 < step < entry.settings.steps for step in entry.settings.previews), name
        assert entry.licence, name
        assert replace(entry, about="") != entry
