"""Partially known wavelet coefficients of a picture: the state that any prefix of the plane code decodes to."""

from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.compiled import compiled
from codec.wavelet.transform import PLACE, inverse, magnitudes_at, steps_of, texture_plane, to_picture, top_plane

#: Distance from the cell's ends, in steps, at which `confine` places coefficients from outside. Rounding errors then do
#: not move them out again.
_MARGIN = np.float32(1 / 64)


@dataclass(frozen=True, eq=False)
class Plane:
    """Wavelet coefficients of a picture, each known down to its own bit plane.

    Attributes:
        magnitudes: int32 (3, H, W), floor(|c| / 2^p) with p the coefficient's last known bit plane; 0 where no plane is
            known.
        signs: int8 (3, H, W), -1 or 1 where the magnitude is above 0; 0 elsewhere.
        last_plane: int8 (3, H, W), the last known bit plane; `top_plane` + 1 where no plane is known.
        canvas: (width, height) of the picture in pixels.

    Channels are Y, Cb, Cr. `codec.wavelet.transform` defines the layout of coefficients.
    """

    magnitudes: NDArray[np.int32]
    signs: NDArray[np.int8]
    last_plane: NDArray[np.int8]
    canvas: tuple[int, int]

    def __eq__(self, other: object) -> bool:
        """Return whether the same is known of both pictures."""
        return (
            isinstance(other, Plane)
            and self.canvas == other.canvas
            and np.array_equal(self.last_plane, other.last_plane)
            and np.array_equal(self.magnitudes, other.magnitudes)
            and np.array_equal(self.signs, other.signs)
        )

    def __hash__(self) -> int:
        return hash((self.canvas, self.magnitudes.tobytes(), self.signs.tobytes()))

    @classmethod
    def of(cls, coefficients: NDArray[np.float32], last_plane: NDArray[np.int8]) -> "Plane":
        """Return the state of float32 (3, H, W) `coefficients` that are known down to `last_plane`, int8 (3, H, W)."""
        height, width = coefficients.shape[1:]
        magnitudes = magnitudes_at(coefficients, last_plane, top_plane(width, height))
        signs = np.where(magnitudes > 0, np.sign(coefficients), 0).astype(np.int8)
        return cls(magnitudes, signs, last_plane, (width, height))

    @property
    def lowest(self) -> int:
        """The lowest bit plane down to which any coefficient is known."""
        return int(self.last_plane.min())

    @property
    def has_detail(self) -> bool:
        """Whether any coefficient is known below the texture layer's lowest plane."""
        return self.lowest < texture_plane(*self.canvas)

    def without_detail(self) -> "Plane":
        """Return the state as of the texture layer alone."""
        return self.down_to(texture_plane(*self.canvas))

    def down_to(self, plane: int) -> "Plane":
        """Return the state without the bits below a bit plane, as of a prefix of the code that ends there."""
        drop = np.maximum(plane - self.last_plane, 0)
        magnitudes = self.magnitudes >> drop
        signs = np.where(magnitudes > 0, self.signs, 0).astype(np.int8)
        return Plane(magnitudes, signs, (self.last_plane + drop).astype(np.int8), self.canvas)

    def to_coefficients(self) -> NDArray[np.float32]:
        """Return point estimates of the coefficients, near the middle of their cells: float32 (3, H, W)."""
        places = (self.magnitudes.astype(np.float32) + np.float32(PLACE)) * self.signs
        return places * steps_of(self.last_plane)

    def _coarse_coefficients(self, skip: int) -> NDArray[np.float32]:
        """Return the coefficients with the `skip` finest levels set to zero, not computed: float32 (3, H, W)."""
        height, width = self.magnitudes.shape[1:]
        coarse = (slice(None), slice(-(-height // (1 << skip))), slice(-(-width // (1 << skip))))
        kept = Plane(self.magnitudes[coarse], self.signs[coarse], self.last_plane[coarse], self.canvas)
        coefficients = np.zeros(self.magnitudes.shape, np.float32)
        coefficients[coarse] = kept.to_coefficients()
        return coefficients

    def to_image(self) -> NDArray[np.uint8]:
        """Return the picture by the inverse transform alone: uint8 (H, W, 3) RGB."""
        return to_picture(inverse(self.to_coefficients()))

    def confine(self, coefficients: NDArray[np.float32]) -> None:
        """Move float32 (3, H, W) coefficients, in place, into their known cells."""
        _confine(coefficients, self.magnitudes, self.signs, self.last_plane)

    def colors(self, long_side: int) -> NDArray[np.uint8]:
        """Return averaged colours: uint8 (rows, columns, 3) RGB.

        The larger of rows and columns is `long_side`; the other follows from the shape of the canvas.
        """
        width, height = self.canvas
        longer = max(width, height)
        rows, columns = (max(1, round(side * long_side / longer)) for side in (height, width))
        # Skip levels that are much finer than the averaged cells: they hardly change the result.
        skip = 0
        while longer >> (skip + 1) >= 4 * long_side:
            skip += 1
        picture = to_picture(inverse(self._coarse_coefficients(skip), skip))
        return np.asarray(cv2.resize(picture, (columns, rows), interpolation=cv2.INTER_AREA), np.uint8)


@compiled
def _confine(
    coefficients: NDArray[np.float32],
    magnitudes: NDArray[np.int32],
    signs: NDArray[np.int8],
    last_plane: NDArray[np.int8],
) -> None:
    values, known = coefficients.reshape(-1), magnitudes.reshape(-1)
    sides, planes = signs.reshape(-1), last_plane.reshape(-1)
    for i in range(values.size):
        step = np.float32(1 << planes[i])
        margin = step * _MARGIN
        if known[i] == 0:
            values[i] = min(max(values[i], margin - step), step - margin)
        else:
            # The magnitude is at least `known` steps and less than `known` + 1 steps.
            size = np.float32(sides[i]) * values[i]
            low = np.float32(known[i]) * step
            values[i] = np.float32(sides[i]) * min(max(size, low + margin), low + step - margin)
