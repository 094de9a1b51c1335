"""Structure by trained annotators from controlnet-aux: HED and PiDiNet edges, OpenPose skeletons.

HED: arXiv 1504.06375. PiDiNet: arXiv 2108.07009. OpenPose: arXiv 1812.08008.
"""

import enum
import functools
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from codec.analysis.edges import edges_from_drawing
from codec.analysis.hub import is_local, missing_weights
from codec.layers import SKELETON_POINTS, EdgeMap, Size, Skeleton
from layercast_common.errors import MissingExtraError, ModelFilesError

#: The hub id of all weights of controlnet-aux.
DEFAULT_WEIGHTS = "lllyasviel/Annotators"


class Annotator(enum.StrEnum):
    """A trained annotator."""

    PIDINET = "pidinet"
    HED = "hed"
    OPENPOSE = "openpose"


#: Class of each annotator in controlnet-aux.
_CLASSES = {
    Annotator.PIDINET: "PidiNetDetector",
    Annotator.HED: "HEDdetector",
    Annotator.OPENPOSE: "OpenposeDetector",
}


def annotate_edges(
    picture: NDArray[np.uint8],
    annotator: Annotator,
    long_side: int,
    *,
    weights: str | Path = DEFAULT_WEIGHTS,
    device: str = "cpu",
) -> EdgeMap:
    """Find a picture's lines with PiDiNet or HED.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        annotator: PIDINET or HED.
        long_side: cells on the long side of the grid.
        weights: a local folder or a hub id.
        device: "cpu" or "cuda".

    Raises:
        MissingExtraError: controlnet-aux, or one of its dependencies, is not installed.
        MissingModelError: the weights are not on this machine and cannot be downloaded.
        ModelFilesError: the weights are damaged.
    """
    height, width = picture.shape[:2]
    detector = _load(annotator, str(weights), device)
    # controlnet-aux expects the short side as resolution and rounds it to multiples of 64, as canvas sides are.
    short_side = min(height, width)
    drawing = detector(picture, detect_resolution=short_side, image_resolution=short_side, output_type="np")
    return edges_from_drawing(np.ascontiguousarray(drawing[:, :, 0]), long_side, (width, height))


def annotate_pose(
    picture: NDArray[np.uint8], *, weights: str | Path = DEFAULT_WEIGHTS, device: str = "cpu"
) -> Skeleton:
    """Find the people in a picture and their body points with OpenPose.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        weights: a local folder or a hub id.
        device: "cpu" or "cuda".

    Raises:
        MissingExtraError, MissingModelError, ModelFilesError: as `annotate_edges`.
    """
    height, width = picture.shape[:2]
    poses = _load(Annotator.OPENPOSE, str(weights), device).detect_poses(picture)
    return skeleton_from_fractions(([_xy(point) for point in pose.body.keypoints] for pose in poses), (width, height))


def skeleton_from_fractions(people: Iterable[list[tuple[float, float] | None]], canvas: Size) -> Skeleton:
    """Build a skeleton from points given as fractions, 0..1, of the canvas's width and height.

    Args:
        people: OpenPose's 18 points for each person, None for points that are not visible.
        canvas: (width, height) in pixels.
    """
    width, height = canvas
    scaled = (
        tuple(None if point is None else (point[0] * width, point[1] * height) for point in person[:SKELETON_POINTS])
        for person in people
    )
    return Skeleton(tuple(scaled), canvas)


def _xy(point: Any) -> tuple[float, float] | None:
    return None if point is None else (float(point.x), float(point.y))


@functools.lru_cache(maxsize=2)
def _load(annotator: Annotator, weights: str, device: str) -> Any:
    try:
        import controlnet_aux
        from huggingface_hub.errors import HFValidationError
    except ImportError as error:
        raise MissingExtraError(f"structure by {annotator}", "annotators") from error
    detector = getattr(controlnet_aux, _CLASSES[annotator])
    try:
        return detector.from_pretrained(weights, local_files_only=is_local(weights)).to(device)
    except (OSError, HFValidationError) as error:
        raise missing_weights(f"the annotator {annotator}", weights, "use --structure canny") from error
    except Exception as error:  # torch and controlnet-aux document no closed set of errors for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ModelFilesError(f"the {annotator} weights {weights} cannot be loaded: {reason}") from error
