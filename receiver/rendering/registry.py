"""The models that are known by name. Loads no torch."""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from layercast_errors import UnknownModelError
from receiver.rendering.settings import (
    Condition,
    RenderSettings,
    consistency_settings,
    diffusion_settings,
    flow_settings,
)

#: Folder of the embedded model.
MINI_FOLDER = Path(__file__).parent / "weights" / "mini"

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[\w.-]+")


@dataclass(frozen=True, slots=True, kw_only=True)
class Entry:
    """A registered model.

    Attributes:
        about: what it is, in one line.
        settings: how it is used; None to infer it from the configs.
        base: hub id of the model, or the folder it lies in.
        adapters: hub ids of the adapters for each condition, best first; only the first is fetched.
        vae: hub id of an autoencoder in place of the base's.
        preview_vae: hub id of a faster autoencoder, for previews only.
        lora: hub id of a LoRA to fuse into the UNet.
    """

    about: str
    settings: RenderSettings | None
    base: str | Path
    adapters: Mapping[Condition, tuple[str, ...]] = field(default_factory=dict)
    vae: str | None = None
    preview_vae: str | None = None
    lora: str | None = None


_SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"

#: T2I-Adapters that fit Stable Diffusion 1.5 and the many models made from it.
SD15_ADAPTERS: Mapping[Condition, tuple[str, ...]] = {
    Condition.EDGES: ("TencentARC/t2iadapter_canny_sd15v2", "TencentARC/t2iadapter_sketch_sd15v2"),
    Condition.COLORS: ("TencentARC/t2iadapter_color_sd14v1",),
    Condition.SKELETON: ("TencentARC/t2iadapter_openpose_sd14v1",),
}

REGISTRY: Mapping[str, Entry] = {
    "mini": Entry(
        about="embedded: small, for two CPU cores, ships with layercast",
        settings=flow_settings(256),
        base=MINI_FOLDER,
    ),
    "sd15": Entry(
        about="Stable Diffusion 1.5 with T2I-Adapters, 20 steps",
        settings=diffusion_settings(512),
        base=_SD15,
        adapters=SD15_ADAPTERS,
        preview_vae="madebyollin/taesd",
    ),
    "sd15-lcm": Entry(
        about="Stable Diffusion 1.5 with LCM-LoRA, T2I-Adapters and TAESD, 4 steps",
        settings=consistency_settings(512),
        base=_SD15,
        adapters=SD15_ADAPTERS,
        vae="madebyollin/taesd",
        lora="latent-consistency/lcm-lora-sdv1-5",
    ),
}


def find_entry(name: str | Path) -> Entry:
    """The entry of a registered name, or one made up for a local folder or a hub id.

    Raises:
        UnknownModelError: it is none of these.
    """
    if isinstance(name, str) and name in REGISTRY:
        return REGISTRY[name]
    folder = Path(name).expanduser()
    if name and folder.is_dir():
        return Entry(about="local folder", settings=None, base=folder)
    if isinstance(name, str) and _HUB_ID.fullmatch(name):
        return Entry(about="hub model", settings=None, base=name)
    known = ", ".join(REGISTRY)
    raise UnknownModelError(
        f"no model is called {str(name)!r}; known are {known}, a local folder, or a hub id OWNER/NAME"
    )
