"""A user's changes to a model: settings, LoRAs and another autoencoder."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from layercast_common.errors import UsageError
from receiver.rendering.settings.additions import Lora
from receiver.rendering.settings.settings import Condition, RenderSettings
from receiver.rendering.settings.start_plan import StartPlan

#: Largest useful values; beyond them pictures fall apart.
MAX_GUIDANCE = 30.0
MAX_WEIGHT = 2.0

#: Most layers of a text encoder that may be left out.
MAX_CLIP_SKIP = 11

#: Most LoRAs of one model.
MAX_LORAS = 16


@dataclass(frozen=True, slots=True, kw_only=True)
class Tuning:
    """A user's changes to a model; None, or a condition without a weight, keeps the model's own value.

    Attributes:
        guidance: scale of classifier-free guidance, 0 to `MAX_GUIDANCE`; 1 turns it off.
        negative_prompt: the prompt that guidance steers away from.
        weights: factors of single conditions, 0 to `MAX_WEIGHT`.
        clip_skip: layers of the text encoders to leave out, 0 to `MAX_CLIP_SKIP`.
        guidance_rescale: see `RenderSettings`, 0 to 1.
        adapter_conditioning_factor: see `RenderSettings`, 0 to 1.
        start_strength: share of the steps that are done if a picture is there to begin from, above 0 and at most 1; 1
            always begins from noise.
        loras: LoRAs to add to the weights, at most `MAX_LORAS`.
        vae: hub id, folder or file of an autoencoder that replaces the model's.
    """

    guidance: float | None = None
    negative_prompt: str | None = None
    weights: Mapping[Condition, float] = field(default_factory=dict)
    clip_skip: int | None = None
    guidance_rescale: float | None = None
    adapter_conditioning_factor: float | None = None
    start_strength: float | None = None
    loras: tuple[Lora, ...] = ()
    vae: str | None = None

    def apply(self, settings: RenderSettings) -> RenderSettings:
        """Return the settings with these changes.

        Raises:
            UsageError: a number outside its range.
        """
        _check("guidance", self.guidance, MAX_GUIDANCE)
        _check("clip skip", self.clip_skip, MAX_CLIP_SKIP)
        _check("guidance rescale", self.guidance_rescale, 1.0)
        _check("the adapter conditioning factor", self.adapter_conditioning_factor, 1.0)
        for weight in self.weights.values():
            _check("a condition's weight", weight, MAX_WEIGHT)
        if len(self.loras) > MAX_LORAS:
            raise UsageError(f"a model takes at most {MAX_LORAS} LoRAs, not {len(self.loras)}")
        numbers = ("guidance", "negative_prompt", "clip_skip", "guidance_rescale", "adapter_conditioning_factor")
        changed = {name: value for name in numbers if (value := getattr(self, name)) is not None}
        if self.start_strength is not None:
            changed["starts"] = StartPlan.constant(self.start_strength)
        return replace(settings, weights={**settings.weights, **self.weights}, **changed)


def _check(what: str, value: float | None, most: float) -> None:
    if value is not None and not 0 <= value <= most:
        raise UsageError(f"{what} is a number from 0 to {most:g}, not {value:g}")
