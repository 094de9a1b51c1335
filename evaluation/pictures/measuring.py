"""Render pictures at each level, and compare them with other formats of the same size in bytes."""

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from codec.canvas import fit_to_canvas
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import PictureSource, load_picture
from codec.layers import Layer, Priors
from evaluation.pictures.competitors import Format, candidates
from evaluation.quality.quality import Quality, best_of, compare, mean_of
from evaluation.thresholds import Threshold
from receiver.rendering.engine.direct import render

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: The layers of each level, by name, in the paper's order.
LEVELS: Mapping[str, tuple[Layer, ...]] = {
    "semantic": (Layer.SEMANTIC,),
    "structure": (Layer.SEMANTIC, Layer.STRUCTURE),
    "texture": (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE),
}


@dataclass(frozen=True, eq=False, slots=True)
class Drawn:
    """A picture rendered at one level.

    Attributes:
        pixels: the last frame, (H, W, 3) uint8 RGB.
        first_s: seconds until the first frame.
        seconds: seconds until the last frame.
    """

    pixels: NDArray[np.uint8]
    first_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class LevelResult:
    """Means over the pictures at one level.

    Attributes:
        quality: quality of the last frame.
        first_s: seconds until the first frame.
        seconds: seconds until the last frame.
        slowest_s: seconds of the slowest picture.
    """

    quality: Quality
    first_s: float
    seconds: float
    slowest_s: float


@dataclass(frozen=True, slots=True)
class FormatResult:
    """Means over the pictures in one format; for each picture and figure the best scale counts.

    Attributes:
        quality: quality of the decoded pictures.
        mean_bytes: encoded size.
    """

    quality: Quality
    mean_bytes: float


@dataclass(frozen=True, slots=True)
class PicturesResult:
    """The results at one budget.

    Attributes:
        budget: most bytes of a stream.
        mean_bytes: mean size of the streams.
        levels: results of the levels, by name, in order.
        formats: results of the other formats, by name.
    """

    budget: int
    mean_bytes: float
    levels: dict[str, LevelResult]
    formats: dict[str, FormatResult]


def draw(model: "Model", known: Priors, seed: int, clock: Callable[[], float] = time.perf_counter) -> Drawn:
    """Render a picture like a receiver.

    Args:
        model: the model.
        known: the layers.
        seed: of the starting noise.
        clock: returns seconds.
    """
    started = clock()
    first = None
    image = None
    for frame in render(known, seed, model=model):
        first = first or clock() - started
        image = frame.image
    assert image is not None
    assert first is not None
    return Drawn(np.asarray(image, np.uint8), first, clock() - started)


@dataclass(frozen=True, eq=False, slots=True)
class Case:
    """A picture, the size of its stream, and its renderings.

    Attributes:
        original: (H, W, 3) uint8 RGB, at canvas size.
        size: size of the stream in bytes.
        levels: the renderings, by level.
    """

    original: NDArray[np.uint8]
    size: int
    levels: dict[str, Drawn]


def draw_levels(model: "Model", source: PictureSource, budget: int) -> Case:
    """Encode a picture like `layercast encode`, with the prompt beside it or in its metadata, and render each level.

    Args:
        model: the model.
        source: the picture.
        budget: most bytes of its stream.

    Raises:
        LayercastError: the picture cannot be read, or the budget cannot be met.
    """
    stream = encode_picture(source, EncodeOptions(model=model.name, budget=budget)).stream
    priors = stream.decode()
    levels = {name: draw(model, priors.only(layers), stream.header.seed) for name, layers in LEVELS.items()}
    original = fit_to_canvas(load_picture(source).image, stream.header.canvas)
    return Case(original, len(stream.to_bytes()), levels)


def measure_pictures(
    model: "Model",
    sources: Iterable[PictureSource],
    budget: int,
    formats: Sequence[Format],
) -> PicturesResult:
    """Measure every picture at every level, and in every other format.

    Args:
        model: the model.
        sources: the pictures; at least one.
        budget: most bytes of a stream.
        formats: the other formats.

    Raises:
        LayercastError: a picture cannot be read, or the budget cannot be met.
    """
    sizes: list[int] = []
    drawn: dict[str, list[Drawn]] = {name: [] for name in LEVELS}
    qualities: dict[str, list[Quality]] = {name: [] for name in (*LEVELS, *(codec.name for codec in formats))}
    coded_sizes: dict[str, list[float]] = {codec.name: [] for codec in formats}
    for source in sources:
        case = draw_levels(model, source, budget)
        sizes.append(case.size)
        for name, picture in case.levels.items():
            drawn[name].append(picture)
            qualities[name].append(compare(picture.pixels, case.original))
        for codec in formats:
            found = candidates(case.original, case.size, codec)
            coded_sizes[codec.name].append(float(np.mean([coded.size for coded in found])))
            qualities[codec.name].append(best_of([compare(coded.pixels, case.original) for coded in found]))
    return PicturesResult(
        budget=budget,
        mean_bytes=float(np.mean(sizes)),
        levels={
            name: LevelResult(
                quality=mean_of(qualities[name]),
                first_s=float(np.mean([picture.first_s for picture in pictures])),
                seconds=float(np.mean([picture.seconds for picture in pictures])),
                slowest_s=max(picture.seconds for picture in pictures),
            )
            for name, pictures in drawn.items()
        },
        formats={
            codec.name: FormatResult(mean_of(qualities[codec.name]), float(np.mean(coded_sizes[codec.name])))
            for codec in formats
        },
    )


def bars(result: PicturesResult) -> list[Threshold]:
    """Return the bars for one budget, with the figures reached."""
    last = result.levels["texture"].quality
    others = [entry.quality for entry in result.formats.values()]
    promised = []
    if others:
        promised = [
            Threshold(
                "edge F1, to 1.5 times the best format's", last.edge_f1, 1.5 * best_of(others).edge_f1, at_least=True
            ),
            Threshold("GMSD, to the best format's", last.gmsd, best_of(others).gmsd),
        ]
    if webp := result.formats.get("WebP"):
        promised.append(Threshold("CIEDE2000, to WebP's", last.color_difference, webp.quality.color_difference))
    for before, after in (("semantic", "structure"), ("structure", "texture")):
        first, second = result.levels[before].quality, result.levels[after].quality
        promised += [
            Threshold(f"edge F1 of {after}, to {before}'s", second.edge_f1, first.edge_f1, at_least=True),
            Threshold(f"CIEDE2000 of {after}, to {before}'s", second.color_difference, first.color_difference),
            Threshold(f"SSIM of {after}, to {before}'s", second.ssim, first.ssim, at_least=True),
        ]
    return promised
