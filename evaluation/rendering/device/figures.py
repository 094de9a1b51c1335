"""What the parts of a device's report share."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

#: The figures of one part of the report, by name.
Figures = dict[str, Any]

#: Longest wait for a picture, in seconds.
PATIENCE_S = 300.0


def difference(picture: NDArray[np.int16], other: NDArray[np.int16]) -> Figures:
    """Return how far two pictures differ, in levels of 255; single pixels say little in half precision."""
    distance = np.abs(picture - other)
    return {
        "mean": round(float(distance.mean()), 4),
        "p99_9": round(float(np.percentile(distance, 99.9)), 2),
        "most": int(distance.max()),
    }
