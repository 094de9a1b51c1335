"""What a receiver shows of the sections that have arrived."""

import time
from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream, Coder
from codec.container.sections import without_gaps
from codec.layers import Layer
from codec.preview import paint_priors

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


@dataclass(frozen=True, eq=False, slots=True)
class DrawnFrame:
    """A frame.

    Attributes:
        pixels: (H, W, 3) uint8 RGB at canvas size.
        seconds: the time from the start of rendering to the frame, on this machine.
    """

    pixels: NDArray[np.uint8]
    seconds: float


def usable(stream: Bitstream, held: Iterable[int]) -> tuple[int, ...]:
    """Return the indices of the held sections that can be decoded: bit planes only after those before them."""
    sections = {index: stream.sections[index] for index in sorted(held)}
    planes = {index for index, section in enumerate(stream.sections) if section.coder == Coder.PLANES}
    kept = without_gaps(sections, frozenset(planes - sections.keys()))
    return tuple(index for index, section in sections.items() if any(section is one for one in kept))


def draw(stream: Bitstream, indices: tuple[int, ...], model: str) -> list[DrawnFrame]:
    """Return the first and the last frame of the picture that sections make; one if they are the same.

    Args:
        stream: the whole stream.
        indices: the sections to use, from `usable`.
        model: the model's name; "none" paints lines and colours, and shows nothing of text alone.
    """
    known = Bitstream(stream.header, tuple(stream.sections[index] for index in indices)).decode()
    if model == "none":
        has_picture = bool(known.layers - {Layer.SEMANTIC})
        return [DrawnFrame(paint_priors(known), 0.0)] if has_picture else []
    from receiver.rendering.engine.direct import render

    began = time.perf_counter()
    frames = [
        DrawnFrame(np.asarray(frame.image, np.uint8), time.perf_counter() - began)
        for frame in render(known, stream.header.seed, model=_load(model))
    ]
    return frames[:1] + frames[-1:] if len(frames) > 1 else frames


@lru_cache(maxsize=1)
def _load(model: str) -> "Model":
    from receiver.rendering import load_model

    return load_model(model)
