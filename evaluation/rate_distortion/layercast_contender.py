"""layercast as a contender: encoded like `layercast encode`, rendered like a receiver does."""

import math
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, fields, replace
from functools import cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.layers import Layer, Priors
from evaluation.rate_distortion.identity import code_digest, model_digest
from evaluation.rate_distortion.pictures import EvaluatedPicture
from evaluation.rate_distortion.points import FigureValue, Point
from layercast_common.errors import BudgetError, UsageError
from receiver.rendering.engine.direct import render

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: What can be switched off: a layer, or the restoration of the plane.
RESTORATION = "restoration"
PARTS = (*(layer.name.lower() for layer in Layer), RESTORATION)


@dataclass(frozen=True, slots=True, kw_only=True)
class LayercastContender:
    """layercast with one set of options.

    Attributes:
        name: its name in results and file names.
        encoding: how pictures are encoded; its budget is replaced by those that are measured.
        without: a part of `PARTS` that is left out of the rendering; the bytes of a layer are not counted then.
        level: the last layer that is rendered, as at a moment before the others have arrived; None for all.
        device: where the model runs, see `load_model`.
        steps: denoising steps; None for the model's own number.
    """

    name: str = "layercast"
    encoding: EncodeOptions
    without: str | None = None
    level: Layer | None = None
    device: str = "auto"
    steps: int | None = None

    def __post_init__(self) -> None:
        if self.without is not None and self.without not in PARTS:
            raise UsageError(f"what can be left out is {', '.join(PARTS)}; not {self.without!r}")

    @property
    def label(self) -> str:
        """Its name for people: the name."""
        return self.name

    @property
    def settings(self) -> str:
        """The options that differ from the defaults."""
        values = {field.name: getattr(self.encoding, field.name) for field in fields(self.encoding)}
        changed = [
            f"{field.name}={values[field.name]}"
            for field in fields(self.encoding)
            if field.name not in ("budget", "bpp", "seed") and values[field.name] != field.default
        ]
        if self.level is not None:
            changed.append(f"layers up to {self.level.name.lower()}")
        if self.without is not None:
            changed.append(f"without {self.without}")
        if self.steps is not None:
            changed.append(f"steps={self.steps}")
        return ", ".join(changed) or "default options"

    def identity(self) -> str:
        """Return the options, and digests of the code and of the model's files."""
        options = f"{replace(self.encoding, budget=None, bpp=None)} {self.level} {self.device}"
        return f"{self.name} {options} {self.settings} {code_digest()} {model_digest(self.encoding.model)}"

    def measure(self, subject: EvaluatedPicture, budgets: Sequence[int], figures: Sequence[str]) -> Iterator[Point]:
        """Measure a picture at each budget, in their order.

        Raises:
            LayercastError: the picture cannot be encoded or rendered.
        """
        for budget in budgets:
            point = Point(
                contender=self.name,
                picture=subject.path.name,
                budget=budget,
                size=subject.size,
                seed=self.encoding.seed,
            )
            started = time.perf_counter()
            try:
                stream = self.encode(subject, budget)
            except BudgetError as error:
                yield replace(point, reason=str(error))
                continue
            encoded = time.perf_counter()
            priors = self._kept(stream.decode())
            pixels = self._draw(priors, stream.header.seed)
            encode_s, decode_s = encoded - started, time.perf_counter() - encoded
            size = self._size(stream)
            found = subject.reference.measure(pixels, figures)
            yield replace(
                point,
                figures={
                    name: FigureValue(value=value, bytes=size, recipe=None, encode_s=encode_s, decode_s=decode_s)
                    for name, value in found.items()
                    if math.isfinite(value)
                },
            )

    def redraw(self, subject: EvaluatedPicture, point: Point, figure: str) -> NDArray[np.uint8]:  # noqa: ARG002 - one picture for all
        """Return the picture that a point was measured on: (H, W, 3) uint8 RGB."""
        stream = self.encode(subject, point.budget)
        return self._draw(self._kept(stream.decode()), stream.header.seed)

    def encode(self, subject: EvaluatedPicture, budget: int) -> Bitstream:
        """Encode a picture in at most `budget` bytes.

        Raises:
            BudgetError: the budget cannot be met.
            LayercastError: the picture cannot be read.
        """
        options = replace(self.encoding, canvas=subject.size, budget=budget, bpp=None)
        return encode_picture(subject.path, options).stream

    def draw_level(self, subject: EvaluatedPicture, budget: int, level: Layer) -> NDArray[np.uint8]:
        """Encode a picture, and render it from the layers up to `level` alone: (H, W, 3) uint8 RGB."""
        point = Point(contender=self.name, picture=subject.path.name, budget=budget, size=subject.size)
        return replace(self, level=level).redraw(subject, point, "")

    def _is_kept(self, layer: int) -> bool:
        return (self.level is None or layer <= self.level) and (
            self.without is None or self.without == RESTORATION or layer != Layer[self.without.upper()]
        )

    def _kept(self, priors: Priors) -> Priors:
        return priors.only(layer for layer in Layer if self._is_kept(layer))

    def _size(self, stream: Bitstream) -> int:
        layers = {int(section.layer) for section in stream.sections}
        left_out = sum(stream.size_of(Layer(layer)) for layer in layers if not self._is_kept(layer))
        return len(stream.to_bytes()) - left_out

    def _draw(self, priors: Priors, seed: int) -> NDArray[np.uint8]:
        """Render like a receiver that has these layers and nothing more; return (H, W, 3) uint8 RGB."""
        if self.without == RESTORATION and priors.plane is not None:
            return priors.plane.to_image()
        image = None
        for frame in render(priors, seed, model=loaded_model(self.encoding.model, self.device), steps=self.steps):
            image = frame.image
        assert image is not None
        return np.asarray(image, np.uint8)


@cache
def loaded_model(name: str, device: str) -> "Model":
    """Return a model; each process loads it once.

    Raises:
        RenderError: the model cannot be loaded.
    """
    from receiver.rendering import load_model

    return load_model(name, device)
