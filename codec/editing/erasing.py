"""Erase an object: remove its lines, and fill its area with the surrounding colours."""

from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from codec.container.bitstream import Bitstream, Section
from codec.editing.regions import Region, coverage
from codec.editing.sections import check_complete, recode_colors, recode_structure, replace_layer, sections_like
from codec.layers import EdgeMap, Layer, Priors, Skeleton
from layercast_common.errors import UsageError

#: Relaxation sweeps for each cell on the grid's long side; over-relaxation needs only a few.
SWEEPS_PER_CELL = 6


def erase(stream: Bitstream, regions: Sequence[Region]) -> Bitstream:
    """Return the stream without the content of the regions.

    Every line cell that a region touches is cleared, and so are joints of people inside. Colour cells become a smooth
    blend of their surroundings (Laplace's equation) in proportion to their coverage by the regions. The prompt is
    unchanged: an object that it names may reappear.

    Args:
        stream: the stream.
        regions: one or more parts of the canvas.

    Raises:
        UsageError: there is no region, a region leaves the canvas, the stream has neither lines nor colours, or bytes
            of the stream are missing.
        BitstreamError: the stream does not decode.
    """
    check_complete(stream)
    if not regions:
        raise UsageError("no region to erase")
    inside = np.logical_or.reduce([region.pixels(stream.header.canvas) for region in regions])
    priors = stream.decode()
    if not priors.layers & {Layer.STRUCTURE, Layer.TEXTURE}:
        raise UsageError("the stream has neither lines nor colours to erase from")
    return _erase_colors(_erase_structure(stream, priors, inside), priors, inside)


def _erase_structure(stream: Bitstream, priors: Priors, inside: NDArray[np.bool_]) -> Bitstream:
    sections: list[Section] = []
    changed = False
    for prior in (priors.structure, priors.skeleton):
        if prior is None:
            continue
        remaining = _clear(prior, inside)
        changed |= remaining != prior
        sections += sections_like(stream, prior) if remaining == prior else recode_structure(remaining, stream)
    return replace_layer(stream, Layer.STRUCTURE, sections) if changed else stream


def _clear(prior: EdgeMap | Skeleton, inside: NDArray[np.bool_]) -> EdgeMap | Skeleton:
    if isinstance(prior, EdgeMap):
        return replace(prior, grid=prior.grid & (coverage(inside, prior.grid.shape) == 0))
    people = [
        tuple(None if point is not None and _is_inside(point, inside) else point for point in person)
        for person in prior.people
    ]
    return replace(prior, people=tuple(person for person in people if any(point is not None for point in person)))


def _is_inside(point: tuple[float, float], inside: NDArray[np.bool_]) -> bool:
    height, width = inside.shape
    return bool(inside[min(max(int(point[1]), 0), height - 1), min(max(int(point[0]), 0), width - 1)])


def _erase_colors(stream: Bitstream, priors: Priors, inside: NDArray[np.bool_]) -> Bitstream:
    if priors.texture is None:
        return stream
    colors = priors.texture.colors
    filled = inpaint(colors, coverage(inside, colors.shape[:2]))
    if np.array_equal(filled, colors):
        return stream
    return replace_layer(stream, Layer.TEXTURE, recode_colors(stream, replace(priors.texture, colors=filled)))


def inpaint(colors: NDArray[np.uint8], covered: NDArray[np.float64]) -> NDArray[np.uint8]:
    """Fill covered cells from their neighbours: each cell u = (1 - c) old + c (mean of its neighbours).

    Args:
        colors: (rows, columns, 3) uint8 RGB.
        covered: the coverage c: (rows, columns), 0..1.

    Returns:
        (rows, columns, 3) uint8 RGB.
    """
    if covered.min() == 1:
        mean = np.rint(colors.mean(axis=(0, 1))).astype(np.uint8)
        return np.broadcast_to(mean, colors.shape).copy()
    old, share = colors.astype(np.float64), covered[..., None]
    padded = np.zeros((colors.shape[0] + 2, colors.shape[1] + 2, 3))
    result = padded[1:-1, 1:-1]
    result[:] = old * (1 - share) + np.average(old, axis=(0, 1), weights=1 - covered) * share
    neighbours = _sum_neighbours(np.pad(np.ones(colors.shape[:2]), 1)[..., None])
    longest = max(colors.shape[:2])
    # Successive over-relaxation on a chequerboard, with the optimal factor for a square (D. M. Young, 1954).
    factor = 2 / (1 + np.sin(np.pi / (longest + 1)))
    light = np.indices(colors.shape[:2]).sum(axis=0) % 2 == 0
    for _ in range(SWEEPS_PER_CELL * longest):
        for half in (light, ~light):
            wanted = old * (1 - share) + share * _sum_neighbours(padded) / neighbours
            step = factor * (wanted - result) * (share > 0)
            result[half] += step[half]
    return np.clip(np.rint(result), 0, 255).astype(np.uint8)


def _sum_neighbours(padded: NDArray[np.float64]) -> NDArray[np.float64]:
    """Return the sum of each cell's four neighbours."""
    return padded[:-2, 1:-1] + padded[2:, 1:-1] + padded[1:-1, :-2] + padded[1:-1, 2:]
