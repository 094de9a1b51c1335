"""Many pictures at once: the wait for the last first frame, throughput, and whether all are finished."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from evaluation.rendering.subjects import Subject

if TYPE_CHECKING:
    from receiver.rendering.frames import Frame
    from receiver.rendering.models.model import Model


@dataclass(frozen=True, slots=True, kw_only=True)
class CrowdFigures:
    """Medians over rounds that alternate between single pictures and crowds.

    Attributes:
        pictures: pictures in a crowd.
        lone_first_s: time to the first frame of a single picture, in seconds.
        last_first_s: time until every picture of a crowd has its first frame, in seconds.
        first_share: `last_first_s` over `lone_first_s`.
        finished: share of the crowds' pictures that were finished: 1 if none starved.
        throughput: pictures per second in a crowd over those one after another.
    """

    pictures: int
    lone_first_s: float
    last_first_s: float
    first_share: float
    finished: float
    throughput: float


def measure_crowd(model: "Model", subjects: Sequence[Subject], pictures: int, rounds: int) -> CrowdFigures:
    """Render `pictures` at once and, in between, each alone.

    Args:
        model: the model to measure.
        subjects: the pictures, repeated if there are too few.
        pictures: pictures in a crowd.
        rounds: rounds that count; one more is run first to warm up.
    """
    crowd = [subjects[number % len(subjects)] for number in range(pictures)]
    lone_firsts, crowd_firsts, shares, gains, finished = [], [], [], [], 0
    for number in range(rounds + 1):
        # The baseline for the throughput: the pictures of the crowd one after another.
        alone = [_draw_at_once(model, [subject]) for subject in crowd]
        together = _draw_at_once(model, crowd)
        if not number:
            continue
        lone = statistics.median(times.last_first for times in alone)
        lone_firsts.append(lone)
        crowd_firsts.append(together.last_first)
        shares.append(together.last_first / lone)
        gains.append(sum(times.whole for times in alone) / together.whole)
        finished += together.finished
    return CrowdFigures(
        pictures=pictures,
        lone_first_s=statistics.median(lone_firsts),
        last_first_s=statistics.median(crowd_firsts),
        first_share=statistics.median(shares),
        finished=finished / (rounds * pictures),
        throughput=statistics.median(gains),
    )


@dataclass(frozen=True, slots=True)
class _Times:
    last_first: float
    whole: float
    finished: int


def _draw_at_once(model: "Model", crowd: Sequence[Subject]) -> _Times:
    """Measure the seconds from submitting pictures to the last of their first frames, and to the last frame of all."""
    from receiver.rendering.engine.engine import Engine

    firsts: dict[int, float] = {}
    with Engine(model) as engine:
        started = time.perf_counter()

        def record_first(key: int) -> Callable[["Frame"], None]:
            def on_frame(_: "Frame") -> None:
                firsts.setdefault(key, time.perf_counter() - started)

            return on_frame

        results = [
            engine.submit(key, subject.priors, subject.seed, record_first(key)) for key, subject in enumerate(crowd)
        ]
        finished = [result.result().final for result in results]
        return _Times(max(firsts.values()), time.perf_counter() - started, sum(finished))
