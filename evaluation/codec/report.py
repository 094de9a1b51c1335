"""The whole codec benchmark in one run, with its thresholds."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from evaluation.codec.colors import ColorsResult, measure_colors
from evaluation.codec.jpegxl import jpegxl_size
from evaluation.codec.lines import (
    SIDES,
    LinesResult,
    NestingResult,
    PruningPoint,
    measure_lines,
    measure_nesting,
    measure_pruning,
)
from evaluation.codec.pictures import Track, read_pictures, read_prompts
from evaluation.codec.speed import SpeedResult, measure_speed
from evaluation.codec.streams import BUDGETS, StreamsResult, measure_streams
from evaluation.codec.texts import TextResult, measure_texts
from evaluation.thresholds import Threshold

#: Largest allowed size of lines as a share of JPEG XL's at equal agreement, by the side of its map.
LINES_BOUNDS = dict(zip(SIDES, (0.65, 0.70), strict=True))


@dataclass(frozen=True, slots=True)
class CodecReport:
    """Results of the codec benchmark.

    Attributes:
        pictures: number of measured pictures.
        texts: prompts of each file.
        lines: lines, by the side of the map.
        nesting: three nested grids against one.
        pruning: size and agreement without short contours.
        colors: colours on 8x8 cells.
        streams: whole streams, by budget.
        speed: times on one core.
    """

    pictures: int
    texts: tuple[TextResult, ...]
    lines: tuple[LinesResult, ...]
    nesting: NestingResult
    pruning: tuple[PruningPoint, ...]
    colors: ColorsResult
    streams: tuple[StreamsResult, ...]
    speed: SpeedResult

    @property
    def bars(self) -> tuple[Threshold, ...]:
        """The thresholds, with the measured figures."""
        smallest = min(self.streams, key=lambda result: result.budget)
        return (
            *(Threshold(f"text of {result.name}, of Brotli's bytes", result.ratio, 0.45) for result in self.texts),
            *(
                Threshold(
                    f"lines at F1 {result.f1:.2f}, of JPEG XL's bytes at F1 {result.jpegxl_f1:.2f}",
                    result.ratio,
                    LINES_BOUNDS[result.side],
                )
                for result in self.lines
            ),
            Threshold("three nested grids, of the finest alone", self.nesting.ratio, 1.10),
            Threshold("colours, bytes", self.colors.mean_bytes, 45),
            Threshold("colours, CIEDE2000", self.colors.difference, 2.5),
            Threshold("everything, bytes", smallest.mean_bytes, 330),
            Threshold("everything, F1 of the lines", smallest.f1, 0.75, at_least=True),
            Threshold("encoding, ms", 1000 * self.speed.encode_s, 50),
            Threshold("decoding, ms", 1000 * self.speed.decode_s, 15),
            Threshold("cold start of the command, s", self.speed.start_s, 1.5),
        )


def measure_codec(images: Path, prompts: Sequence[Path], limit: int, track: Track) -> CodecReport:
    """Measure the codec on the pictures of a folder and on files of prompts.

    Args:
        images: the folder.
        prompts: text files with a prompt a line.
        limit: most pictures.
        track: reports progress.

    Raises:
        MissingExtraError: JPEG XL is not installed.
        StorageError: a folder or file cannot be read.
        UsageError: a folder has no pictures, or a file no prompts.
        PictureError: a picture cannot be read.
        LayercastError: `layercast encode` failed.
    """
    pictures = read_pictures(images, limit)
    sets = {path.name: read_prompts(path) for path in prompts}
    # Fail before the long work if JPEG XL is missing.
    jpegxl_size(pictures[0].lines[:8, :8] > 0)
    # Some prompts of every file, as there may be fewer streams than prompts.
    mixed = list(chain.from_iterable(zip(*(_spread(found, len(pictures)) for found in sets.values()), strict=True)))
    return CodecReport(
        pictures=len(pictures),
        texts=tuple(measure_texts(name, found, track) for name, found in sets.items()),
        lines=tuple(measure_lines(pictures, side, track) for side in SIDES),
        nesting=measure_nesting(pictures, track),
        pruning=measure_pruning(pictures, track),
        colors=measure_colors(pictures, track),
        streams=tuple(measure_streams(pictures, mixed, budget, track) for budget in BUDGETS),
        speed=measure_speed(pictures, mixed, track),
    )


def _spread(prompts: Sequence[str], count: int) -> list[str]:
    """Return `count` prompts, evenly spread over a list."""
    return [prompts[index * len(prompts) // count] for index in range(count)]
