"""JSON files of people's key points, from OpenPose and compatible programs -> skeleton."""

import math
from pathlib import Path

from codec.layers import SKELETON_POINTS, Size, Skeleton
from layercast_common.errors import PictureError
from layercast_common.files import open_regular
from layercast_common.nested_text import parse_json

#: Largest key point file, in bytes (4 MiB).
MAX_KEYPOINTS_SIZE = 4 << 20

#: Most people of one picture; the first ones in the file are kept. The coder has the same limit.
MAX_PEOPLE = 63

#: Indices of the 18 points in OpenPose's newer model of 25 points (BODY_25; 8 is the mid hip).
_FROM_BODY_25 = (0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18)

#: A key point: x and y in pixels, or None if not visible.
Point = tuple[float, float] | None


def load_keypoints(path: Path | str, canvas: Size) -> Skeleton:
    """Read people's body points from an OpenPose JSON file, scaled to the canvas.

    Points that all lie within 0..1 are fractions of the picture. Other points are pixels: of `canvas_width` x
    `canvas_height` if the file has these fields, as ControlNet's editors write them, else of the canvas itself.

    Args:
        path: the file: {"people": [{"pose_keypoints_2d": [x, y, confidence, ...]}]}, 18 or 25 points a person, alone
            or as the first of a list of pictures.
        canvas: (width, height) of the picture, in pixels.

    Raises:
        PictureError: the file cannot be read, or has no key points of that form.
    """
    source = Path(path)
    document = _read(source)
    if isinstance(document, list) and document:
        document = document[0]
    people = document.get("people") if isinstance(document, dict) else None
    if not isinstance(document, dict) or not isinstance(people, list):
        raise PictureError(f"{source} has no OpenPose key points: it has no list of people")
    persons = tuple(_person(person, source) for person in people[:MAX_PEOPLE])
    seen = [point for person in persons for point in person if point is not None]
    if all(0 <= x <= 1 and 0 <= y <= 1 for x, y in seen):
        scale = (float(canvas[0]), float(canvas[1]))
    else:
        named = (document.get("canvas_width"), document.get("canvas_height"))
        scale = (_ratio(canvas[0], named[0]), _ratio(canvas[1], named[1]))
    return Skeleton(tuple(_scaled(person, scale) for person in persons), canvas)


def _read(path: Path) -> object:
    try:
        with open_regular(path) as file:
            data = file.read(MAX_KEYPOINTS_SIZE + 1)
        if len(data) > MAX_KEYPOINTS_SIZE:
            raise PictureError(f"{path} is larger than {MAX_KEYPOINTS_SIZE >> 20} MiB, too large for key points")
        document: object = parse_json(data)
    except OSError as error:
        raise PictureError(f"{path} cannot be read: {error.strerror}") from error
    except ValueError as error:
        raise PictureError(f"{path} is not JSON") from error
    return document


def _person(person: object, source: Path) -> tuple[Point, ...]:
    values = person.get("pose_keypoints_2d") if isinstance(person, dict) else None
    if values is None:
        return (None,) * SKELETON_POINTS
    if not isinstance(values, list) or len(values) not in (3 * SKELETON_POINTS, 3 * 25):
        raise PictureError(f"{source}: a person is 18 or 25 points of x, y and confidence")
    points = [_point(values[at : at + 3]) for at in range(0, len(values), 3)]
    if len(points) == SKELETON_POINTS:
        return tuple(points)
    return tuple(points[at] for at in _FROM_BODY_25)


def _point(values: list[object]) -> Point:
    """Return a point, or None if it has no confidence or is not numeric."""
    numbers = [float(value) for value in values if isinstance(value, int | float) and abs(value) < 1e6]
    if len(numbers) != 3 or not numbers[2] > 0 or not all(map(math.isfinite, numbers)):
        return None
    return (numbers[0], numbers[1])


def _ratio(side: int, named: object) -> float:
    return side / named if isinstance(named, int | float) and 0 < named < 1e6 else 1.0


def _scaled(person: tuple[Point, ...], scale: tuple[float, float]) -> tuple[Point, ...]:
    return tuple(None if point is None else (point[0] * scale[0], point[1] * scale[1]) for point in person)
