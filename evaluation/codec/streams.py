"""Whole streams: text, lines, colours and container within a budget."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from codec.analysis.colors import average_colors
from codec.container.bitstream import Bitstream
from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from codec.layers import EdgeMap, Layer
from evaluation.codec.colors import difference
from evaluation.codec.pictures import CANVAS, Measured, Track

#: Budgets that are measured, in bytes: 0.01 and 0.02 bits per pixel.
BUDGETS = (330, 655)


@dataclass(frozen=True, slots=True)
class StreamsResult:
    """What whole streams took and gave at one budget; means over the pictures, sizes in bytes.

    Attributes:
        budget: of each.
        mean_bytes: of a stream.
        most_bytes: of the largest.
        bpp: bits per pixel of canvas.
        container: header and end.
        text: the semantic layer.
        lines: the structure layer.
        colors: the texture layer.
        f1: agreement of the decoded lines.
        difference: CIEDE2000 of the decoded colours from the true averages of their cells; over pictures that have any.
    """

    budget: int
    mean_bytes: float
    most_bytes: int
    bpp: float
    container: float
    text: float
    lines: float
    colors: float
    f1: float
    difference: float


def measure_streams(pictures: Sequence[Measured], prompts: Sequence[str], budget: int, track: Track) -> StreamsResult:
    """Encode every picture with one of the prompts, and decode it."""
    rows = []
    for index, picture in enumerate(track(pictures, f"streams of {budget} bytes")):
        stream = encode(picture.pixels, prompts[index % len(prompts)], EncodeOptions(budget=budget))
        data = stream.to_bytes()
        priors = Bitstream.from_bytes(data).decode()
        colors = np.nan
        if priors.texture is not None:
            cell = round(CANVAS[0] / priors.texture.colors.shape[1])
            colors = difference(priors.texture, average_colors(picture.pixels, cell))
        layers = [stream.size_of(layer) for layer in (None, Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)]
        lines = priors.structure if isinstance(priors.structure, EdgeMap) else None
        rows.append((len(data), *layers, picture.agreement(lines), colors))
    mean = [float(value) for value in np.nanmean(rows, axis=0)]
    most = int(np.max([row[0] for row in rows]))
    bpp = 8 * mean[0] / (CANVAS[0] * CANVAS[1])
    return StreamsResult(budget, mean[0], most, bpp, *mean[1:])
