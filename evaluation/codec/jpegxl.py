"""Lossless JPEG XL at its highest effort, for comparison with the edge coder."""

import numpy as np
from numpy.typing import NDArray

from layercast_common.errors import MissingExtraError

#: JPEG XL's effort, 1..9.
EFFORT = 9


def jpegxl_size(grid: NDArray[np.bool_]) -> int:
    """Return the size of a black-and-white map as lossless JPEG XL, in bytes.

    Args:
        grid: (rows, columns) bool.

    Raises:
        MissingExtraError: imagecodecs is not installed.
    """
    try:
        import imagecodecs
    except ImportError as error:
        raise MissingExtraError("comparing with JPEG XL", "bench") from error
    picture = grid.astype(np.uint8) * np.uint8(255)
    return len(imagecodecs.jpegxl_encode(picture, lossless=True, effort=EFFORT))
