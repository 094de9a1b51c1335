"""Lines of a picture that came as bit planes. They cost no bytes: models with adapters draw along them."""

from codec.layers import EdgeMap
from codec.structure.contours import find_contours
from codec.wavelet.plane import Plane
from codec.wavelet.transform import texture_plane

#: Cells on the long side of the map when one plane of detail is known in part, and the largest number.
FIRST_SIDE, MAX_SIDE = 96, 256


def derive_lines(plane: Plane) -> EdgeMap | None:
    """Find the lines of a decoded picture, on a finer grid the more is known; None without detail.

    Args:
        plane: the decoded state of the picture.
    """
    if not plane.has_detail:
        return None
    more = texture_plane(*plane.canvas) - plane.lowest - 1
    return find_contours(plane.to_image())[0].draw(min(FIRST_SIDE * (2 + more) // 2, MAX_SIDE))
