"""Find pictures whose label of the subject is doubtful, before they represent the subject in the retrieval index.

The data set labels a picture by its place in the sheet, and some sheets have a person where others have a street. The
captioner cannot find these pictures: it was trained on the same labels and remembers them. So a second classifier,
kernel ridge regression on histograms of gradients (Dalal and Triggs, CVPR 2005), judges every sheet after training on
the others. Both must agree with the label, and pictures that were rejected by eye (`rejected.txt`) are left out.
"""

import hashlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import cv2
import numpy as np
from numpy.typing import NDArray

from codec.analysis.captioning.classifier import SUBJECTS, classify
from training.data.tiles import Source, Tile, load_tile

#: Folds of the sheets; each is judged after training on the others.
FOLDS = 10

#: Least margin of the second classifier, by subject: between people and streets. Chosen by looking at the pictures of
#: the training split in order of their margin.
MIN_MARGINS = {"woman": 0.2, "man": 0.2, "city street": 0.6}

#: Least probability of the label according to the captioner.
MIN_PROBABILITY = 0.8

#: Pictures that were rejected by eye: a sheet and a corner (tl, tr, bl, br) in each line.
REJECTED = Path(__file__).parent / "rejected.txt"

_SIDE = 96
_ANGLES = 9
_RIDGE = 1.0


def has_certain_subject(source: Source, tiles: Sequence[Tile]) -> Iterator[bool]:
    """Yield, for each tile in order, whether it certainly shows the subject that it is labelled with.

    Args:
        source: the data set.
        tiles: tiles of many sheets. Those without a subject are uncertain.
    """
    labelled = [tile for tile in tiles if tile.subject in SUBJECTS]
    margins = iter(_margins(source, labelled))
    rejected = frozenset(REJECTED.read_text(encoding="utf-8").splitlines())
    for tile in tiles:
        if tile.subject not in SUBJECTS:
            yield False
            continue
        margin = next(margins)
        certain = margin >= MIN_MARGINS[tile.subject] and f"{tile.sheet} {_corner(tile)}" not in rejected
        yield certain and classify(load_tile(source.data, tile)).subjects[tile.subject] >= MIN_PROBABILITY


def describe_gradients(picture: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Describe a picture (H, W, 3) uint8 RGB by histograms of gradients on two grids and a tiny thumbnail: (N,)."""
    lab = cv2.cvtColor(cv2.resize(picture, (_SIDE, _SIDE), interpolation=cv2.INTER_AREA), cv2.COLOR_RGB2Lab)
    values = lab.astype(np.float32) * np.float32(100 / 255)
    across = cv2.Sobel(values[..., 0], cv2.CV_32F, 1, 0, ksize=1)
    down = cv2.Sobel(values[..., 0], cv2.CV_32F, 0, 1, ksize=1)
    size, angle = np.hypot(across, down), np.arctan2(down, across) % np.pi / np.pi * _ANGLES
    low, share = np.floor(angle).astype(np.int64) % _ANGLES, angle - np.floor(angle)
    parts = []
    for cell in (8, 16):
        rows, columns = np.mgrid[0:_SIDE, 0:_SIDE] // cell
        histograms = np.zeros((_SIDE // cell, _SIDE // cell, _ANGLES), np.float32)
        np.add.at(histograms, (rows, columns, low), size * (1 - share))
        np.add.at(histograms, (rows, columns, (low + 1) % _ANGLES), size * share)
        energy = cv2.blur((histograms**2).sum(2), (3, 3), borderType=cv2.BORDER_REPLICATE)
        parts.append((histograms / np.sqrt(energy + 4)[..., None]).ravel())
    thumbnail = cv2.resize(values, (6, 6), interpolation=cv2.INTER_AREA).ravel()
    return np.concatenate([_unit(np.concatenate(parts)), 0.3 * _unit(thumbnail - thumbnail.mean())])


def _margins(source: Source, tiles: Sequence[Tile]) -> NDArray[np.float64]:
    """Return how clearly the second classifier prefers people to streets, or streets to people, as labelled: (N,)."""
    if not tiles:
        return np.zeros(0)
    features = np.stack(
        [describe_gradients(np.asarray(load_tile(source.data, tile).convert("RGB"), np.uint8)) for tile in tiles]
    ).astype(np.float64)
    labels = np.array([SUBJECTS.index(str(tile.subject)) for tile in tiles])
    scores = _judge(features, labels, np.array([_fold(tile.sheet) for tile in tiles]))
    people, streets = scores[:, :2], scores[:, 2]
    own = np.take_along_axis(scores, labels[:, None], 1)[:, 0]
    return np.where(labels == 2, streets - people.max(1), own - streets)


def _judge(features: NDArray[np.float64], labels: NDArray[np.int64], folds: NDArray[np.int64]) -> NDArray[np.float64]:
    """Return a score of every picture for every subject, by regression on the pictures of the other folds."""
    squares = (features**2).sum(1)
    distances = squares[:, None] + squares[None] - 2 * features @ features.T
    kernel = np.exp(-distances / max(float(np.median(distances)), 1e-9))
    targets = np.eye(len(SUBJECTS))[labels] - 1 / len(SUBJECTS)
    scores = np.zeros_like(targets)
    for fold in np.unique(folds):
        judged = folds == fold
        known = kernel[np.ix_(~judged, ~judged)] + _RIDGE * np.eye(int(np.count_nonzero(~judged)))
        scores[judged] = kernel[np.ix_(judged, ~judged)] @ np.linalg.solve(known, targets[~judged])
    return scores


def _fold(sheet: str) -> int:
    return hashlib.sha256(sheet.encode()).digest()[5] % FOLDS


def _corner(tile: Tile) -> str:
    return ("b" if tile.box[1] else "t") + ("r" if tile.box[0] else "l")


def _unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / (np.linalg.norm(vector) + 1e-6), np.float32)
