"""Many pictures at once: how long each waits for its first frame, and whether all are finished."""

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
    """Medians over rounds in which lone pictures and crowds took turns.

    Attributes:
        pictures: in a crowd.
        lone_first_s: a lone picture's first frame.
        last_first_s: the last first frame of a crowd.
        first_share: one over the other.
        finished: pictures of the crowds that were drawn to the end, of all: 1 if none starved.
        throughput: pictures a second in a crowd over those one after another.
    """

    pictures: int
    lone_first_s: float
    last_first_s: float
    first_share: float
    finished: float
    throughput: float


def measure_crowd(model: "Model", subjects: Sequence[Subject], pictures: int, rounds: int) -> CrowdFigures:
    """Draw `pictures` at once and, in between, each alone."""
    crowd = [subjects[number % len(subjects)] for number in range(pictures)]
    lone_firsts, crowd_firsts, shares, gains, finished = [], [], [], [], 0
    for number in range(rounds + 1):
        # The whole crowd alone, one after another, is what its throughput is held against.
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
    """Seconds from handing pictures over to the last of their first frames, and to the last frame of all."""
    from receiver.rendering.engine.engine import Engine

    firsts: dict[int, float] = {}
    with Engine(model) as engine:
        began = time.perf_counter()

        def note(key: int) -> Callable[["Frame"], None]:
            def on_frame(_: "Frame") -> None:
                firsts.setdefault(key, time.perf_counter() - began)

            return on_frame

        drawings = [engine.submit(key, subject.priors, subject.seed, note(key)) for key, subject in enumerate(crowd)]
        done = [drawing.result().final for drawing in drawings]
        return _Times(max(firsts.values()), time.perf_counter() - began, sum(done))
