"""The figures of one picture over time: first picture, recognisable picture, area under the quality over log time."""

import math
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from evaluation.simulation.scenario.model import FIGURES, Measures
from evaluation.simulation.transmission.frames import ShownFrame


@dataclass(frozen=True, slots=True, kw_only=True)
class PictureMeasures:
    """The figures of one picture.

    Attributes:
        first_s: until the first frame, in seconds; None if there was none.
        recognisable_s: until the first recognisable frame, in seconds; None if there was none.
        nearly_final_s: until a frame with 90 % of the last one's quality, in seconds; None for figures where less is
            better, and without a frame.
        final_s: until the last frame, in seconds.
        final: quality of the last frame.
        area: mean quality over the logarithm of time in the measures' span; a watcher without a picture has quality 0.
            None for figures where less is better.
        bytes: bytes of the picture on the link.
        frames: how many frames were shown.
    """

    first_s: float | None
    recognisable_s: float | None
    nearly_final_s: float | None
    final_s: float | None
    final: float | None
    area: float | None
    bytes: int
    frames: int

    def row(self) -> dict[str, Any]:
        """Return the figures as JSON."""
        return {key: round(value, 6) if isinstance(value, float) else value for key, value in asdict(self).items()}


def measure_picture(frames: Sequence[ShownFrame], size: int, measures: Measures) -> PictureMeasures:
    """Compute the figures of a picture.

    Args:
        frames: in order of time.
        size: bytes of the picture on the link.
        measures: figure, threshold and span.
    """
    more = FIGURES[measures.figure]
    qualities = [(frame.t, frame.figures[measures.figure]) for frame in frames]

    def first_with(bound: float) -> float | None:
        return next((t for t, value in qualities if (value >= bound if more else value <= bound)), None)

    final = qualities[-1][1] if qualities else None
    return PictureMeasures(
        first_s=qualities[0][0] if qualities else None,
        recognisable_s=next((frame.t for frame in frames if _is_recognisable(frame, measures)), None),
        nearly_final_s=first_with(0.9 * final) if more and final is not None else None,
        final_s=qualities[-1][0] if qualities else None,
        final=final,
        area=_area(qualities, measures.span) if more else None,
        bytes=size,
        frames=len(frames),
    )


def _is_recognisable(frame: ShownFrame, measures: Measures) -> bool:
    return all(
        frame.figures[name] >= bound if FIGURES[name] else frame.figures[name] <= bound
        for name, bound in measures.recognisable
    )


def _area(qualities: Sequence[tuple[float, float]], span: tuple[float, float]) -> float:
    """Return the mean of a step function over the logarithm of time."""
    start, end = span
    total, since, value = 0.0, start, 0.0
    for t, quality in (*qualities, (end, 0.0)):
        until = min(max(t, start), end)
        total += value * math.log(until / since)
        since, value = until, quality
    return total / math.log(end / start)
