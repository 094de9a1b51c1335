"""The plane code in torch: transform, quantisation and prefixes, for batches on any device.

The transform is a multiplication by matrices, so that gradients pass through it.
"""

from functools import cache
from typing import Any

import numpy as np
import torch
from torch import Tensor

from codec.wavelet.lifting import merge, split
from codec.wavelet.transform import CHROMA_WEIGHT, PLACE, band_weights, bands, count_levels, top_plane

#: Distance from the cell's ends, in steps, at which `confine` places coefficients from outside.
_MARGIN = 1 / 64

#: Channels Y, Cb, Cr as stored, to red, green and blue.
_RED, _BLUE = 1.402 / CHROMA_WEIGHT, 1.772 / CHROMA_WEIGHT
TO_RGB = (
    (1.0, 0.0, _RED),
    (1.0, -0.114 * _BLUE / 0.587, -0.299 * _RED / 0.587),
    (1.0, _BLUE, 0.0),
)


def to_channels(pictures: Tensor) -> Tensor:
    """Convert colours, (N, 3, H, W) RGB from 0 to 255, to channels as `codec.wavelet.transform.to_channels` does."""
    matrix = torch.linalg.inv(torch.tensor(TO_RGB, dtype=torch.float64)).to(pictures)
    channels = torch.einsum("cd,ndhw->nchw", matrix, pictures)
    channels[:, 0] -= 128
    return channels


def to_coefficients(channels: Tensor) -> Tensor:
    """Transform channels (N, 3, H, W) to weighted coefficients."""
    height, width = channels.shape[2:]
    return _transform(channels, count_levels(width, height), True) * _weights(width, height, channels.device)


def to_samples(coefficients: Tensor) -> Tensor:
    """Invert `to_coefficients`."""
    height, width = coefficients.shape[2:]
    return _transform(coefficients / _weights(width, height, coefficients.device), count_levels(width, height), False)


def quantise(coefficients: Tensor, last_plane: Tensor) -> tuple[Tensor, Tensor]:
    """Return magnitudes and signs (N, 3, H, W) of coefficients that are known down to `last_plane`."""
    height, width = coefficients.shape[2:]
    magnitudes = (coefficients.abs() * torch.exp2(-last_plane)).floor()
    magnitudes = torch.minimum(magnitudes, torch.exp2(top_plane(width, height) + 1 - last_plane) - 1)
    return magnitudes, torch.where(magnitudes > 0, coefficients.sign(), 0)


def dequantise(magnitudes: Tensor, signs: Tensor, last_plane: Tensor) -> Tensor:
    """Return point estimates of coefficients, near the middle of their cells."""
    return (magnitudes + PLACE) * signs * torch.exp2(last_plane)


def confine(coefficients: Tensor, magnitudes: Tensor, signs: Tensor, last_plane: Tensor) -> Tensor:
    """Return the coefficients, moved into their known cells."""
    steps, side = torch.exp2(last_plane), torch.where(magnitudes > 0, signs, 1)
    least = torch.where(magnitudes > 0, magnitudes, -1) + _MARGIN
    most = magnitudes + 1 - _MARGIN
    return torch.minimum(torch.maximum(coefficients * side, least * steps), most * steps) * side


def prefix_planes(shape: tuple[int, int], plane: Tensor, done: Tensor, finest: Tensor) -> Tensor:
    """Return the last bit plane of each coefficient for streams that end within a plane.

    Args:
        shape: (H, W) in pixels.
        plane: (N,), the last plane, complete or in part.
        done: (N,), share of this plane's bands that are received, from coarse to fine, each in the order Y, Cb, Cr. A
            fractional band is received in part, by rows.
        finest: bool (N,), whether the stream contains the finest level of luma. That of chroma is never sent.

    Returns:
        float (N, 3, H, W).
    """
    height, width = shape
    parts, rows, count = _order(height, width, plane.device)
    plane, done, finest = (each[:, None, None, None] for each in (plane, done, finest))
    ended = done * count
    received = (parts + 1 <= ended.floor()) | ((parts == ended.floor()) & (rows < ended % 1))
    last = torch.where(received, plane, plane + 1)
    level = _finest(height, width, plane.device)
    chroma = torch.tensor([False, True, True], device=plane.device)[:, None, None]
    return torch.where(level & (chroma | ~finest), top_plane(width, height) + 1, last)


@cache
def _order(height: int, width: int, device: torch.device) -> tuple[Tensor, Tensor, int]:
    """Return, for each coefficient, the number of its band in coding order and its relative row; and the bands' count.

    (3, H, W) and (H, W).
    """
    parts, rows = np.zeros((3, height, width), np.float32), np.zeros((height, width), np.float32)
    count = 0
    for band in bands(width, height):
        rows[band.area] = ((np.arange(band.height) + 0.5) / band.height)[:, None]
        for channel in range(3):
            parts[channel, *band.area] = count
            count += 1
    return torch.from_numpy(parts).to(device), torch.from_numpy(rows).to(device), count


@cache
def _finest(height: int, width: int, device: torch.device) -> Tensor:
    level = np.zeros((height, width), np.bool_)
    for band in bands(width, height):
        level[band.area] = band.level == 1 and band.orientation > 0
    return torch.from_numpy(level).to(device)


@cache
def _weights(width: int, height: int, device: torch.device) -> Tensor:
    return torch.from_numpy(band_weights(width, height).copy()).to(device)


def _transform(values: Tensor, levels: int, analysis: bool) -> Tensor:
    result: Tensor = _Transform.apply(values, levels, analysis)  # type: ignore[no-untyped-call]
    return result


class _Transform(torch.autograd.Function):
    """The multi-level transform, or its inverse. Works in place on a copy: autograd would copy each band many times."""

    @staticmethod
    def forward(ctx: Any, values: Tensor, levels: int, analysis: bool) -> Tensor:
        """Transform (N, 3, H, W)."""
        ctx.levels, ctx.analysis = levels, analysis
        return _by_level(values, levels, analysis, transposed=False)

    @staticmethod
    def backward(ctx: Any, *slopes: Tensor) -> tuple[Tensor, None, None]:
        """Apply the transposed matrices in the opposite order."""
        return _by_level(slopes[0], ctx.levels, ctx.analysis, transposed=True), None, None


def _by_level(values: Tensor, levels: int, analysis: bool, *, transposed: bool) -> Tensor:
    result = values.clone()
    sizes = [(int(values.shape[2]), int(values.shape[3]))]
    for _ in range(levels):
        sizes.append(((sizes[-1][0] + 1) // 2, (sizes[-1][1] + 1) // 2))
    fine_first = analysis != transposed
    for height, width in sizes[:-1] if fine_first else reversed(sizes[:-1]):
        rows, columns = (_matrix(side, analysis, values.device) for side in (height, width))
        if transposed:
            rows, columns = rows.T, columns.T
        area = result[:, :, :height, :width]
        area.copy_(rows @ area @ columns.T)
    return result


@cache
def _matrix(size: int, analysis: bool, device: torch.device) -> Tensor:
    """Return the matrix (size, size) of one level of the transform, or of its inverse."""
    columns = np.eye(size, dtype=np.float32)
    for column in columns:
        (split if analysis else merge)(column[:, None], 1)
    return torch.from_numpy(columns.T.copy()).to(device)
