"""The restoration network: a U-Net that estimates the part of a picture that its known bit planes do not contain."""

import itertools
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from receiver.rendering.restoration.inputs import (
    CONDITIONS,
    FIRST_STAGE_FEATURES,
    STAGE_FEATURES,
    PlaneInputs,
    reached_plane,
)

#: Channels that the network estimates at a quarter of the side: 4x4 samples of luma, and 2x2 of each chroma channel at
#: half of the side.
ESTIMATED = 16 + 8

#: Factor of the network's outputs, in levels of 0 to 255: a typical error of a decoded picture.
SCALE = 12.0

#: Period of the pattern that is removed from estimates, in pixels; side of the area in which it repeats, in periods;
#: and the plane from which on estimates are kept as they are.
PERIOD, AREA, KEPT_FROM = 8, 3, 5


@dataclass(frozen=True, slots=True)
class NetworkForm:
    """Layer sizes of the network.

    Attributes:
        widths: channels at 1/4, 1/8, 1/16 and 1/32 of the picture's side.
        down: residual blocks of each stage, from fine to coarse.
        up: residual blocks of each stage but the last, from coarse to fine.
        condition: width of the vector by which each block knows the last bit planes.
    """

    widths: tuple[int, ...] = (56, 96, 128, 160)
    down: tuple[int, ...] = (2, 2, 2, 2)
    up: tuple[int, ...] = (2, 2, 2)
    condition: int = 64


class Block(nn.Module):
    """A residual block of two convolutions. The condition scales and shifts its inner channels.

    E. Perez et al., "FiLM: Visual Reasoning with a General Conditioning Layer", 2018.
    """

    def __init__(self, width: int, condition: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(width, width, 3, padding=1)
        self.second = nn.Conv2d(width, width, 3, padding=1)
        self.modulation = nn.Linear(condition, 2 * width)
        for layer in (self.second, self.modulation):
            _clear(layer)

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the features (N, C, H, W) after the block; `condition` is (N, condition)."""
        scale, shift = self.modulation(condition)[:, :, None, None].chunk(2, 1)
        y: Tensor = self.second(F.silu(self.first(x) * (1 + scale) + shift))
        return x + y


class Stage(nn.ModuleList):
    """Residual blocks in sequence."""

    def __init__(self, width: int, count: int, condition: int) -> None:
        super().__init__(Block(width, condition) for _ in range(count))

    def forward(self, x: Tensor, condition: Tensor) -> Tensor:
        """Return the features (N, C, H, W) after all blocks."""
        for block in self:
            x = block(x, condition)
        return x


class RestorationNetwork(nn.Module):
    """A U-Net without attention. An untrained network does not change the picture."""

    def __init__(self, form: NetworkForm) -> None:
        super().__init__()
        self.form = form
        widths, condition = form.widths, form.condition
        self.embed = nn.Sequential(
            nn.Linear(CONDITIONS, condition), nn.SiLU(), nn.Linear(condition, condition), nn.SiLU()
        )
        entering = (FIRST_STAGE_FEATURES, *(STAGE_FEATURES for _ in widths[1:]))
        self.enter = nn.ModuleList(
            nn.Conv2d(features, width, 3, padding=1) for features, width in zip(entering, widths, strict=True)
        )
        self.down = nn.ModuleList(Stage(*sizes, condition) for sizes in zip(widths, form.down, strict=True))
        self.shrink = nn.ModuleList(nn.Conv2d(a, b, 2, 2) for a, b in itertools.pairwise(widths))
        self.grow = nn.ModuleList(nn.ConvTranspose2d(b, a, 2, 2) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(Stage(*sizes, condition) for sizes in zip(widths, reversed(form.up), strict=False))
        self.leave = nn.Conv2d(widths[0], ESTIMATED, 3, padding=1)
        _clear(self.leave)

    def forward(self, inputs: PlaneInputs) -> Tensor:
        """Estimate the differences between the original and the decoded channels: float (N, 3, H, W), as `inputs`."""
        condition = self.embed(inputs.condition)
        x, kept = self.enter[0](inputs.stages[0]), []
        for place, stage in enumerate(self.down):
            x = stage(x, condition)
            if place < len(self.down) - 1:
                kept.append(x)
                x = self.shrink[place](x) + self.enter[place + 1](inputs.stages[place + 1])
        for place in range(len(kept) - 1, -1, -1):
            x = self.up[place](self.grow[place](x) + kept[place], condition)
        estimated = self.leave(x).float() * SCALE
        luma = without_pattern(F.pixel_shuffle(estimated[:, :16], 4), inputs.condition)
        chroma = F.interpolate(
            F.pixel_shuffle(estimated[:, 16:], 2), scale_factor=2, mode="bilinear", align_corners=False
        )
        height, width = inputs.shape
        return torch.cat([luma, chroma], 1)[:, :, :height, :width]


def without_pattern(luma: Tensor, condition: Tensor) -> Tensor:
    """Remove what repeats every `PERIOD` pixels from estimates of luma (N, 1, H, W); both sides are multiples of it.

    A network that is trained for similar gradients fills surfaces of unknown texture with a regular pattern. No picture
    has it: a texture that repeats exactly on the network's grid is not found at these rates. Below plane `KEPT_FROM`
    the pattern fades out, and the estimates are kept.

    Args:
        luma: the estimates.
        condition: (N, CONDITIONS), see `PlaneInputs`.
    """
    parts = F.pixel_unshuffle(luma, PERIOD)
    mean = parts.mean(1, keepdim=True)
    smooth = F.interpolate(mean, scale_factor=PERIOD, mode="bilinear", align_corners=False)
    margin = AREA // 2
    local = F.pad(parts - F.pixel_unshuffle(smooth, PERIOD), (margin,) * 4, mode="replicate")
    pattern = F.pixel_shuffle(F.avg_pool2d(local, AREA, 1), PERIOD)
    share = ((reached_plane(condition) - KEPT_FROM) / 2).clamp(0, 1)
    return luma - share[:, None, None, None] * pattern


def _clear(layer: nn.Module) -> None:
    for parameter in layer.parameters():
        nn.init.zeros_(parameter)
