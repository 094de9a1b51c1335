"""Fit a rendered picture to an edge map: it changes sharply along the lines and hardly elsewhere.

An edge map marks where the original changes by more than a detector's threshold. A rendered picture that changes less
there, or more elsewhere, is wrong. The rendered picture decides which side of a line is lighter, averaged over the
neighbourhood along the line. This gives a gradient field: a step across each line, and the rendered gradients,
weakened, elsewhere. The result is the solution of the screened Poisson equation for this field, which stays close to
the rendered picture at large scales (P. Bhat, B. Curless, M. Cohen, C. L. Zitnick, "Fourier Analysis of the 2D Screened
Poisson Equation for Gradient Domain Problems", ECCV 2008). Only brightness changes; hues stay.
"""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import ColorMap, EdgeMap
from codec.structure.contours import trace
from receiver.rendering.output.color_fit import fit_colors

#: Smallest step across a line, in levels of 255, with and without known colours. Without them the lighter side is a
#: guess, and a smaller step makes a smaller mistake. The encoder's detector finds hardly any weaker lines.
STEP, UNSURE_STEP = 60.0, 45.0

#: Largest step across a line, in levels of 255; few are stronger.
MAX_STEP = 110.0

#: Width of a step, in pixels of a canvas of 512.
WIDTH = 3.0

#: Factor of the rendered gradients off the lines, where a small model draws at random.
KEPT = 0.3

#: Share of the rendered picture if colours are known; the rest is the smoothly interpolated colour map. A small model's
#: own colours within a cell are not right more often than that.
TRUST = 0.4

#: Radius over which the result may deviate from the rendered picture, in pixels of a canvas of 512, approximately.
REACH = 12.0

#: Gaussian sigmas, in pixels of a canvas of 512: for the rendered picture's gradient, for the neighbourhood along a
#: line that decides its lighter side, and for the line's direction.
BLUR, ALONG, TURN = 4.0, 6.0, 2.0

#: Cells along a line that are averaged, to hide the steps of its grid.
SMOOTH = 3

#: Gaussian sigma from which half the size is enough, in pixels.
_WIDE = 4.0

#: Sub-pixel bits of OpenCV's coordinates.
_SHIFT = 4


def fit_lines(picture: NDArray[np.uint8], lines: EdgeMap, colors: ColorMap | None = None) -> NDArray[np.uint8]:
    """Make a picture change sharply along lines, and less elsewhere.

    Args:
        picture: (H, W, 3) uint8 RGB.
        lines: the edge map; its grid may have any size.
        colors: the colour map, if it is known.
    """
    height, width = picture.shape[:2]
    scale = max(width, height) / 512
    thickness = max(1, round(WIDTH * scale))
    drawn = _draw_smoothly(lines, (width, height), thickness)
    if not drawn.any():
        return picture
    if colors is not None:
        picture = _blend_colors(picture, colors)
    gray = np.asarray(cv2.cvtColor(picture, cv2.COLOR_RGB2GRAY), np.float32)
    across, down = _normals(drawn, TURN * scale)
    slope = _slopes(gray, drawn, across, down, scale) * scale
    least = UNSURE_STEP if colors is None else STEP
    step = np.copysign(np.clip(np.abs(slope), least, MAX_STEP), slope) / thickness
    on_line = drawn > 0
    right = np.where(on_line, across * step, KEPT * np.diff(gray, axis=1, append=gray[:, -1:]))
    below = np.where(on_line, down * step, KEPT * np.diff(gray, axis=0, append=gray[-1:]))
    change = _integrate(right, below, gray, 1 / (REACH * scale) ** 2) - gray
    return np.asarray(np.clip(picture + change[..., None], 0, 255).round(), np.uint8)


def _blend_colors(picture: NDArray[np.uint8], colors: ColorMap) -> NDArray[np.uint8]:
    """Blend the picture with the smoothly interpolated colour map."""
    height, width = picture.shape[:2]
    smooth = cv2.resize(colors.colors, (width, height), interpolation=cv2.INTER_CUBIC)
    return np.asarray(cv2.addWeighted(fit_colors(picture, colors), TRUST, smooth, 1 - TRUST, 0), np.uint8)


