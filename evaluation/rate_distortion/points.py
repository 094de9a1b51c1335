"""What is measured: one point for each picture, contender and number of bytes."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from codec.layers import Size
from evaluation.formats.best_fit import Recipe


@dataclass(frozen=True, slots=True, kw_only=True)
class FigureValue:
    """One figure of one picture.

    Attributes:
        value: the figure.
        bytes: size of the file that it was measured on, header and framing included.
        recipe: how another format made that file; None for layercast.
        encode_s: seconds of the encoder.
        decode_s: seconds of the decoder, scaling up or rendering included.
    """

    value: float
    bytes: int
    recipe: Recipe | None
    encode_s: float
    decode_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Point:
    """One picture within one number of bytes.

    Attributes:
        contender: name of the contender.
        picture: name of the picture's file.
        budget: most bytes of a file.
        size: (width, height) of the canvas, in pixels.
        seed: seed of the starting noise; None for a contender without one.
        figures: the figures by name. Other formats take the file that is best for each figure. Empty if nothing fits.
        reason: why there are no figures; empty if there are.
    """

    contender: str
    picture: str
    budget: int
    size: Size
    seed: int | None = None
    figures: Mapping[str, FigureValue] = field(default_factory=dict)
    reason: str = ""

    def bpp(self, figure: str) -> float:
        """Return the bits per pixel of the file that a figure was measured on."""
        return 8 * self.figures[figure].bytes / (self.size[0] * self.size[1])
