"""Draw poses in the style of OpenPose, on which pose adapters were trained."""

import colorsys

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import SKELETON_LIMBS, SKELETON_POINTS, Size, Skeleton

#: One RGB colour per point and limb, evenly spaced on the colour wheel.
_COLORS = tuple(
    tuple(round(255 * part) for part in colorsys.hsv_to_rgb(point / SKELETON_POINTS, 1, 1))
    for point in range(SKELETON_POINTS)
)

#: Limbs are darker than points, so that the points remain visible.
_LIMB_BRIGHTNESS = 0.6


def draw_pose(skeleton: Skeleton, size: Size) -> NDArray[np.uint8]:
    """Draw coloured limbs and points on black; return (H, W, 3) uint8 RGB at `size` (width, height)."""
    width, height = size
    drawn = np.zeros((height, width, 3), np.uint8)
    scale = np.array([width / skeleton.canvas[0], height / skeleton.canvas[1]])
    # OpenPose draws with a radius of four pixels at 512.
    radius = max(1, round(max(size) / 128))
    for person in skeleton.people:
        points = [None if point is None else np.floor(np.array(point) * scale).astype(int) for point in person]
        for (first, second), color in zip(SKELETON_LIMBS, _COLORS, strict=False):
            start, end = points[first], points[second]
            if start is not None and end is not None:
                dark = [part * _LIMB_BRIGHTNESS for part in color]
                cv2.line(drawn, start.tolist(), end.tolist(), dark, thickness=2 * radius)
        for point, color in zip(points, _COLORS, strict=True):
            if point is not None:
                cv2.circle(drawn, point.tolist(), radius, list(color), thickness=-1)
    return drawn
