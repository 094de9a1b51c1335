"""The report of `layercast models check --report`: what a model does on one device, for the first day with a GPU.

In this order: what would give wrong pictures, how fast it is and where the seconds go, and what happens when the memory
is full. Each part is measured by itself; an error in one is reported in its place.
"""

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

from evaluation.rendering.device.beside_stock import compare_with_stock
from evaluation.rendering.device.correctness import compare_batches, compare_second_device
from evaluation.rendering.device.figures import Figures
from evaluation.rendering.device.full_memory import LEFT_FREE_MB, fill_memory
from evaluation.rendering.device.levels import compare_level_starts
from evaluation.rendering.device.timing import measure_throughput, time_passes
from evaluation.rendering.report import describe_device
from receiver.rendering.selftest import draw_test_picture
from receiver.rendering.settings.performance import Performance

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Pictures rendered at once to measure the throughput, on an accelerator and on a CPU.
CROWD, CPU_CROWD = 32, 4

#: Batches of which a single pass is timed, on an accelerator and on a CPU.
BATCHES, CPU_BATCHES = (1, 2, 4, 8, 16), (1, 2)

#: Single pictures that count.
ROUNDS = 3


def measure_device(model: "Model", *, crowd: int | None = None, rounds: int = ROUNDS) -> Iterator[tuple[str, Figures]]:
    """Measure a model, and yield each part of the report as soon as it is done: its name and its figures.

    Args:
        model: loaded as `Performance.PLAIN`, on the device to check.
        crowd: pictures rendered at once to measure the throughput; None for `CROWD` or `CPU_CROWD`.
        rounds: single pictures that count.
    """
    for name, measure in _parts(model, crowd, rounds):
        started = time.perf_counter()
        figures = _guarded(measure)
        yield name, figures | {"took_s": round(time.perf_counter() - started, 2)}


def _parts(model: "Model", crowd: int | None, rounds: int) -> Iterator[tuple[str, Callable[[], Figures]]]:
    """Yield the name and the measurement of each part; a part is begun when the one before is done."""
    cuda, on_cpu = model.device.type == "cuda", model.device.type == "cpu"
    crowd = crowd or (CPU_CROWD if on_cpu else CROWD)
    batches = CPU_BATCHES if on_cpu else BATCHES
    ways = {"plain": model}
    yield "device", lambda: _describe(model)
    yield "batches", lambda: compare_batches(model, draw_test_picture(model))
    if cuda and not model.controlnets and not model.is_transformer:

        def graphs() -> Figures:
            from receiver.rendering.backends.choice import with_performance

            ways["graphs"] = with_performance(model, Performance.GRAPHS)
            return compare_batches(ways["graphs"], draw_test_picture(model))

        yield "graphs", graphs
        yield "second device", lambda: compare_second_device(model, draw_test_picture(model))
    else:
        yield "graphs", lambda: {"skipped": "CUDA graphs need a CUDA device and a UNet without ControlNets"}
    for name, way in ways.items():
        yield f"passes, {name}", lambda way=way: time_passes(way, batches, rounds)  # type: ignore[misc]
        # The engine runs in a thread of its own: does a pass take longer there?
        yield (
            f"passes in a thread, {name}",
            lambda way=way: _in_a_thread(  # type: ignore[misc]
                lambda: time_passes(way, batches[:1], rounds)
            ),
        )
    for name, way in ways.items():
        yield f"speed, {name}", lambda way=way: measure_throughput(way, crowd, rounds)  # type: ignore[misc]
    fastest = list(ways.values())[-1]
    yield "speed, 4 steps", lambda: measure_throughput(fastest, crowd, rounds, steps=4)
    yield "stock pipeline", lambda: compare_with_stock(ways, rounds)
    yield "level starts", lambda: compare_level_starts(fastest)
    if not cuda:
        yield "full memory", lambda: {"skipped": "needs a CUDA device"}
        return
    for left in LEFT_FREE_MB:
        yield f"full memory, {left} MB free", lambda left=left: fill_memory(model, left)  # type: ignore[misc]


def _in_a_thread(measure: Callable[[], Figures]) -> Figures:
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(measure).result()


def _guarded(measure: Callable[[], Figures]) -> Figures:
    """Return the figures, or the error in their place."""
    try:
        return measure()
    # A part that fails is a finding; the others still count.
    except Exception as error:
        return {"error": f"{type(error).__name__}: {(str(error).splitlines() or [''])[0]}"}


def _describe(model: "Model") -> Figures:
    import diffusers
    import torch

    figures: Figures = {
        "name": describe_device(model.device),
        "dtype": str(model.dtype).removeprefix("torch."),
        "torch": torch.__version__,
        "diffusers": diffusers.__version__,
    }
    if model.device.type == "cuda":
        properties = torch.cuda.get_device_properties(model.device)
        figures |= {"memory_gb": round(properties.total_memory / 1e9, 1), "devices": torch.cuda.device_count()}
    return figures
