"""Scenes composed of one to three rendered objects on a ground, so that object names have pictures.

The objects are a folder of square pictures with alpha, and an ``objects.json`` that lists their files and names. A
scene depends only on its seed and the ground's picture: it is the same at any size and in any stage.
"""

import json
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.captioning.palette import NAMED_COLORS

#: Most words of a name: longer names describe a variant of an object.
MAX_WORDS = 3

#: Names of written symbols, and names with a side, which a mirrored picture would contradict.
_NOT_A_THING = re.compile(
    r"\b(sign|symbol|symbols|button|ideograph|clock|keycap|letter|letters|input|squared|squares?|mark|arrow|arrows|"
    r"left|right|leftwards|rightwards|pointing|facing|number|negative|mirrored|type|with (male|female))\b|-|\d"
)

#: Range of an object's side as a share of the scene's, by the number of objects.
SIDES = {1: (0.7, 0.9), 2: (0.4, 0.5), 3: (0.28, 0.36)}

#: Range of an object's horizontal and vertical place in its part of the scene: near the middle, so that many pictures
#: of one object share its shape and do not average to a blur.
COLUMN, LINE = (0.35, 0.65), (0.4, 0.65)

#: Shares of scenes by number of objects, and by kind of ground.
COUNT_SHARES = {1: 0.8, 2: 0.15, 3: 0.05}
GROUND_SHARES = {"plain": 0.55, "graded": 0.3, "picture": 0.15}


@dataclass(frozen=True, slots=True)
class Thing:
    """An object: its file and its name."""

    file: str
    name: str


@dataclass(frozen=True, slots=True)
class Scene:
    """A composed picture.

    Attributes:
        seed: of the objects' places and sizes.
        things: the objects from left to right.
        ground: "plain", "graded" or "picture".
        colors: names of the ground's colours: one if plain, two from top to bottom if graded.
        backdrop: index of the background picture among the tiles of the split; -1 if there is none.
    """

    seed: int
    things: tuple[Thing, ...]
    ground: str
    colors: tuple[str, ...]
    backdrop: int


def read_things(folder: Path) -> list[Thing]:
    """Return the objects of a folder whose names are short and name a thing."""
    rows = json.loads((folder / "objects.json").read_text(encoding="utf-8"))
    things = [Thing(row["file"], row["name"]) for row in rows]
    return [t for t in things if len(t.name.split()) <= MAX_WORDS and not _NOT_A_THING.search(t.name)]


def plan_scenes(things: Sequence[Thing], count: int, tiles: int, seed: int) -> Iterator[Scene]:
    """Yield scenes; every object is the first one of about the same number of them.

    Args:
        things: the objects to choose from; at least one.
        count: number of scenes.
        tiles: number of background pictures to choose from.
        seed: of all choices.
    """
    random = np.random.default_rng(seed)
    order = np.concatenate([random.permutation(len(things)) for _ in range(count // len(things) + 1)])
    names = list(NAMED_COLORS)
    for number in range(count):
        more = int(random.choice(list(COUNT_SHARES), p=list(COUNT_SHARES.values()))) - 1
        chosen = [int(order[number]), *(int(index) for index in random.integers(0, len(things), more))]
        ground = str(random.choice(list(GROUND_SHARES), p=list(GROUND_SHARES.values())))
        colors = random.choice(names, {"plain": 1, "graded": 2, "picture": 0}[ground], replace=False)
        yield Scene(
            seed=int(random.integers(1 << 31)),
            things=tuple(things[index] for index in chosen),
            ground=ground,
            colors=tuple(str(name) for name in colors),
            backdrop=int(random.integers(tiles)) if ground == "picture" else -1,
        )


def draw_scene(folder: Path, scene: Scene, backdrop: NDArray[np.uint8] | None, size: int) -> NDArray[np.uint8]:
    """Draw a scene.

    Args:
        folder: the folder of the objects.
        scene: the scene to draw.
        backdrop: the background picture, (size, size, 3) uint8 RGB, if the scene has one.
        size: side of the scene, in pixels.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    random = np.random.default_rng(scene.seed)
    picture = _ground(scene, backdrop, size)
    column = size / len(scene.things)
    for place, thing in enumerate(scene.things):
        side = round(size * random.uniform(*SIDES[len(scene.things)]))
        # Each object stays in its own part of the width, so that their order defines left and right.
        left = round(place * column + random.uniform(*COLUMN) * max(0.0, column - side))
        top = round(random.uniform(*LINE) * (size - side))
        _paste(picture, folder / thing.file, min(left, size - side), top, side)
    return picture.round().astype(np.uint8)


def draw_alone(folder: Path, thing: Thing, grounds: Sequence[str], size: int) -> NDArray[np.uint8]:
    """Draw an object in the middle of the plain ground that contrasts with it most.

    Args:
        folder: the folder of the objects.
        thing: the object.
        grounds: names of the colours to choose from.
        size: side of the picture, in pixels.

    Returns:
        (size, size, 3) uint8 RGB.
    """
    side = round(size * np.mean(SIDES[1]))
    margin = (size - side) // 2
    shades = [np.frombuffer(bytes.fromhex(NAMED_COLORS[name][0]), np.uint8).astype(np.float32) for name in grounds]
    pictures = [np.broadcast_to(shade, (size, size, 3)).copy() for shade in shades]
    for picture in pictures:
        _paste(picture, folder / thing.file, margin, margin, side)
    contrasts = [np.abs(picture - shade).sum() for picture, shade in zip(pictures, shades, strict=True)]
    return pictures[int(np.argmax(contrasts))].round().astype(np.uint8)


def _ground(scene: Scene, backdrop: NDArray[np.uint8] | None, size: int) -> NDArray[np.float32]:
    if backdrop is not None:
        # Blurred, so that the objects are the subject of the scene.
        return np.asarray(cv2.GaussianBlur(backdrop.astype(np.float32), (0, 0), size / 64), np.float32)
    ends = [np.frombuffer(bytes.fromhex(NAMED_COLORS[name][0]), np.uint8).astype(np.float32) for name in scene.colors]
    share = np.linspace(0, 1, size, dtype=np.float32)[:, None, None]
    return np.broadcast_to(ends[0] * (1 - share) + ends[-1] * share, (size, size, 3)).astype(np.float32)


def _paste(picture: NDArray[np.float32], file: Path, left: int, top: int, side: int) -> None:
    with Image.open(file, formats=("PNG", "WEBP")) as image:
        thing = np.asarray(image.convert("RGBA").resize((side, side), Image.Resampling.LANCZOS), np.float32)
    alpha = thing[..., 3:] / 255
    below = picture[top : top + side, left : left + side]
    below += alpha * (thing[..., :3] - below)
