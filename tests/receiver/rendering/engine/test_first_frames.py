"""What makes a picture's first frame come sooner."""

import time
from collections.abc import Callable
from concurrent.futures import Future

import pytest

from codec.layers import Layer, Priors, Semantic
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model
from receiver.rendering.start import warm_up

#: Longest wait for a result, in seconds: reached only if the engine hangs.
PATIENCE = 120


@pytest.mark.parametrize(("threads", "order"), [(0, ["a2", "b2", "b4", "a8", "b8"]), (1, None)])
def test_a_picture_that_came_during_a_pass_waits_for_no_preview_of_another(
    mini: Model, priors: Priors, threads: int, order: list[str] | None
) -> None:
    shown: list[str] = []
    futures: list[Future[Frame]] = []
    passes = 0

    def note(name: str) -> Callable[[Frame], None]:
        return lambda frame: shown.append(f"{name}{frame.step}")

    def before_pass(*_: object) -> None:
        nonlocal passes
        passes += 1
        if passes == 4:
            futures.append(engine.submit("b", priors, 2, note("b")))

    hook = mini.unet.register_forward_pre_hook(before_pass)
    try:
        with Engine(mini, batch=1, finishers=threads) as engine:
            engine.submit("a", priors, 1, note("a")).result(PATIENCE)
            futures[0].result(PATIENCE)
    finally:
        hook.remove()
    assert shown == order if order else {"a2", "a8", "b2", "b8"} <= set(shown)


def test_warming_up_draws_a_prompt_and_bit_planes(mini: Model) -> None:
    seen: list[tuple[frozenset[Layer], int | None]] = []

    class Watched(Engine):
        def submit(
            self,
            key: object,
            priors: Priors,
            seed: int,
            on_frame: Callable[[Frame], None],
            steps: int | None = None,
            **options: object,
        ) -> Future[Frame]:
            seen.append((priors.layers, steps))
            return super().submit(key, priors, seed, on_frame, steps)

    with Watched(mini) as engine:
        warm_up(engine, 20)
        # The engine counts and forgets a picture just after its result is known.
        end = time.monotonic() + 60
        while (engine.counters.finished, engine.pictures) != (2, 0) and time.monotonic() < end:
            time.sleep(0.01)
        assert (engine.counters.finished, engine.pictures) == (2, 0)
    # Not all steps: a full-size model on a CPU needs minutes for them.
    assert (frozenset({Layer.SEMANTIC}), 2) in seen
    assert any(Layer.TEXTURE in layers for layers, _ in seen)


def test_a_prompt_alone_retrieves_to_warm_up() -> None:
    from receiver.rendering.model_files.registry import MINI_FOLDER
    from receiver.rendering.retrieval import RetrievalIndex
    from receiver.rendering.start import WARM_UP_PROMPT

    index = RetrievalIndex.load(MINI_FOLDER / "memory")
    assert index.find(Semantic(WARM_UP_PROMPT), 0) is not None
