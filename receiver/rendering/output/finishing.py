"""Pixels -> frames: everything after the decoder. It needs no device, so any thread can do it."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.layers import ColorMap, EdgeMap, Layer, Size
from codec.wavelet.plane import Plane
from receiver.rendering.frames import Frame
from receiver.rendering.output.color_fit import fit_colors
from receiver.rendering.output.line_fit import fit_lines
from receiver.rendering.output.plane_fit import fit_plane


@dataclass(frozen=True, slots=True, kw_only=True)
class FrameRecipe:
    """How pixels become a frame. It holds no tensors.

    Attributes:
        canvas: (width, height) of the frame, in pixels.
        layers: the received layers that the picture is rendered from.
        step: denoising steps done, from 1.
        steps: denoising steps of the whole run.
        final: whether this is the last frame of its run.
        started: when the engine admitted the picture, by `clock`.
        clock: returns seconds.
        lines: the edge map to fit the picture to; None for none.
        colors: the colour map to fit the picture to; None for none.
        plane: the coefficients to fit the picture to, instead of colours; None for none.
    """

    canvas: Size
    layers: frozenset[Layer]
    step: int
    steps: int
    final: bool
    started: float
    clock: Callable[[], float]
    lines: EdgeMap | None = None
    colors: ColorMap | None = None
    plane: Plane | None = None

    def finish(self, pixels: NDArray[np.uint8]) -> Frame:
        """Resize pixels, (H, W, 3) uint8 RGB, to the canvas, fit them to what was sent, and make a frame of them."""
        picture = fit_picture(pixels, self.canvas, lines=self.lines, colors=self.colors)
        if self.plane is not None:
            picture = fit_plane(picture, self.plane)
        return Frame(
            image=Image.fromarray(picture),
            layers=self.layers,
            step=self.step,
            steps=self.steps,
            final=self.final,
            seconds=self.clock() - self.started,
        )


def fit_picture(
    pixels: NDArray[np.uint8], canvas: Size, *, lines: EdgeMap | None = None, colors: ColorMap | None = None
) -> NDArray[np.uint8]:
    """Resize pixels, (H, W, 3) uint8 RGB, to `canvas` (width, height), and fit them to lines and colours if given."""
    height, width = pixels.shape[:2]
    if (width, height) != canvas:
        pixels = np.asarray(Image.fromarray(pixels).resize(canvas, Image.Resampling.LANCZOS), np.uint8)
    if lines is not None:
        pixels = fit_lines(pixels, lines, colors)
    # Colours come last, so that the averages are exact.
    return pixels if colors is None else fit_colors(pixels, colors)
