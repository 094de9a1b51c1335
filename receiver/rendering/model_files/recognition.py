"""Recognise an unregistered model by its configs and its name: which settings fit, and why. Loads no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from layercast_common.errors import ModelFilesError
from layercast_common.nested_text import parse_json
from receiver.rendering.model_files.adapters import own_adapters, own_folders
from receiver.rendering.model_files.registry import ADAPTERS_BY_WIDTHS, REGISTRY, SD15_ADAPTERS, RegistryEntry
from receiver.rendering.settings.settings import (
    RenderSettings,
    Solver,
    consistency_settings,
    diffusion_settings,
    few_step_settings,
    flow_settings,
    transformer_settings,
    xl_settings,
)

#: Words in names of models that were distilled to few steps, and the scheduler that each was distilled for.
DISTILLED: Mapping[str, Solver] = {
    "turbo": "trailing",
    "lightning": "trailing",
    "lcm": "lcm",
    "hyper": "ddim",
    "tcd": "ddim",
    "pcm": "ddim",
}
_WORDS = re.compile(rf"(?<![a-z])({'|'.join(DISTILLED)})(?![a-z])(?![-_ ]?real)", re.IGNORECASE)
_HUMP = re.compile(r"(?<=[a-z])(?=[A-Z])|(?<=XL)(?=[A-Z])")
_STEPS = re.compile(r"(?<!\d)([1-8])[-_ ]?steps?", re.IGNORECASE)

#: Usual number of steps of a distilled model whose name has none.
_FEW = 4

#: Scale that a UNet with an embedded guidance scale was trained for (arXiv 2310.04378), as in diffusers' pipeline.
_EMBEDDED_GUIDANCE = 8.5


@dataclass(frozen=True, slots=True, kw_only=True)
class Recognised:
    """What a model was recognised as.

    Attributes:
        settings: the settings that fit.
        reason: why, in one line.
    """

    settings: RenderSettings
    reason: str


def read_config(folder: Path, part: str, name: str = "config.json") -> dict[str, Any]:
    """Read a part's config.

    Raises:
        ModelFilesError: it is no JSON object.
    """
    try:
        found = parse_json((folder / name).read_bytes())
    except (OSError, ValueError) as error:
        raise ModelFilesError(f"the model's {part} in {folder} has no readable {name}") from error
    if not isinstance(found, dict):
        raise ModelFilesError(f"the model's {part} in {folder} has no readable {name}")
    return found


def recognise(name: str, parts: Mapping[str, Path]) -> Recognised:
    """Infer the settings of an unregistered model.

    Args:
        name: the name or path that it was requested by.
        parts: folder of each part.

    Raises:
        ModelFilesError: a config cannot be read.
    """
    scheduler = read_config(parts["scheduler"], "scheduler", "scheduler_config.json")
    levels = read_config(parts["vae"], "vae").get("block_out_channels") or [0] * 4
    if "transformer" in parts:
        kind = str(read_config(parts["transformer"], "transformer").get("_class_name"))
        return Recognised(settings=transformer_settings(1024), reason=f"its transformer is a {kind}")
    unet = read_config(parts["unet"], "unet")
    sample = unet.get("sample_size") or 64
    side = max(sample) if isinstance(sample, list) else int(sample)
    return _by_configs(name, unet, scheduler, side * 2 ** (len(levels) - 1))


def _by_configs(name: str, unet: dict[str, Any], scheduler: dict[str, Any], native: int) -> Recognised:
    kind = str(scheduler.get("_class_name", ""))
    large = unet.get("addition_embed_type") == "text_time"
    full = xl_settings(native) if large else diffusion_settings(native)
    family = f"its UNet is that of Stable Diffusion {'XL' if large else '1 or 2'}"
    if scheduler.get("use_flow_sigmas") or kind.startswith("FlowMatch"):
        return Recognised(settings=flow_settings(native), reason=f"its scheduler, {kind}, is one of flow matching")
    if unet.get("time_cond_proj_dim"):
        settings = replace(consistency_settings(native), guidance=_EMBEDDED_GUIDANCE)
        reason = f"{family}, and it embeds the guidance scale: a latent consistency model"
        return Recognised(settings=settings, reason=reason)
    if kind in ("LCMScheduler", "TCDScheduler"):
        settings = few_step_settings(full, _FEW, "lcm" if kind.startswith("LCM") else "ddim")
        return Recognised(settings=settings, reason=f"{family}; its scheduler, {kind}, is one for few steps")
    last = _HUMP.sub("-", Path(name).name)
    if match := _WORDS.search(last):
        word = match[0].lower()
        steps = int(found[1]) if (found := _STEPS.search(last)) else _FEW
        reason = f"{family}; {word!r} in its name says that it was distilled to few steps"
        return Recognised(settings=few_step_settings(full, steps, DISTILLED[word]), reason=reason)
    epsilon = scheduler.get("prediction_type", "epsilon") == "epsilon" and not scheduler.get("rescale_betas_zero_snr")
    if kind.startswith("Euler") and scheduler.get("timestep_spacing") == "trailing" and epsilon:
        settings = few_step_settings(full, _FEW, "trailing")
        return Recognised(settings=settings, reason=f"{family}; {kind} with trailing timesteps: distilled to few steps")
    return Recognised(settings=full, reason=family)


def family_of(base: Path) -> RegistryEntry | None:
    """Return the registered model whose adapters fit an unregistered model without any: its UNet is alike."""
    try:
        unet = parse_json((base / "unet" / "config.json").read_bytes())
        widths = (tuple(unet["block_out_channels"]), unet["cross_attention_dim"])
    except (OSError, ValueError, LookupError, TypeError):
        return None
    adapters = ADAPTERS_BY_WIDTHS.get(widths)
    if not adapters or own_adapters(base) or own_folders(base, "controlnet"):
        return None
    return REGISTRY["sd15" if adapters is SD15_ADAPTERS else "sdxl"]


def zeroes_empty_prompts(base: Path) -> bool:
    """Return whether a model with two text encoders replaces an empty negative prompt by zeros."""
    try:
        index = parse_json((base / "model_index.json").read_bytes())
        return bool(index.get("force_zeros_for_empty_prompt", True))
    except (OSError, ValueError, AttributeError):
        return True
