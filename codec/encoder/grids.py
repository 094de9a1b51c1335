"""Lines and a grid of colours that share a byte limit by their value."""

from itertools import zip_longest

import numpy as np
from numpy.typing import NDArray

from codec.container.sections import Section
from codec.encoder.budget import rank_colors
from codec.encoder.options import EncodeOptions, Order
from codec.encoder.rate_control import LineFitter, color_sections, size_of


def grid_sections(
    picture: NDArray[np.uint8],
    limit: int,
    lines: LineFitter | None,
    people: tuple[Section, ...],
    options: EncodeOptions,
) -> tuple[Section, ...]:
    """Encode lines and a grid of colours.

    Args:
        picture: (H, W, 3) uint8 RGB at canvas size.
        limit: bytes for lines and colours together, framing included.
        lines: the picture's lines; None encodes colours alone.
        people: sections of people, which come with the lines.
        options: `order` and `nested` are used.
    """
    nested = options.nested
    colors = _fit_colors(picture, limit, lines, nested=nested)
    drawn = () if lines is None else lines.fit(limit - size_of(colors))
    if size_of(drawn) + size_of(colors) < limit * 3 // 4:
        # Lines on the finest grid can leave bytes for finer colours.
        colors = _fit_colors(picture, limit - size_of(drawn), None, nested=nested)
    layers = [(*people, *drawn), colors]
    if options.order == Order.CHEAPEST:
        layers.sort(key=size_of)
    if not nested:
        return (*layers[0], *layers[1])
    # The coarsest section of every layer comes before any refinement.
    return tuple(section for level in zip_longest(*layers) for section in level if section is not None)


def _fit_colors(
    picture: NDArray[np.uint8], limit: int, lines: LineFitter | None, *, nested: bool
) -> tuple[Section, ...]:
    """Return the most valuable colours that fit into `limit` bytes, given the lines that compete with them."""
    canvas = picture.shape[1], picture.shape[0]
    for choice in rank_colors(canvas, limit, 0 if lines is None else lines.reference_size):
        sections = color_sections(picture, choice.cell, choice.step, nested=nested)
        if size_of(sections) <= limit:
            return sections
    return ()
