"""Whole streams of text, lines and a grid of colours within a budget.

Streams with bit planes are measured as pictures, see `evaluation.rate_distortion`.
"""

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

#: Measured budgets, in bytes: 0.01 and 0.02 bits per pixel.
BUDGETS = (330, 655)


@dataclass(frozen=True, slots=True)
class StreamsResult:
    """Size and fidelity of whole streams at one budget: means over the pictures, sizes in bytes.

    Attributes:
        budget: limit of each stream.
        mean_bytes: mean size of a stream.
        most_bytes: size of the largest stream.
        bpp: bits per pixel of canvas.
        container: size of header and end.
        text: size of the semantic layer.
        lines: size of the structure layer.
        colors: size of the texture layer.
        f1: F1 of the decoded lines.
        difference: CIEDE2000 between decoded colours and the true averages of their cells, over the pictures with
            colours.
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
    """Encode every picture with one of the prompts, decode it, and average the results.

    Args:
        pictures: the pictures.
        prompts: the prompts, used in turn.
        budget: limit of each stream, in bytes.
        track: reports progress.
    """
    rows = []
    for index, picture in enumerate(track(pictures, f"streams of {budget} bytes")):
        stream = encode(picture.pixels, prompts[index % len(prompts)], EncodeOptions(budget=budget, texture="grid"))
        data = stream.to_bytes()
        priors = Bitstream.from_bytes(data).decode()
        colors = np.nan
        if priors.texture is not None:
            cell = round(CANVAS[0] / priors.texture.colors.shape[1])
            colors = difference(priors.texture, average_colors(picture.pixels, cell))
        layers = [stream.size_of(layer) for layer in (None, Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)]
        lines = priors.structure if isinstance(priors.structure, EdgeMap) else None
        rows.append((len(data), *layers, picture.line_f1(lines), colors))
    mean = [float(value) for value in np.nanmean(rows, axis=0)]
    most = int(np.max([row[0] for row in rows]))
    bpp = 8 * mean[0] / (CANVAS[0] * CANVAS[1])
    return StreamsResult(budget, mean[0], most, bpp, *mean[1:])