def _draw_smoothly(lines: EdgeMap, size: tuple[int, int], thickness: int) -> NDArray[np.float32]:
    """Draw the lines at `size` (width, height), smoothed along their length: (H, W) float32, 0 or 1."""
    contours = trace(lines.grid, size)
    columns, rows = lines.grid.shape[1], lines.grid.shape[0]
    alone = lines.grid.copy()
    cells = np.floor(contours.points * np.array([columns / size[0], rows / size[1]], np.float32)).astype(np.int64)
    alone[cells[:, 1], cells[:, 0]] = False
    drawn = EdgeMap(alone, lines.canvas).to_image(size)
    begin = 0
    for end in contours.ends.tolist():
        path = contours.points[begin:end]
        begin = end
        smooth = cv2.blur(path[:, None, :], (1, SMOOTH), borderType=cv2.BORDER_REFLECT_101)
        smooth[0], smooth[-1] = path[0], path[-1]
        cv2.polylines(drawn, [np.round(smooth * (1 << _SHIFT)).astype(np.int32)], False, 255, thickness, shift=_SHIFT)
    return np.asarray(drawn > 0, np.float32)


def _normals(drawn: NDArray[np.float32], sigma: float) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Return the direction across the lines from the structure tensor: x and y of unit vectors, of either sign."""
    soft = cv2.GaussianBlur(drawn, (0, 0), 1.5)
    x, y = cv2.Sobel(soft, -1, 1, 0), cv2.Sobel(soft, -1, 0, 1)
    xx, yy, xy = (cv2.GaussianBlur(product, (0, 0), sigma) for product in (x * x, y * y, x * y))
    # Half of the angle that `turned` and `2 * xy` give, by the half-angle formulas.
    turned = xx - yy
    turned /= np.hypot(turned, 2 * xy) + np.float32(1e-12)
    turned *= np.float32(0.5)
    return np.sqrt(np.maximum(0.5 + turned, 0)), np.copysign(np.sqrt(np.maximum(0.5 - turned, 0)), xy)


def _slopes(
    gray: NDArray[np.float32],
    drawn: NDArray[np.float32],
    across: NDArray[np.float32],
    down: NDArray[np.float32],
    scale: float,
) -> NDArray[np.float32]:
    """Return the signed slope across the lines, in Sobel's scale, averaged along them."""
    soft = cv2.GaussianBlur(gray, (0, 0), BLUR * scale)
    near = _average(drawn, ALONG * scale) + np.float32(1e-6)
    x = _average(cv2.Sobel(soft, -1, 1, 0) * drawn, ALONG * scale) / near
    y = _average(cv2.Sobel(soft, -1, 0, 1) * drawn, ALONG * scale) / near
    return np.asarray(x * across + y * down, np.float32)


def _average(values: NDArray[np.float32], sigma: float) -> NDArray[np.float32]:
    """Blur (H, W), a wide one at half the size: an eighth of the work, for the same averages."""
    height, width = values.shape
    if sigma < _WIDE or min(height, width) < 2:
        return np.asarray(cv2.GaussianBlur(values, (0, 0), sigma), np.float32)
    half = cv2.resize(values, (-(-width // 2), -(-height // 2)), interpolation=cv2.INTER_AREA)
    soft = cv2.GaussianBlur(half, (0, 0), sigma / 2)
    return np.asarray(cv2.resize(soft, (width, height), interpolation=cv2.INTER_LINEAR), np.float32)


def _integrate(
    right: NDArray[np.float32], below: NDArray[np.float32], base: NDArray[np.float32], hold: float
) -> NDArray[np.float32]:
    """Return the picture closest to the gradients `right` and `below` and, with weight `hold`, to `base`; (H, W)."""
    right, below = right.copy(), below.copy()
    right[:, -1], below[-1] = 0, 0
    divergence = right + below
    divergence[:, 1:] -= right[:, :-1]
    divergence[1:] -= below[:-1]
    down, across = (2 - 2 * np.cos(np.pi * np.arange(count, dtype=np.float32) / count) for count in base.shape)
    spectrum = cv2.dct(hold * base - divergence) / (hold + down[:, None] + across[None])
    return np.asarray(cv2.idct(spectrum.astype(np.float32)), np.float32)
