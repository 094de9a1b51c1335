"""Priors -> the UNet's conditions: text embeddings, the adapters' features, and the ControlNets' images.

    semantic  -> tokenizers -> text encoders ----------------------> text
    structure -> drawn at render size -> edge adapter  ------+
    texture   -> drawn at render size -> colour adapter -----+-sum-> features
    skeleton  -> drawn at render size -> pose adapter  ------+
              \\-> drawn at render size, for ControlNets -> controls

Each is computed once per prior, not per step (T2I-Adapter, arXiv 2302.08453, section 3.2); only ControlNets run at
every step.
"""

from collections.abc import Callable, Hashable, Mapping
from dataclasses import dataclass, field
from functools import lru_cache, partial
from itertools import zip_longest

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from codec.layers import EdgeMap, Layer, Priors, Size, Skeleton
from codec.structure.derived import derive_lines
from codec.wavelet.plane import Plane
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.guidance import color_latents
from receiver.rendering.sampling.poses import draw_pose
from receiver.rendering.sampling.prompts import EncodedPrompt, PromptEncoder
from receiver.rendering.sampling.starts import plane_band, plane_latents, plane_picture
from receiver.rendering.sampling.transformer import control_latents
from receiver.rendering.settings.settings import Condition

#: Conditions whose features are cached; about 5 MB each for Stable Diffusion 1.5 at 512x512.
FEATURE_CACHE = 32

#: Planes whose pictures are cached. An entry keeps its plane alive: 5 MB at 512x512.
PLANE_CACHE = 2


@dataclass(frozen=True, eq=False, slots=True)
class Conditioning:
    """The conditions of a run.

    Attributes:
        layers: the layers that this was made from.
        text: the encoded prompt.
        negative: the encoded negative prompt, of the same length; None if the model runs without guidance.
        features: the adapters' summed features, one (1, C, h, w) tensor per level; None if there are none.
        colors: the low band that the sample is pulled to, (1, C, rows, columns); None if it is not pulled.
        pull: how far it is pulled at each step, 0 to 1.
        plane: the latents of the received bit planes' picture, (1, C, h, w); None if they are no starting picture.
        controls: the image for each ControlNet, (1, 3, H, W) in 0 to 1; for a transformer's, its latents.
        time_ids: original size, crop and size, (1, 6), for models that take them; else None.
    """

    layers: frozenset[Layer]
    text: EncodedPrompt
    negative: EncodedPrompt | None
    features: tuple[Tensor, ...] | None
    colors: Tensor | None = None
    controls: Mapping[Condition, Tensor] = field(default_factory=dict)
    time_ids: Tensor | None = None
    pull: float = 0.0
    plane: Tensor | None = None


def render_size(canvas: Size, native: int, multiple: int) -> Size:
    """Return the (width, height) to render a canvas at, in pixels.

    Args:
        canvas: (width, height) of the picture, in pixels.
        native: the long side that the model renders best, in pixels.
        multiple: both sides become multiples of this, in pixels.
    """
    scale = native / max(canvas)
    width, height = (max(1, round(side * scale / multiple)) * multiple for side in canvas)
    return width, height


