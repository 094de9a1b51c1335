"""How fast a model draws on a device, and where the seconds go."""

import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from codec.layers import Priors
from evaluation.rendering.device.figures import PATIENCE_S, Figures
from evaluation.rendering.runs import RunDriver
from evaluation.rendering.speed import wait_for
from receiver.rendering.selftest import make_test_priors

if TYPE_CHECKING:
    from receiver.rendering.engine.counters import EngineCounters
    from receiver.rendering.frames import Frame
    from receiver.rendering.models.model import Model


def time_passes(model: "Model", batches: Sequence[int], rounds: int) -> Figures:
    """Time one step of so many pictures in one pass, with the model's guidance: milliseconds, by number of pictures."""
    from receiver.rendering.sampling.passes import advance

    driver, priors = RunDriver(model, model.settings.steps), make_test_priors(model.settings.native)
    times: Figures = {}
    for batch in batches:
        runs = [driver.begin(priors, seed).run for seed in range(batch)]
        taken = []
        for _ in range(min(1 + max(rounds, 3), model.settings.steps)):
            started = time.perf_counter()
            advance(model, runs)
            wait_for(model.device)
            taken.append(time.perf_counter() - started)
        # The first pass chooses kernels, or captures a graph.
        times[f"{batch}_ms"] = round(1000 * statistics.median(taken[1:] or taken), 2)
        times[f"{batch}_first_ms"] = round(1000 * taken[0], 1)
    return times


def measure_throughput(model: "Model", crowd: int, rounds: int, *, steps: int | None = None) -> Figures:
    """Measure first and whole frames of single pictures, the throughput of many, and the seconds of each part.

    Args:
        model: the model.
        crowd: pictures that are submitted at once.
        rounds: single pictures that count.
        steps: so many steps without guidance, as a few-step model takes; None for the model's own settings.
    """
    from receiver.rendering.engine.engine import Engine

    if steps is not None:
        model = replace(model, settings=replace(model.settings, steps=steps, previews=(1, 2), guidance=1.0))
    priors = make_test_priors(model.settings.native)
    with Engine(model) as engine:
        singles = [_one_picture(engine.submit, priors, number) for number in range(rounds + 1)][1:]
        _many_pictures(engine.submit, priors, min(crowd, 4))
        before, started = engine.counters, time.perf_counter()
        _many_pictures(engine.submit, priors, crowd)
        elapsed, after = time.perf_counter() - started, engine.counters
    first, whole = (statistics.median(times) for times in zip(*singles, strict=True))
    return {
        "steps": model.settings.steps,
        "guidance": model.settings.guidance,
        "first_frame_ms": round(1000 * first, 1),
        "whole_ms": round(1000 * whole, 1),
        "pictures_per_second": round(crowd / elapsed, 2),
        "crowd": crowd,
        "frames": after.frames - before.frames,
        "seconds": {"elapsed": round(elapsed, 3)} | _seconds(before, after),
        "pictures_per_pass": round((after.steps - before.steps) / max(1, after.passes - before.passes), 2),
    }


def _many_pictures(submit: Callable[..., Any], priors: Priors, count: int) -> None:
    futures = [submit(("crowd", number), priors, number, lambda _: None, session=number % 4) for number in range(count)]
    for future in futures:
        future.result(PATIENCE_S)


def _seconds(before: "EngineCounters", after: "EngineCounters") -> dict[str, float]:
    names = ("preparing_s", "stepping_s", "decoding_s", "finishing_s")
    return {name.removesuffix("_s"): round(getattr(after, name) - getattr(before, name), 3) for name in names}


def _one_picture(submit: Callable[..., Any], priors: Priors, key: int) -> tuple[float, float]:
    """Return the seconds to the first frame and to the last."""
    started = time.perf_counter()
    shown: list[float] = []

    def on_frame(_: "Frame") -> None:
        shown.append(time.perf_counter() - started)

    submit(("single", key), priors, key, on_frame).result(PATIENCE_S)
    return shown[0], shown[-1]
