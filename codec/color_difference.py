"""Visible difference of colours, for measurements and for making tables. In floats: no stream may depend on it."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

#: Linear sRGB to CIE XYZ; white (D65) is one.
TO_XYZ = np.array(
    [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.0721750], [0.0193339, 0.1191920, 0.9503041]]
) / np.array([[0.95047], [1.0], [1.08883]])

#: CIEDE2000's weight of chroma, and its weight of lightness integrated at tabulated lightnesses.
_CHROMA_WEIGHT = 0.045
_LIGHTNESS = np.linspace(0, 100, 2001)
_LIGHTNESS_WEIGHT = 1 + 0.015 * (_LIGHTNESS - 50) ** 2 / np.sqrt(20 + (_LIGHTNESS - 50) ** 2)
_BENT_LIGHTNESS = np.concatenate(
    [[0], np.cumsum((1 / _LIGHTNESS_WEIGHT[1:] + 1 / _LIGHTNESS_WEIGHT[:-1]) / 2 * np.diff(_LIGHTNESS))]
)


def to_lab(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convert sRGB to CIELAB (D65): (..., 3) uint8 RGB to (..., 3) float64, lightness 0..100."""
    part = colors / 255.0
    linear = np.where(part <= 0.04045, part / 12.92, ((part + 0.055) / 1.055) ** 2.4)
    xyz = linear @ TO_XYZ.T
    bent = np.where(xyz > (6 / 29) ** 3, np.cbrt(xyz), xyz * (29 / 6) ** 2 / 3 + 4 / 29)
    x, y, z = bent[..., 0], bent[..., 1], bent[..., 2]
    return np.stack([116 * y - 16, 500 * (x - y), 200 * (y - z)], axis=-1)


