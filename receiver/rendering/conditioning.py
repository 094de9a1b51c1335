"""Priors -> what the UNet is steered by: text embeddings, and the adapters' features.

    semantic  -> tokenizer -> text encoder ------------------> text
    structure -> drawn at render size -> edge adapter  --+
    texture   -> drawn at render size -> colour adapter -+-sum-> features
    skeleton  -> drawn at render size -> pose adapter  --+

Each is worked out once per prior, not per step (T2I-Adapter, arXiv 2302.08453, section 3.2).
"""

from collections.abc import Hashable
from dataclasses import dataclass
from functools import lru_cache, partial
from itertools import zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.layers import EdgeMap, Layer, Priors, Size, Skeleton
from receiver.rendering.guidance import color_latents
from receiver.rendering.models import Model
from receiver.rendering.poses import draw_pose
from receiver.rendering.settings import Condition

#: Prompts whose embeddings are kept.
TEXT_CACHE = 64

#: Conditions whose features are kept; about 5 MB each for Stable Diffusion 1.5 at 512x512.
FEATURE_CACHE = 32


@dataclass(frozen=True, eq=False, slots=True)
class Conditions:
    """What steers a run.

    Attributes:
        layers: the layers that this was made from.
        text: (1, tokens, width) embeddings of the prompt.
        negative: the same of the negative prompt, or None if the model runs without guidance.
        features: the adapters' summed features, one (1, C, h, w) tensor per level; None without any.
        colors: (1, C, rows, columns) the low band that the picture is pulled to; None where it is not.
    """

    layers: frozenset[Layer]
    text: Tensor
    negative: Tensor | None
    features: tuple[Tensor, ...] | None
    colors: Tensor | None = None


def render_size(canvas: Size, native: int, multiple: int) -> Size:
    """(width, height) to render a canvas at: its long side at the model's native size, both sides fit for the model."""
    scale = native / max(canvas)
    width, height = (max(1, round(side * scale / multiple)) * multiple for side in canvas)
    return width, height


class Conditioner:
    """Makes one model's conditions, and remembers what it made."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._encode_text = lru_cache(TEXT_CACHE)(self._encode_text_anew)
        self._encode_colors = lru_cache(FEATURE_CACHE)(partial(color_latents, model))
        self._run_adapter = lru_cache(FEATURE_CACHE)(self._run_adapter_anew)

    @property
    def _pulls_colors(self) -> bool:
        return self._model.settings.color_pull > 0 and Condition.COLORS not in self._model.adapters

    def size(self, canvas: Size) -> Size:
        """(width, height) that a canvas is rendered at."""
        return render_size(canvas, self._model.settings.native, self._model.size_multiple)

    @torch.inference_mode()
    def prepare(self, priors: Priors) -> Conditions:
        """Make the conditions of whatever layers there are; none at all is fine, too."""
        settings = self._model.settings
        size = self.size(priors.canvas)
        features: tuple[Tensor, ...] | None = None
        for condition, prior in self._choose_priors(priors):
            more = self._run_adapter(condition, prior, size)
            features = more if features is None else _add(features, more)
        return Conditions(
            layers=priors.layers,
            text=self._encode_text(priors.semantic.prompt if priors.semantic else ""),
            negative=self._encode_text(settings.negative_prompt) if settings.guidance > 1 else None,
            features=features,
            colors=self._encode_colors(priors.texture, size) if priors.texture and self._pulls_colors else None,
        )

    def _choose_priors(self, priors: Priors) -> list[tuple[Condition, Hashable]]:
        """Which prior goes to which adapter; a pose goes to the edge adapter where there is none for poses."""
        structure, skeleton = priors.structure, priors.skeleton
        if isinstance(structure, Skeleton):
            structure, skeleton = None, structure
        lines: tuple[EdgeMap | Skeleton, ...] = (structure,) if structure else ()
        pose = None
        if skeleton and Condition.SKELETON in self._model.adapters:
            pose = skeleton
        elif skeleton:
            lines += (skeleton,)
        wanted: dict[Condition, Hashable] = {
            Condition.EDGES: lines or None,
            Condition.COLORS: priors.texture,
            Condition.SKELETON: pose,
        }
        adapters = self._model.adapters
        return [(condition, prior) for condition, prior in wanted.items() if prior and condition in adapters]

    def _encode_text_anew(self, prompt: str) -> Tensor:
        tokenizer = self._model.tokenizer
        tokens = tokenizer(
            prompt,
            padding="max_length",
            max_length=tokenizer.model_max_length,
            truncation=True,
            return_tensors="pt",
        )
        return torch.as_tensor(self._model.text_encoder(tokens.input_ids.to(self._model.device))[0])

    def _run_adapter_anew(self, condition: Condition, prior: Hashable, size: Size) -> tuple[Tensor, ...]:
        adapter, weight = self._model.adapters[condition], self._model.settings.weights.get(condition, 1.0)
        picture = _fit_channels(_draw(prior, size), int(adapter.config.in_channels))
        image = torch.from_numpy(picture).to(self._model.device, self._model.dtype).permute(2, 0, 1)[None] / 255
        return tuple(feature * weight for feature in adapter(image))


def _draw(prior: object, size: Size) -> NDArray[np.uint8]:
    if isinstance(prior, tuple):
        return np.asarray(np.maximum.reduce([lines.to_image(size) for lines in prior]), np.uint8)
    if isinstance(prior, Skeleton):
        return draw_pose(prior, size)
    drawn: NDArray[np.uint8] = prior.to_image(size)  # type: ignore[attr-defined]
    return drawn


def _fit_channels(picture: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """(H, W) or (H, W, 3) -> (H, W, channels), for adapters that want one channel and those that want three."""
    if picture.ndim == 2:
        return np.repeat(picture[:, :, None], channels, axis=2)
    return picture if channels == 3 else picture.mean(axis=2, keepdims=True).astype(np.uint8)


def _add(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Sum level by level; a light adapter may have one level more, beyond what the UNet takes."""
    pairs = zip_longest(first, second)
    return tuple(a + b if a is not None and b is not None else (a if b is None else b) for a, b in pairs)
