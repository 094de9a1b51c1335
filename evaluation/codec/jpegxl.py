"""JPEG XL, lossless, at its slowest and smallest, to hold edge maps against."""

import numpy as np
from numpy.typing import NDArray

from layercast_common.errors import MissingExtraError

EFFORT = 9


def jpegxl_size(grid: NDArray[np.bool_]) -> int:
    """Bytes of a map of black and white as lossless JPEG XL.

    Raises:
        MissingExtraError: the library that codes it is not installed.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError("comparing with JPEG XL", "bench") from error
    picture = grid.astype(np.uint8) * np.uint8(255)
    return len(imagecodecs.jpegxl_encode(picture, lossless=True, effort=EFFORT))
