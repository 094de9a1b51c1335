"""The inputs of the restoration network: a decoded picture, its coefficients in steps, and what is known of them.

Everything is computed by torch, so that training on a GPU and rendering on a CPU use the same code.
"""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from codec.wavelet.transform import Band, bands, count_levels, top_plane

#: Stages of the network: at 1/4, 1/8, 1/16 and 1/32 of the picture's side, as the wavelet levels 2 to 5.
STAGES = 4

#: Number of levels, from the finest, whose last bit planes are part of the condition. That of the low band follows.
KNOWN_LEVELS = 7

#: Features of the condition: mean last bit planes of luma and chroma.
CONDITIONS = 2 * (KNOWN_LEVELS + 1)

#: Features of a stage: the coefficients of its level (three orientations of three channels), and the last bit planes
#: of those of luma.
STAGE_FEATURES = 9 + 3

#: Features of the first stage: also 4x4 samples of luma, 2x2 of each chroma channel at half of the side, luma
#: coefficients of the finest level, lines, and whether lines are known.
FIRST_STAGE_FEATURES = STAGE_FEATURES + 16 + 8 + 12 + 2

#: The last bit plane where no plane is known.
MAX_PLANE = 15

#: The picture is padded to a multiple of this in pixels.
MULTIPLE = 32


@dataclass(frozen=True, slots=True)
class PlaneInputs:
    """Inputs of the network for N pictures of one size.

    Attributes:
        stages: float (N, C, H / 4, W / 4), (N, C, H / 8, W / 8), ... of the padded picture.
        condition: float (N, CONDITIONS), last bit planes by level.
        shape: (H, W) of the pictures in pixels, without padding.
    """

    stages: tuple[Tensor, ...]
    condition: Tensor
    shape: tuple[int, int]


def network_inputs(decoded: Tensor, steps: Tensor, last_plane: Tensor, lines: Tensor | None) -> PlaneInputs:
    """Return the inputs of the network for pictures of one size.

    Args:
        decoded: float (N, 3, H, W), channels of the decoded pictures as `codec.wavelet.transform.inverse` returns them.
        steps: float (N, 3, H, W), signed magnitudes of the coefficients, see `in_steps`.
        last_plane: float (N, 3, H, W), the last known bit plane of each coefficient; above the top plane if unknown.
        lines: float (N, 1, ceil(H / 4), ceil(W / 4)), 0 to 1; None without lines.
    """
    height, width = decoded.shape[2:]
    canvas = (width, height)
    last_plane = torch.where(last_plane > top_plane(*canvas), MAX_PLANE, last_plane)
    condition = ((mean_planes(last_plane) - 8) / 3).flatten(1)
    reached = reached_plane(condition)[:, None, None, None]
    tall, wide = (side + -side % MULTIPLE for side in (height, width))
    known = ((last_plane[:, :1] - reached) / 2).clamp(-2, 2)
    fine = decoded.new_zeros(len(decoded), 3, tall // 2, wide // 2)
    stages = [decoded.new_zeros(len(decoded), STAGE_FEATURES, tall >> stage, wide >> stage) for stage in range(2, 6)]
    for band in bands(*canvas):
        kind = band.orientation - 1
        if kind >= 0 and band.level == 1:
            fine[:, kind, : band.height, : band.width] = steps[:, 0, *band.area]
        elif kind >= 0 and band.level - 2 < STAGES:
            stage = stages[band.level - 2]
            stage[:, 3 * kind : 3 * kind + 3, : band.height, : band.width] = steps[:, :, *band.area]
            stage[:, 9 + kind, : band.height, : band.width] = known[:, 0, *band.area]
    padded = F.pad(decoded, (0, wide - width, 0, tall - height), mode="replicate") / 64
    shown = decoded.new_zeros(len(decoded), 2, tall // 4, wide // 4)
    if lines is not None:
        shown[:, :1, : lines.shape[2], : lines.shape[3]] = lines
        shown[:, 1] = 1
    luma = F.pixel_unshuffle(padded[:, :1], 4)
    chroma = F.pixel_unshuffle(F.avg_pool2d(padded[:, 1:], 2), 2)
    first = torch.cat([luma, chroma, F.pixel_unshuffle(fine, 2), shown, stages[0]], 1)
    return PlaneInputs((first, *stages[1:]), condition, (height, width))


def reached_plane(condition: Tensor) -> Tensor:
    """Return the mean last bit plane of the levels 3 to 5 of luma, (N,), given the condition (N, CONDITIONS)."""
    return condition[:, 2:5].mean(1) * 3 + 8


def in_steps(magnitudes: Tensor, signs: Tensor) -> Tensor:
    """Return coefficients in steps as the network sees them: limited to 6 steps, and halved."""
    return ((magnitudes + 0.45) * signs).clamp(-6, 6) / 2


def mean_planes(last_plane: Tensor) -> Tensor:
    """Return the mean last bit planes of each level and of the low band: float (N, 2, KNOWN_LEVELS + 1), luma, chroma.

    If the picture has fewer levels, the coarsest one is repeated.

    Args:
        last_plane: float (N, 3, H, W), at most MAX_PLANE.
    """
    height, width = last_plane.shape[2:]
    by_place: dict[int, list[Band]] = {}
    for band in bands(width, height):
        place = KNOWN_LEVELS if band.orientation == 0 else min(band.level, KNOWN_LEVELS) - 1
        by_place.setdefault(place, []).append(band)
    columns = {}
    for place, of_place in by_place.items():
        values = torch.cat([last_plane[:, :, *band.area].flatten(2) for band in of_place], 2).mean(2)
        columns[place] = torch.stack([values[:, 0], values[:, 1:].mean(1)], 1)
    coarsest = min(max(count_levels(width, height), 1), KNOWN_LEVELS) - 1
    whole = columns.get(coarsest, columns[KNOWN_LEVELS])
    return torch.stack([columns.get(place, whole) for place in range(KNOWN_LEVELS + 1)], 2)