class Conditioner:
    """Makes the conditions for one model, with caches. Use it in one thread."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._prompts = PromptEncoder(model)
        self._encode_colors = lru_cache(FEATURE_CACHE)(partial(color_latents, model))
        self._run_adapter = lru_cache(FEATURE_CACHE)(self._run_adapter_uncached)
        self._draw = lru_cache(FEATURE_CACHE)(self._draw_uncached)
        self._encode_control = lru_cache(FEATURE_CACHE)(self._encode_control_uncached)
        self._encode_plane = lru_cache(PLANE_CACHE)(partial(plane_latents, model))
        self._draw_plane: Callable[[Hashable, Size], Tensor] = lru_cache(PLANE_CACHE)(self._draw_plane_uncached)
        self._derive_lines = lru_cache(PLANE_CACHE)(derive_lines)
        self._zero_features = lru_cache(FEATURE_CACHE)(self._make_zero_features)

    @property
    def _pulls_colors(self) -> bool:
        return self._model.settings.color_pull > 0 and Condition.COLORS not in self._model.adapters

    def size(self, canvas: Size) -> Size:
        """Return the (width, height) that a canvas is rendered at."""
        return render_size(canvas, self._model.settings.native, self._model.size_multiple)

    @torch.inference_mode()
    def prepare(self, priors: Priors) -> Conditioning:
        """Make the conditions for the layers in `priors`; any or all may be missing."""
        settings = self._model.settings
        size = self.size(priors.canvas)
        drawings = self._choose_priors(priors)
        text, negative = self._prompts.encode_pair(
            priors.semantic.prompt if priors.semantic else "",
            settings.negative_prompt if self._model.guides else None,
        )
        colors, pull, plane = self._low_band(priors, size)
        return Conditioning(
            layers=priors.layers,
            text=text,
            negative=negative,
            features=self._sum_features(drawings, size),
            colors=colors,
            controls=self._controls(drawings, size),
            time_ids=self._time_ids(size) if text.pooled is not None else None,
            pull=pull,
            plane=plane,
        )

    def _controls(self, drawings: list[tuple[Condition, Hashable]], size: Size) -> Mapping[Condition, Tensor]:
        drawn = {c: self._control(c, prior, size) for c, prior in drawings if c in self._model.controlnets}
        if not drawn or not self._model.is_transformer:
            return drawn
        # A union ControlNet takes one picture, whatever is drawn in it.
        shown = tuple((c, prior) for c, prior in drawings if c in drawn)
        return {Condition.EDGES: self._encode_control(shown, size)}

    def _encode_control_uncached(self, drawings: tuple[tuple[Condition, Hashable], ...], size: Size) -> Tensor:
        return control_latents(self._model, [self._draw(c, prior, size, 3) for c, prior in drawings])

    def _control(self, condition: Condition, prior: Hashable, size: Size) -> Tensor:
        return self._draw_plane(prior, size) if condition is Condition.TILE else self._draw(condition, prior, size, 3)

    def _draw_plane_uncached(self, plane: Plane, size: Size) -> Tensor:
        return self._to_tensor(plane_picture(plane, size))

    def _low_band(self, priors: Priors, size: Size) -> tuple[Tensor | None, float, Tensor | None]:
        """Return the low band to pull to, how far, and the latents of the plane."""
        settings = self._model.settings
        if priors.plane is not None and (strength := settings.starts.for_plane(priors.plane)) < 1:
            latents = self._encode_plane(priors.plane, size)
            # The less of the picture is drawn anew, the more of it is known.
            return plane_band(priors.plane, latents, self._model.pixels_per_latent), 1 - strength, latents
        if priors.texture and self._pulls_colors:
            return self._encode_colors(priors.texture, size), settings.color_pull, None
        return None, 0.0, None

    def _sum_features(self, drawings: list[tuple[Condition, Hashable]], size: Size) -> tuple[Tensor, ...] | None:
        adapters = self._model.adapters
        features = self._zero_features(size) if self._model.fill_features and adapters else None
        for condition, prior in drawings:
            if condition in adapters:
                more = self._run_adapter(condition, prior, size)
                features = more if features is None else _add(features, more)
        return features

    def _choose_priors(self, priors: Priors) -> list[tuple[Condition, Hashable]]:
        """Assign priors to conditions; a pose counts as edges if the model has no pose condition."""
        structure, skeleton = priors.structure, priors.skeleton
        known = {*self._model.adapters, *self._model.controlnets}
        if priors.plane is not None and Condition.EDGES in known and not isinstance(structure, Skeleton):
            # Once detail has come, the picture shows finer lines than were sent.
            structure = self._derive_lines(priors.plane) or structure
        if isinstance(structure, Skeleton):
            structure, skeleton = None, structure
        lines: tuple[EdgeMap | Skeleton, ...] = (structure,) if structure else ()
        pose = None
        if skeleton and Condition.SKELETON in known:
            pose = skeleton
        elif skeleton:
            lines += (skeleton,)
        wanted: dict[Condition, Hashable] = {
            Condition.EDGES: lines or None,
            Condition.COLORS: priors.texture,
            Condition.SKELETON: pose,
            Condition.TILE: priors.plane,
        }
        return [(condition, prior) for condition, prior in wanted.items() if prior and condition in known]

    def _run_adapter_uncached(self, condition: Condition, prior: Hashable, size: Size) -> tuple[Tensor, ...]:
        adapter, weight = self._model.adapters[condition], self._model.settings.weights.get(condition, 1.0)
        image = self._draw(condition, prior, size, int(adapter.config.in_channels))
        return tuple(feature * weight for feature in adapter(image))

    def _draw_uncached(self, _: Condition, prior: Hashable, size: Size, channels: int) -> Tensor:
        picture = _fit_channels(_draw(prior, size, self._model.line_width), channels)
        return self._to_tensor(picture)

    def _to_tensor(self, picture: NDArray[np.uint8]) -> Tensor:
        return torch.from_numpy(picture).to(self._model.device, self._model.dtype).permute(2, 0, 1)[None] / 255

    def _make_zero_features(self, size: Size) -> tuple[Tensor, ...]:
        zeros: tuple[Tensor, ...] = ()
        for adapter in self._model.adapters.values():
            shape = (1, int(adapter.config.in_channels), size[1], size[0])
            features = adapter(torch.zeros(shape, device=self._model.device, dtype=self._model.dtype))
            zeros = max(zeros, tuple(torch.zeros_like(level) for level in features), key=len)
        return zeros

    def _time_ids(self, size: Size) -> Tensor:
        width, height = size
        ids = [height, width, 0, 0, height, width]
        return torch.tensor([ids], device=self._model.device, dtype=self._model.dtype)


def _draw(prior: object, size: Size, thickness: int | None) -> NDArray[np.uint8]:
    if isinstance(prior, tuple):
        drawn_lines = [
            lines.to_image(size, thickness) if isinstance(lines, EdgeMap) else lines.to_image(size) for lines in prior
        ]
        return np.asarray(np.maximum.reduce(drawn_lines), np.uint8)
    if isinstance(prior, Skeleton):
        return draw_pose(prior, size)
    drawn: NDArray[np.uint8] = prior.to_image(size)  # type: ignore[attr-defined]
    return drawn


def _fit_channels(picture: NDArray[np.uint8], channels: int) -> NDArray[np.uint8]:
    """Convert (H, W) or (H, W, 3) to (H, W, channels); adapters take one channel or three."""
    if picture.ndim == 2:
        return np.repeat(picture[:, :, None], channels, axis=2)
    return picture if channels == 3 else picture.mean(axis=2, keepdims=True).astype(np.uint8)


def _add(first: tuple[Tensor, ...], second: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Add features level by level; a light adapter may have one level more than the UNet takes."""
    pairs = zip_longest(first, second)
    return tuple(a + b if a is not None and b is not None else (a if b is None else b) for a, b in pairs)
