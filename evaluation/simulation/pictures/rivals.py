"""Chooses the rivals' files: at least the bytes of ours, or the smallest as good as ours in the end."""

from collections.abc import Callable
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from evaluation.formats.formats import Format
from evaluation.quality.quality import Quality, compare
from evaluation.simulation.scenario.model import FIGURES

#: Factors by which pictures are scaled down before they are encoded.
SCALES = (1, 2, 3, 4, 6, 8)

#: Largest ratio of a file's size to the requested one: quality levels come in steps.
NEAR = 1.15


@dataclass(frozen=True, eq=False, slots=True)
class RivalFile:
    """A rival's file of a picture.

    Attributes:
        data: the file.
        scale: by which the picture was scaled down before encoding.
        reached: whether the file is as good as was asked.
    """

    data: bytes
    scale: int
    reached: bool


def scaled_up(picture: NDArray[np.uint8], like: NDArray[np.uint8]) -> NDArray[np.uint8]:
    """Return a decoded picture at the size of the original."""
    height, width = like.shape[:2]
    return np.asarray(cv2.resize(picture, (width, height), interpolation=cv2.INTER_CUBIC), np.uint8)


def is_better(figure: str, first: Quality, second: Quality) -> bool:
    """Return whether the first picture is better than the second by a figure."""
    one, other = getattr(first, figure), getattr(second, figure)
    return bool(one > other if FIGURES[figure] else one < other)


def file_of_size(picture: NDArray[np.uint8], size: int, codec: Format, figure: str) -> RivalFile:
    """Return the best file of `size` bytes, or up to `NEAR` times as many; the smallest file if none is so small.

    Args:
        picture: (H, W, 3) uint8 RGB.
        size: least size, in bytes.
        codec: the format.
        figure: by which the best scale is chosen.
    """
    near: list[tuple[bytes, int, Quality]] = []
    smallest: tuple[bytes, int] | None = None
    for scale in SCALES:
        small = _scaled_down(picture, scale)
        least = codec.encode(small, codec.qualities[0])
        if smallest is None or len(least) < len(smallest[0]):
            smallest = (least, scale)
        if len(least) > NEAR * size:
            continue
        data = least if len(least) >= size else _lowest(codec, small, lambda data: len(data) >= size)
        if size <= len(data) <= NEAR * size:
            near.append((data, scale, compare(scaled_up(codec.decode(data), picture), picture)))
    if not near:
        assert smallest is not None
        return RivalFile(*smallest, reached=False)
    best = near[0]
    for other in near[1:]:
        best = other if is_better(figure, other[2], best[2]) else best
    return RivalFile(best[0], best[1], reached=True)


def file_as_good(picture: NDArray[np.uint8], quality: Quality, codec: Format, figure: str) -> RivalFile:
    """Return the smallest file that is as good by a figure; the best one if none is.

    Args:
        picture: (H, W, 3) uint8 RGB.
        quality: the quality to reach.
        codec: the format.
        figure: the figure.
    """
    best: RivalFile | None = None
    for scale in reversed(SCALES):
        small = _scaled_down(picture, scale)

        def is_enough(data: bytes) -> bool:
            return not is_better(figure, quality, compare(scaled_up(codec.decode(data), picture), picture))

        least = codec.encode(small, codec.qualities[0])
        if best is not None and len(least) >= len(best.data):
            continue
        if not is_enough(codec.encode(small, codec.qualities[-1])):
            continue
        data = least if is_enough(least) else _lowest(codec, small, is_enough)
        if best is None or len(data) < len(best.data):
            best = RivalFile(data, scale, reached=True)
    return best or RivalFile(codec.encode(picture, codec.qualities[-1]), 1, reached=False)


def _scaled_down(picture: NDArray[np.uint8], scale: int) -> NDArray[np.uint8]:
    height, width = picture.shape[:2]
    size = (max(1, width // scale), max(1, height // scale))
    return np.ascontiguousarray(cv2.resize(picture, size, interpolation=cv2.INTER_AREA), np.uint8)


def _lowest(codec: Format, picture: NDArray[np.uint8], suffices: Callable[[bytes], bool]) -> bytes:
    """Return the file in the lowest quality that suffices; in the highest if none does."""
    low, high = 0, len(codec.qualities) - 1
    best = b""
    while low < high:
        middle = (low + high) // 2
        data = codec.encode(picture, codec.qualities[middle])
        if suffices(data):
            high, best = middle, data
        else:
            low = middle + 1
    return best or codec.encode(picture, codec.qualities[high])
