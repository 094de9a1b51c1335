"""The registry: models that are known by name. Loads no torch."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from receiver.rendering.settings.additions import Lora
from receiver.rendering.settings.policies import load_limits
from receiver.rendering.settings.settings import (
    Condition,
    RenderSettings,
    Solver,
    consistency_settings,
    diffusion_settings,
    few_step_settings,
    flow_settings,
    transformer_settings,
    turbo_settings,
    xl_settings,
)

#: Folder of the embedded model.
MINI_FOLDER = Path(__file__).parents[1] / "weights" / "mini"


@dataclass(frozen=True, slots=True, kw_only=True)
class RegistryEntry:
    """A registered model.

    Attributes:
        about: a description in one line.
        settings: the render settings; None to infer them from the configs.
        base: hub id or folder of the model, or a checkpoint: one file with all parts.
        reason: why a model is taken for what it is, in one line; empty for registered names.
        licence: the licences of the weights, base first; empty if unknown.
        aliases: other hub ids of the same weights.
        adapters: hub ids of the adapters for each condition, best first; only the first is fetched.
        controlnets: hub ids of the ControlNets for each condition; a file's path in the repository may follow.
        revision: the requested revision of the base on the hub; None for the cached one.
        vae: hub id, folder or file of an autoencoder that replaces the base's.
        preview_vae: hub id of a faster autoencoder, for previews only.
        loras: LoRAs to add to the weights.
    """

    about: str
    settings: RenderSettings | None
    base: str | Path
    reason: str = ""
    licence: str = ""
    aliases: tuple[str, ...] = ()
    adapters: Mapping[Condition, tuple[str, ...]] = field(default_factory=dict)
    controlnets: Mapping[Condition, str] = field(default_factory=dict)
    revision: str | None = None
    vae: str | None = None
    preview_vae: str | None = None
    loras: tuple[Lora, ...] = ()


SD15 = "stable-diffusion-v1-5/stable-diffusion-v1-5"
SDXL = "stabilityai/stable-diffusion-xl-base-1.0"

#: T2I-Adapters for Stable Diffusion 1.5 and the models derived from it.
SD15_ADAPTERS: Mapping[Condition, tuple[str, ...]] = {
    Condition.EDGES: ("TencentARC/t2iadapter_canny_sd15v2", "TencentARC/t2iadapter_sketch_sd15v2"),
    Condition.COLORS: ("TencentARC/t2iadapter_color_sd14v1",),
    Condition.SKELETON: ("TencentARC/t2iadapter_openpose_sd14v1",),
}

#: T2I-Adapters for Stable Diffusion XL and the models derived from it.
SDXL_ADAPTERS: Mapping[Condition, tuple[str, ...]] = {
    Condition.EDGES: ("TencentARC/t2i-adapter-canny-sdxl-1.0",),
    Condition.SKELETON: ("TencentARC/t2i-adapter-openpose-sdxl-1.0",),
}

#: Adapters by the widths of a UNet's levels and the width of its text embeddings.
ADAPTERS_BY_WIDTHS: Mapping[tuple[tuple[int, ...], int], Mapping[Condition, tuple[str, ...]]] = {
    ((320, 640, 1280, 1280), 768): SD15_ADAPTERS,
    ((320, 640, 1280), 2048): SDXL_ADAPTERS,
}

#: Thickness of lines in pixels for adapters and ControlNets by a word in their names, as in their training pictures:
#: Canny's detector gives lines of one pixel. For others, such as sketches, lines are as thick as for `mini`.
LINE_WIDTHS: Mapping[str, int] = {"canny": 1}

_SD15_MODEL = RegistryEntry(
    about="Stable Diffusion 1.5 with T2I-Adapters, 20 steps",
    settings=diffusion_settings(512),
    base=SD15,
    licence="CreativeML OpenRAIL-M; adapters Apache-2.0",
    aliases=("runwayml/stable-diffusion-v1-5", "sd-legacy/stable-diffusion-v1-5"),
    adapters=SD15_ADAPTERS,
    preview_vae="madebyollin/taesd",
)

_SDXL_MODEL = RegistryEntry(
    about="Stable Diffusion XL with T2I-Adapters for edges and poses, 20 steps",
    settings=xl_settings(1024),
    base=SDXL,
    licence="CreativeML OpenRAIL++-M; adapters Apache-2.0",
    adapters=SDXL_ADAPTERS,
    vae="madebyollin/sdxl-vae-fp16-fix",
    preview_vae="madebyollin/taesdxl",
)


def _distilled(model: RegistryEntry, maker: str, lora: Lora, steps: int, solver: Solver, licence: str) -> RegistryEntry:
    """Return a model with a LoRA that was trained for one number of steps."""
    assert model.settings is not None
    name = "Stable Diffusion 1.5" if model is _SD15_MODEL else "Stable Diffusion XL"
    return replace(
        model,
        about=f"{name} with {maker}, {steps} step{'s' if steps > 1 else ''}",
        settings=few_step_settings(model.settings, steps, solver),
        licence=f"{model.licence}; LoRA {licence}",
        aliases=(),
        loras=(lora,),
    )


def _hyper(model: RegistryEntry, kind: str, steps: int) -> RegistryEntry:
    file = f"Hyper-{kind}-{steps}step{'s' if steps > 1 else ''}-lora.safetensors"
    return _distilled(
        model, "Hyper-SD", Lora("ByteDance/Hyper-SD", file), steps, "ddim", "of ByteDance/Hyper-SD (LICENSE.md)"
    )


def _lightning(steps: int) -> RegistryEntry:
    lora = Lora("ByteDance/SDXL-Lightning", f"sdxl_lightning_{steps}step_lora.safetensors")
    return _distilled(_SDXL_MODEL, "SDXL-Lightning", lora, steps, "trailing", "CreativeML OpenRAIL++-M")


REGISTRY: Mapping[str, RegistryEntry] = {
    "mini": RegistryEntry(
        about="embedded: small, runs on two CPU cores, ships with layercast",
        settings=replace(flow_settings(256), arrivals=load_limits("mini")),
        base=MINI_FOLDER,
        licence="that of layercast",
    ),
    "sd15": _SD15_MODEL,
    "sd15-lcm": replace(
        _SD15_MODEL,
        about="Stable Diffusion 1.5 with LCM-LoRA, T2I-Adapters and TAESD, 4 steps",
        settings=consistency_settings(512),
        aliases=(),
        vae="madebyollin/taesd",
        preview_vae=None,
        loras=(Lora("latent-consistency/lcm-lora-sdv1-5"),),
        licence="CreativeML OpenRAIL-M; adapters Apache-2.0; LoRA CreativeML OpenRAIL++-M",
    ),
    "sd15-controlnet": replace(
        _SD15_MODEL,
        about="Stable Diffusion 1.5 with ControlNets for edges and poses, 20 steps",
        aliases=(),
        licence="CreativeML OpenRAIL-M; ControlNets OpenRAIL; adapter Apache-2.0",
        adapters={Condition.COLORS: SD15_ADAPTERS[Condition.COLORS]},
        controlnets={
            Condition.EDGES: "lllyasviel/control_v11p_sd15_canny",
            Condition.SKELETON: "lllyasviel/control_v11p_sd15_openpose",
        },
    ),
    **{f"sd15-hyper{steps}": _hyper(_SD15_MODEL, "SD15", steps) for steps in (1, 2, 4, 8)},
    "sd15-pcm": _distilled(
        _SD15_MODEL,
        "PCM",
        Lora("wangfuyun/PCM_Weights", "sd15/pcm_sd15_smallcfg_4step_converted.safetensors"),
        4,
        "ddim",
        "Apache-2.0",
    ),
    "sd15-tile": RegistryEntry(
        about="Stable Diffusion 1.5 with the tile ControlNet, for pictures sent as bit planes, 20 steps",
        settings=diffusion_settings(512),
        base=SD15,
        controlnets={Condition.TILE: "lllyasviel/control_v11f1e_sd15_tile"},
        preview_vae="madebyollin/taesd",
        licence="CreativeML OpenRAIL-M; ControlNet OpenRAIL",
    ),
    "sd-turbo": RegistryEntry(
        about="Stable Diffusion 2.1 distilled to at most 4 steps; prompt and colours only",
        settings=turbo_settings(512),
        base="stabilityai/sd-turbo",
        licence="Stability AI Community License",
        preview_vae="madebyollin/taesd",
    ),
    "sdxl": _SDXL_MODEL,
    "sdxl-lcm": _distilled(
        _SDXL_MODEL, "LCM-LoRA", Lora("latent-consistency/lcm-lora-sdxl"), 4, "lcm", "CreativeML OpenRAIL++-M"
    ),
    **{f"sdxl-hyper{steps}": _hyper(_SDXL_MODEL, "SDXL", steps) for steps in (1, 2, 4, 8)},
    **{f"sdxl-lightning{steps}": _lightning(steps) for steps in (2, 4, 8)},
    "z-image": RegistryEntry(
        about="Z-Image-Turbo, a diffusion transformer, with a union ControlNet for edges and poses, 8 steps",
        settings=transformer_settings(1024),
        base="Tongyi-MAI/Z-Image-Turbo",
        licence="Apache-2.0; ControlNet Apache-2.0",
        controlnets={
            Condition.EDGES: "alibaba-pai/Z-Image-Turbo-Fun-Controlnet-Union/"
            "Z-Image-Turbo-Fun-Controlnet-Union.safetensors"
        },
    ),
}
