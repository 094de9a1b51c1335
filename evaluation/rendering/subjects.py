"""The pictures that rendering is measured on, encoded like `layercast encode`."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from codec.canvas import fit_to_canvas
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import load_picture
from codec.layers import Priors
from layercast_common.errors import UsageError

_SUFFIXES = (".png", ".webp", ".jpg", ".jpeg")


@dataclass(frozen=True, slots=True, eq=False)
class Subject:
    """One picture to measure on.

    Attributes:
        name: its file name.
        original: (H, W, 3) uint8 RGB at canvas size.
        priors: all layers of its stream.
        seed: of the starting noise.
    """

    name: str
    original: NDArray[np.uint8]
    priors: Priors
    seed: int


def find_pictures(folder: Path, count: int) -> list[Path]:
    """Return the first `count` pictures of a folder, in order of their names.

    Raises:
        UsageError: the folder does not exist or holds no picture.
    """
    paths = sorted(path for path in folder.iterdir() if path.suffix.lower() in _SUFFIXES) if folder.is_dir() else []
    if not paths:
        raise UsageError(f"no picture in {folder}; use a folder with {', '.join(_SUFFIXES)} files")
    return paths[:count]


def load_subjects(paths: Sequence[Path], seed: int) -> list[Subject]:
    """Encode pictures and decode them again; the first gets `seed`, each further one the next number.

    Raises:
        LayercastError: a picture cannot be read or encoded.
    """
    subjects = []
    for number, path in enumerate(paths):
        stream = encode_picture(path, EncodeOptions(seed=seed + number)).stream
        original = fit_to_canvas(load_picture(path).image, stream.header.canvas)
        subjects.append(Subject(path.name, original, stream.decode(), seed + number))
    return subjects
