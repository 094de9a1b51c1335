"""Priors -> a simple preview picture, without a model."""

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.layers import Priors

#: Background without colours (RGB), and brightness of a colour under a line, in per cent.
GROUND, UNDER_LINES = (208, 208, 208), 30


def paint_priors(priors: Priors) -> NDArray[np.uint8]:
    """Paint the colours as a smooth background, and the lines and people over it.

    Args:
        priors: the decoded layers; any may be missing.

    Returns:
        (H, W, 3) uint8 RGB at canvas size.
    """
    width, height = priors.canvas
    if priors.texture is None:
        picture = np.full((height, width, 3), GROUND, np.uint8)
    else:
        picture = np.asarray(cv2.resize(priors.texture.colors, priors.canvas, interpolation=cv2.INTER_CUBIC), np.uint8)
    for prior in (priors.structure, priors.skeleton):
        if prior is not None:
            lines = prior.to_image(priors.canvas) > 0
            picture[lines] = picture[lines].astype(np.uint16) * UNDER_LINES // 100
    return picture
