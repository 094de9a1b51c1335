"""Fine-tuning of the restoration network: whole crops and perceptual losses, all differentiable."""

import math
from functools import cache

import numpy as np
import torch
import torch.nn.functional as F
from torch import Tensor

from codec.wavelet.lifting import merge
from codec.wavelet.transform import CHROMA_WEIGHT, count_levels, luma_weights
from receiver.rendering.restoration.features import estimated_bands
from receiver.rendering.restoration.network import RestorationNetwork
from training.restoration.data import Cut
from training.restoration.loss import SCALES

#: Weights of the loss terms. "mse" is the natural logarithm of the remaining share of the decoded error.
WEIGHTS = {"mse": 1.0, "ssim": 1.0, "ms_ssim": 3.0, "gmsd": 3.0}

#: Added to squared errors, in squared levels of 0 to 255: smaller errors are hardly visible.
LEAST_MSE = 8.0

#: Mean squared error in RGB that a unit error in Y, Cb, Cr causes.
CHANNEL_WEIGHTS = (1.0, 1.086 / CHROMA_WEIGHT**2, 0.825 / CHROMA_WEIGHT**2)

_WINDOW = 7


def restore_cut(network: RestorationNetwork, cut: Cut) -> Tensor:
    """Return the coefficients (3, S, S) of a crop, restored by the network."""
    restored = torch.from_numpy(cut.decoded).clone()
    size = restored.shape[1]
    estimates = []
    for level, (shown, planes) in enumerate(zip(cut.shown, cut.planes, strict=True)):
        estimator = network.by_level[level]
        side = size >> (level + 1)
        estimates.append((estimator(torch.from_numpy(shown)) * estimator.spreads(*planes)).T.reshape(-1, side, side))
    for band in estimated_bands((size, size)):
        part = estimates[band.level - 1]
        channels = len(part) // 3
        restored[:channels, *band.area] += part[channels * (band.orientation - 1) :][:channels]
    return restored


def perceptual_loss(restored: Tensor, decoded: Tensor, original: Tensor) -> tuple[Tensor, dict[str, float]]:
    """Compute the loss of restored coefficients.

    Args:
        restored, decoded, original: coefficients (N, 3, S, S).

    Returns:
        The loss, and its terms by name with the gain over the decoded picture in dB ("gain_db").
    """
    weights = restored.new_tensor(CHANNEL_WEIGHTS)
    lightness = torch.ones(restored.shape[1:])
    lightness[0] = torch.from_numpy(luma_weights(restored.shape[3], restored.shape[2]).copy())
    restored, decoded, original = (of / lightness for of in (restored, decoded, original))
    mse, before = (((of - original).square().mean((2, 3)) * weights).sum(1) for of in (restored, decoded))
    levels = count_levels(restored.shape[3], restored.shape[2])
    luma, goal = (to_samples(of[:, 0], levels)[:, None] for of in (restored, original))
    terms = {
        "mse": torch.log((mse + LEAST_MSE) / (before + LEAST_MSE)).mean(),
        "gmsd": gradient_deviation(luma, goal).mean(),
    }
    product = torch.ones_like(mse)
    for scale, exponent in enumerate(SCALES):
        ssim, contrast = structure(luma, goal)
        if scale == 0:
            terms["ssim"] = 1 - ssim.mean()
        product = product * (ssim if scale == len(SCALES) - 1 else contrast).clamp(min=1e-3) ** exponent
        luma, goal = F.avg_pool2d(luma, 2), F.avg_pool2d(goal, 2)
    terms["ms_ssim"] = 1 - product.mean()
    loss = torch.stack([weight * terms[name] for name, weight in WEIGHTS.items()]).sum()
    figures = {name: float(term.detach()) for name, term in terms.items()}
    figures["gain_db"] = -10 / math.log(10) * figures["mse"]
    return loss, figures


def to_samples(coefficients: Tensor, levels: int) -> Tensor:
    """Apply the inverse transform of `levels` levels: (N, H, W), both sides multiples of 2^levels."""
    if levels == 0:
        return coefficients
    rows, columns = coefficients.shape[1] // 2, coefficients.shape[2] // 2
    low = to_samples(coefficients[:, :rows, :columns], levels - 1)
    upper = torch.cat([low, coefficients[:, :rows, columns:]], 2)
    whole = torch.cat([upper, coefficients[:, rows:]], 1)
    return _synthesis(2 * rows) @ whole @ _synthesis(2 * columns).T


@cache
def _synthesis(size: int) -> Tensor:
    """Return the matrix (size, size) that maps coefficients of one level to samples; `size` is even."""
    columns = np.eye(size, dtype=np.float32)
    for column in columns:
        merge(column[:, None], 1)
    return torch.from_numpy(columns.T.copy())


def structure(a: Tensor, b: Tensor) -> tuple[Tensor, Tensor]:
    """Return the SSIM of luma (N, 1, H, W), -128 to 127, in 7x7 windows: (N,) per picture, and its contrast term."""
    means = F.avg_pool2d(torch.cat([a, b, a * a, b * b, a * b], 1), (1, _WINDOW), 1)
    mean_a, mean_b, squares_a, squares_b, products = F.avg_pool2d(means, (_WINDOW, 1), 1).unbind(1)
    contrast = (2 * (products - mean_a * mean_b) + 58.5225) / (
        squares_a - mean_a * mean_a + squares_b - mean_b * mean_b + 58.5225
    )
    mean_a, mean_b = mean_a + 128, mean_b + 128
    light = (2 * mean_a * mean_b + 6.5025) / (mean_a * mean_a + mean_b * mean_b + 6.5025)
    return (light * contrast).mean((1, 2)), contrast.mean((1, 2))


def gradient_deviation(a: Tensor, b: Tensor) -> Tensor:
    """Return the GMSD of luma (N, 1, H, W) at half size (W. Xue et al., 2014): (N,) per picture, lower is better."""
    row = a.new_tensor((1.0, 1.0, 1.0)) / 3
    across = row[:, None] * a.new_tensor((1.0, 0.0, -1.0))
    kernels = torch.stack([across, across.T])[:, None]

    def magnitude(luma: Tensor) -> Tensor:
        return F.conv2d(F.avg_pool2d(luma, 2), kernels).square().sum(1).add(1e-3).sqrt()

    of_a, of_b = magnitude(a), magnitude(b)
    similarity = (2 * of_a * of_b + 170) / (of_a.square() + of_b.square() + 170)
    return (similarity.var((1, 2)) + 1e-6).sqrt()
