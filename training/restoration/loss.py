"""Perceptual losses of restored pictures, differentiable, and the gains over decoded pictures."""

import torch
import torch.nn.functional as F
from torch import Tensor

from training.restoration.coding import TO_RGB

#: Weights of the loss terms. "mse" and "color" are natural logarithms of the remaining share of the decoded error.
WEIGHTS = {"mse": 1.0, "color": 0.1, "ssim": 1.0, "ms_ssim": 3.0, "gmsd": 3.0}

#: Added to squared errors, in squared levels of 0 to 255: smaller errors are hardly visible.
LEAST_MSE = 8.0

#: Side of the averages whose chroma is compared, in pixels.
COLOR_SIDE = 32

#: Exponents of the scales of MS-SSIM (Z. Wang, E. P. Simoncelli, A. C. Bovik, 2003).
SCALES = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)

_WINDOW = 7


def perceptual_loss(restored: Tensor, decoded: Tensor, original: Tensor) -> tuple[Tensor, dict[str, Tensor]]:
    """Compute the loss of restored pictures.

    Args:
        restored, decoded, original: channels (N, 3, H, W) as `codec.wavelet.transform.inverse` returns them.

    Returns:
        The loss, and its terms by name.
    """
    terms = {
        "mse": _log_share(*(squared_error(of, original) for of in (restored, decoded))),
        "color": _log_share(*(_color_error(of, original) for of in (restored, decoded))),
        **{name: term.mean() for name, term in _figures(restored[:, :1], original[:, :1]).items()},
    }
    loss = torch.stack([weight * terms[name] for name, weight in WEIGHTS.items()]).sum()
    return loss, {name: term.detach() for name, term in terms.items()}


@torch.no_grad()
def gains(restored: Tensor, decoded: Tensor, original: Tensor) -> dict[str, Tensor]:
    """Return mean gains of restored over decoded channels: PSNR in dB of RGB, SSIM, MS-SSIM and GMSD of luma."""
    before, after = (squared_error(of, original) for of in (decoded, restored))
    figures = {"psnr": (10 * torch.log10((before + 1e-3) / (after + 1e-3))).mean()}
    old, new = (_figures(of[:, :1], original[:, :1]) for of in (decoded, restored))
    for name, sign in (("ssim", -1), ("ms_ssim", -1), ("gmsd", 1)):
        figures[name] = sign * (new[name] - old[name]).mean()
    return figures


def squared_error(channels: Tensor, original: Tensor) -> Tensor:
    """Return the mean squared error in RGB of each picture, (N,)."""
    difference = torch.einsum("cd,ndhw->nchw", channels.new_tensor(TO_RGB), channels - original)
    return difference.square().mean((1, 2, 3))


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


def _figures(luma: Tensor, goal: Tensor) -> dict[str, Tensor]:
    """Return 1 - SSIM, 1 - MS-SSIM and GMSD of each picture, (N,)."""
    figures = {"gmsd": gradient_deviation(luma, goal)}
    product = torch.ones_like(figures["gmsd"])
    for scale, exponent in enumerate(SCALES):
        ssim, contrast = structure(luma, goal)
        if scale == 0:
            figures["ssim"] = 1 - ssim
        product = product * (ssim if scale == len(SCALES) - 1 else contrast).clamp(min=1e-3) ** exponent
        luma, goal = F.avg_pool2d(luma, 2), F.avg_pool2d(goal, 2)
    figures["ms_ssim"] = 1 - product
    return figures


def _color_error(channels: Tensor, original: Tensor) -> Tensor:
    return F.avg_pool2d(channels[:, 1:] - original[:, 1:], COLOR_SIDE).square().mean((1, 2, 3))


def _log_share(after: Tensor, before: Tensor) -> Tensor:
    return torch.log((after + LEAST_MSE) / (before + LEAST_MSE)).mean()
