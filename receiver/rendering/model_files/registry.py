"""The registry: models that are known by name. Loads no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from layercast_common.errors import UnknownModelError
from receiver.rendering.model_files.fingerprint import split_revision
from receiver.rendering.settings.policies import load_limits
from receiver.rendering.settings.settings import (
    Condition,
    RenderSettings,
    consistency_settings,
    diffusion_settings,
    flow_settings,
    turbo_settings,
    xl_settings,
)

#: Folder of the embedded model.
MINI_FOLDER = Path(__file__).parents[1] / "weights" / "mini"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """A registered model.

    Attributes:
        about: a description in one line.
        settings: the render settings; None to infer them from the configs.
        base: hub id or folder of the model.
        adapters: hub ids of the adapters for each condition, best first; only the first is fetched.
        controlnets: hub ids of the ControlNets for each condition.
        revision: the requested revision of the base on the hub; None for the cached one.
        vae: hub id of an autoencoder that replaces the base's.
        preview_vae: hub id of a faster autoencoder, for previews only.
        lora: hub id of a LoRA to fuse into the UNet.
    """

    about: str
    settings: RenderSettings | None
    base: str | Path
    adapters: Mapping[Condition, tuple[str, ...]] = field(default_factory=dict)
    controlnets: Mapping[Condition, str] = field(default_factory=dict)
    revision: str | None = None
    vae: str | None = None
    preview_vae: str | None = None
    lora: str | None = None


_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"

#: T2I-Adapters for Stable Diffusion 1.5 and the models derived from it.
SD15_ADAPTERS: Mapping[Condition, tuple[str, ...]] = {
    Condition.EDGES: ("TencentARC/t2iadapter_canny_sd15v2", "TencentARC/t2iadapter_sketch_sd15v2"),
    Condition.COLORS: ("TencentARC/t2iadapter_color_sd14v1",),
    Condition.SKELETON: ("TencentARC/t2iadapter_openpose_sd14v1",),
}

REGISTRY: Mapping[str, RegistryEntry] = {
    "mini": RegistryEntry(
        about="embedded: small, runs on two CPU cores, ships with layercast",
        settings=replace(flow_settings(256), arrivals=load_limits("mini")),
        base=MINI_FOLDER,
    ),
    "sd15": RegistryEntry(
        about="Stable Diffusion 1.5 with T2I-Adapters, 20 steps",
        settings=diffusion_settings(512),
        base=_SD15,
        adapters=SD15_ADAPTERS,
        preview_vae="madebyollin/taesd",
    ),
    "sd15-lcm": RegistryEntry(
        about="Stable Diffusion 1.5 with LCM-LoRA, T2I-Adapters and TAESD, 4 steps",
        settings=consistency_settings(512),
        base=_SD15,
        adapters=SD15_ADAPTERS,
        vae="madebyollin/taesd",
        lora="latent-consistency/lcm-lora-sdv1-5",
    ),
    "sd15-controlnet": RegistryEntry(
        about="Stable Diffusion 1.5 with ControlNets for edges and poses, 20 steps",
        settings=diffusion_settings(512),
        base=_SD15,
        adapters={Condition.COLORS: SD15_ADAPTERS[Condition.COLORS]},
        controlnets={
            Condition.EDGES: "lllyasviel/control_v11p_sd15_canny",
            Condition.SKELETON: "lllyasviel/control_v11p_sd15_openpose",
        },
        preview_vae="madebyollin/taesd",
    ),
    "sd15-tile": RegistryEntry(
        about="Stable Diffusion 1.5 with the tile ControlNet, for pictures sent as bit planes, 20 steps",
        settings=diffusion_settings(512),
        base=_SD15,
        controlnets={Condition.TILE: "lllyasviel/control_v11f1e_sd15_tile"},
        preview_vae="madebyollin/taesd",
    ),
    "sd-turbo": RegistryEntry(
        about="Stable Diffusion 2.1 distilled to at most 4 steps; prompt and colours only",
        settings=turbo_settings(512),
        base="stabilityai/sd-turbo",
        preview_vae="madebyollin/taesd",
    ),
    "sdxl": RegistryEntry(
        about="Stable Diffusion XL with T2I-Adapters for edges and poses, 20 steps",
        settings=xl_settings(1024),
        base="stabilityai/stable-diffusion-xl-base-1.0",
        adapters={
            Condition.EDGES: ("TencentARC/t2i-adapter-canny-sdxl-1.0",),
            Condition.SKELETON: ("TencentARC/t2i-adapter-openpose-sdxl-1.0",),
        },
        vae="madebyollin/sdxl-vae-fp16-fix",
        preview_vae="madebyollin/taesdxl",
    ),
}


def find_entry(name: str | Path) -> RegistryEntry:
    """Return the entry of a registered name, or a new entry for a local folder or a hub id.

    Args:
        name: a registered name, a folder, or a hub id; "@" and a revision may follow names and hub ids.

    Raises:
        UnknownModelError: the name is none of these.
    """
    if isinstance(name, str) and name in REGISTRY:
        return REGISTRY[name]
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return RegistryEntry(about="local folder", settings=None, base=folder)
    plain, revision = split_revision(str(name))
    if plain in REGISTRY:
        return replace(REGISTRY[plain], revision=revision)
    if isinstance(name, str) and _HUB_ID.fullmatch(plain):
        return RegistryEntry(about="hub model", settings=None, base=plain, revision=revision)
    known = ", ".join(REGISTRY)
    raise UnknownModelError(
        f"no model is called {str(name)!r}; use one of {known}, a local folder, or a hub id OWNER/NAME"
    )