def ciede2000(first: NDArray[np.float64], second: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the CIEDE2000 difference of colours; 1 is just noticeable side by side.

    Source: G. Sharma, W. Wu, E. N. Dalal, "The CIEDE2000 Color-Difference Formula", 2005, equations 2 to 22.

    Args:
        first: (..., 3) float64 CIELAB.
        second: (..., 3) float64 CIELAB; its shape broadcasts with the first.
    """
    mean_chroma = (np.hypot(first[..., 1], first[..., 2]) + np.hypot(second[..., 1], second[..., 2])) / 2
    stretch = 1.5 - 0.5 * np.sqrt(_seventh(mean_chroma))
    chroma1, hue1 = _polar(first[..., 1] * stretch, first[..., 2])
    chroma2, hue2 = _polar(second[..., 1] * stretch, second[..., 2])
    gray = chroma1 * chroma2 == 0

    turn = np.where(gray, 0.0, (hue2 - hue1 + 180) % 360 - 180)
    d_lightness = second[..., 0] - first[..., 0]
    d_chroma = chroma2 - chroma1
    d_hue = 2 * np.sqrt(chroma1 * chroma2) * np.sin(np.radians(turn / 2))

    lightness = (first[..., 0] + second[..., 0]) / 2
    chroma = (chroma1 + chroma2) / 2
    hue = np.where(gray, hue1 + hue2, hue1 + turn / 2)
    weights = _weigh(lightness, chroma, hue)
    by_lightness = d_lightness / weights.lightness
    by_chroma = d_chroma / weights.chroma
    by_hue = d_hue / weights.hue
    squares = by_lightness**2 + by_chroma**2 + by_hue**2 + weights.rotation * by_chroma * by_hue
    return np.asarray(np.sqrt(np.maximum(squares, 0)))


def ellipsoids(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Approximate the square of CIEDE2000 near a colour by a quadratic form of the difference in CIELAB.

    Args:
        colors: (..., 3) uint8 RGB.

    Returns:
        (..., 4) float64: coefficients of the squares of the lightness, red and yellow differences, and of red times
        yellow.
    """
    lab = to_lab(colors)
    stretch = 1.5 - 0.5 * np.sqrt(_seventh(np.hypot(lab[..., 1], lab[..., 2])))
    chroma, hue = _polar(lab[..., 1] * stretch, lab[..., 2])
    weights = _weigh(lab[..., 0], chroma, hue)
    # Directions along and across the hue, in units of red (stretched) and of yellow.
    red, yellow = _cos(hue) * stretch, _cos(hue - 90)
    along = np.stack([red, yellow]) / weights.chroma
    across = np.stack([-yellow * stretch, red / stretch]) / weights.hue
    squares = along**2 + across**2 + weights.rotation * along * across
    mixed = 2 * along[0] * along[1] + 2 * across[0] * across[1]
    mixed = mixed + weights.rotation * (along[0] * across[1] + along[1] * across[0])
    return np.stack([1 / weights.lightness**2, squares[0], squares[1], mixed], axis=-1)


def bend(colors: NDArray[np.uint8]) -> NDArray[np.float64]:
    """Convert to a space in which equal distances look about equal: (..., 3) uint8 RGB to (..., 3) float64.

    The space is CIELAB with lightness and chroma divided by their CIEDE2000 weights, integrated from 0.
    """
    lab = to_lab(colors)
    shrink = shrink_chroma(np.hypot(lab[..., 1], lab[..., 2]))
    return np.stack([bend_lightness(lab[..., 0]), lab[..., 1] * shrink, lab[..., 2] * shrink], axis=-1)


def bend_lightness(lightness: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the lightness of `bend` for a CIELAB lightness."""
    return np.asarray(np.interp(lightness, _LIGHTNESS, _BENT_LIGHTNESS))


def shrink_chroma(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the factor by which `bend` shortens a CIELAB chroma."""
    weighed = _CHROMA_WEIGHT * (chroma + 1e-9)
    return np.asarray(np.log1p(weighed) / weighed)


def unbend(bent: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Invert `bend`: return the nearest RGB, (..., 3) uint8."""
    chroma = np.hypot(bent[..., 1], bent[..., 2]) + 1e-9
    grow = np.expm1(np.minimum(_CHROMA_WEIGHT * chroma, 6)) / (_CHROMA_WEIGHT * chroma)
    y = (np.interp(bent[..., 0], _BENT_LIGHTNESS, _LIGHTNESS) + 16) / 116
    roots = np.stack([y + bent[..., 1] * grow / 500, y, y - bent[..., 2] * grow / 200], axis=-1)
    xyz = np.where(roots > 6 / 29, roots**3, 3 * (6 / 29) ** 2 * (roots - 4 / 29))
    linear = np.clip(xyz @ np.linalg.inv(TO_XYZ).T, 0, 1)
    part = np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)
    return np.asarray(np.round(np.clip(part, 0, 1) * 255), np.uint8)


@dataclass(frozen=True, slots=True)
class _Weights:
    """CIEDE2000's divisors of lightness, chroma and hue differences, and its chroma-hue interaction."""

    lightness: NDArray[np.float64]
    chroma: NDArray[np.float64]
    hue: NDArray[np.float64]
    rotation: NDArray[np.float64]


def _weigh(lightness: NDArray[np.float64], chroma: NDArray[np.float64], hue: NDArray[np.float64]) -> _Weights:
    weight = 1 - 0.17 * _cos(hue - 30) + 0.24 * _cos(2 * hue) + 0.32 * _cos(3 * hue + 6) - 0.20 * _cos(4 * hue - 63)
    blue = 60 * np.exp(-((((hue % 360) - 275) / 25) ** 2))
    return _Weights(
        lightness=1 + 0.015 * (lightness - 50) ** 2 / np.sqrt(20 + (lightness - 50) ** 2),
        chroma=1 + 0.045 * chroma,
        hue=1 + 0.015 * chroma * weight,
        rotation=-2 * np.sqrt(_seventh(chroma)) * np.sin(np.radians(blue)),
    )


def _seventh(chroma: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(chroma**7 / (chroma**7 + 25.0**7))


def _polar(red: NDArray[np.float64], yellow: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    return np.hypot(red, yellow), np.degrees(np.arctan2(yellow, red)) % 360


def _cos(degrees: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.asarray(np.cos(np.radians(degrees)))
