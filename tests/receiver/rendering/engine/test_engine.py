import threading
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError, Future
from dataclasses import replace

import numpy as np
import pytest
import torch

from codec.layers import Layer, Priors
from layercast_common.errors import DeviceMemoryError, EngineBusyError, RenderError, UsageError
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model

#: Longest wait for a result, in seconds: reached only if the engine hangs.
PATIENCE = 120


@pytest.fixture
def engine(mini: Model) -> Iterator[Engine]:
    with Engine(mini, batch=1) as running:
        yield running


def ignore(frame: Frame) -> None:
    pass


def once(action: Callable[[], object]) -> Callable[[Frame], None]:
    """Call a function in the engine's thread after the first frame, and so between two steps."""
    waiting = [action]

    def on_frame(frame: Frame) -> None:
        if waiting:
            waiting.pop()()

    return on_frame


def settled(future: Future[Frame]) -> bool:
    """Wait for the end of a picture; return whether it was rendered."""
    try:
        future.result(PATIENCE)
    except CancelledError:
        return False
    return True


def same(frame: Frame, other: Frame) -> bool:
    return bool(np.abs(np.asarray(frame.image, int) - np.asarray(other.image, int)).max() <= 1)


def test_frames_and_result(engine: Engine, mini: Model, priors: Priors) -> None:
    frames: list[Frame] = []
    threads: list[str] = []

    def on_frame(frame: Frame) -> None:
        frames.append(frame)
        threads.append(threading.current_thread().name)

    final = engine.submit("a", priors, 1, on_frame).result(PATIENCE)
    assert frames[-1] is final
    assert [frame.step for frame in frames] == [2, 4, 8]
    assert set(threads) == {"layercast-engine"}
    assert same(final, list(render(priors, 1, model=mini))[-1])
    counters = engine.counters
    assert (counters.steps, counters.frames, counters.finished, counters.thrown_away) == (8, 3, 1, 0)


def test_late_layers_restart_a_short_run(engine: Engine, mini: Model, priors: Priors) -> None:
    words = priors.only([Layer.SEMANTIC])
    later: list[Future[Frame]] = []
    first = engine.submit("a", words, 1, once(lambda: later.append(engine.submit("a", priors, 1, ignore))))
    assert not settled(first)
    assert same(later[0].result(PATIENCE), list(render(priors, 1, model=mini))[-1])
    assert (engine.counters.steps, engine.counters.thrown_away, engine.counters.saved) == (10, 2, 0)


def test_colours_still_join_after_a_quarter(engine: Engine, priors: Priors) -> None:
    lines = priors.only([Layer.SEMANTIC, Layer.STRUCTURE])
    frames: list[Frame] = []
    later: list[Future[Frame]] = []
    engine.submit("a", lines, 1, once(lambda: later.append(engine.submit("a", priors, 1, frames.append))))
    while not later:
        threading.Event().wait(0.001)
    final = later[0].result(PATIENCE)
    # The new layer shows after the very next step.
    assert [frame.step for frame in frames] == [3, 4, 8]
    assert final.level is Layer.TEXTURE
    assert (engine.counters.steps, engine.counters.thrown_away, engine.counters.saved) == (8, 0, 2)


def test_long_runs_are_rewound(sd15: Model, priors: Priors) -> None:
    model = replace(sd15, settings=replace(sd15.settings, previews=(5,)))
    words = priors.only([Layer.SEMANTIC])
    later: list[Future[Frame]] = []
    with Engine(model) as engine:
        first = engine.submit("a", words, 1, once(lambda: later.append(engine.submit("a", priors, 1, ignore))))
        assert not settled(first)
        assert settled(later[0])
        assert (engine.counters.steps, engine.counters.saved, engine.counters.thrown_away) == (22, 3, 2)


def test_only_the_newest_request_of_a_key_counts(engine: Engine, priors: Priors) -> None:
    states = [priors.only([Layer.SEMANTIC, layer]) for layer in (Layer.STRUCTURE, Layer.TEXTURE)] + [priors]
    seen: list[list[Frame]] = [[], [], []]
    futures: list[Future[Frame]] = []

    def burst() -> None:
        futures.extend(engine.submit("a", state, 1, seen[i].append) for i, state in enumerate(states))

    assert not settled(engine.submit("a", Priors(priors.canvas), 1, once(burst)))
    assert [settled(future) for future in futures] == [False, False, True]
    assert [bool(frames) for frames in seen] == [False, False, True]
    # Two steps before the burst, and one restart for all three states together.
    assert engine.counters.steps == 10


def test_another_seed_is_another_picture(engine: Engine, mini: Model, priors: Priors) -> None:
    later: list[Future[Frame]] = []
    first = engine.submit("a", priors, 1, once(lambda: later.append(engine.submit("a", priors, 2, ignore))))
    assert not settled(first)
    assert same(later[0].result(PATIENCE), list(render(priors, 2, model=mini))[-1])


@pytest.mark.parametrize("by", ["engine", "future"])
def test_cancelled_work_stops_before_the_next_step(engine: Engine, priors: Priors, by: str) -> None:
    futures: list[Future[Frame]] = []

    def stop() -> None:
        if by == "engine":
            engine.cancel("a")
        else:
            futures[0].cancel()

    ready = threading.Event()

    def on_frame(frame: Frame) -> None:
        ready.wait(PATIENCE)
        stop()

    futures.append(engine.submit("a", priors, 1, on_frame))
    ready.set()
    assert not settled(futures[0])
    assert settled(engine.submit("b", priors, 1, ignore, steps=3))
    assert (engine.counters.steps, engine.counters.thrown_away) == (2 + 3, 2)


def test_cancelling_waiting_and_unknown_pictures(engine: Engine, priors: Priors) -> None:
    waiting: list[Future[Frame]] = []

    def act() -> None:
        waiting.append(engine.submit("b", priors, 1, ignore))
        engine.cancel("b")
        engine.cancel("never heard of")

    assert settled(engine.submit("a", priors, 1, once(act)))
    assert not settled(waiting[0])
    assert engine.counters.steps == 8


def test_a_cancelled_picture_that_is_submitted_again_starts_anew(engine: Engine, priors: Priors) -> None:
    again: list[Future[Frame]] = []

    def act() -> None:
        engine.cancel("a")
        again.append(engine.submit("a", priors, 1, ignore))

    assert not settled(engine.submit("a", priors, 1, once(act)))
    assert settled(again[0])
    assert engine.counters.steps == 10


def test_pictures_without_a_frame_go_first(engine: Engine, priors: Priors) -> None:
    order: list[str] = []
    futures: list[Future[Frame]] = []

    def tell(name: str) -> Callable[[Frame], None]:
        def on_frame(frame: Frame) -> None:
            order.append(f"{name}{frame.step}")
            if order == ["a2"]:
                futures.append(engine.submit("b", priors, 2, tell("b")))

        return on_frame

    assert settled(engine.submit("a", priors, 1, tell("a")))
    assert settled(futures[0])
    assert order == ["a2", "b2", "a4", "b4", "a8", "b8"]


def test_pictures_share_passes(mini: Model, priors: Priors) -> None:
    expected = [list(render(priors, seed, model=mini))[-1] for seed in (1, 2, 3)]
    futures: list[Future[Frame]] = []
    with Engine(mini, batch=2) as engine:

        def burst() -> None:
            futures.extend(engine.submit(seed, priors, seed, ignore) for seed in (2, 3))

        futures.append(engine.submit(1, priors, 1, once(burst)))
        assert settled(futures[0])
        assert all(same(future.result(PATIENCE), frame) for future, frame in zip(futures, expected, strict=True))
        assert engine.counters.steps == 24
        assert engine.counters.passes < 16


def test_shapes_do_not_mix(mini: Model, priors: Priors) -> None:
    wide = Priors((96, 48), priors.semantic)
    with Engine(mini, batch=4) as engine:
        futures = [engine.submit(key, state, 1, ignore, steps=2) for key, state in (("a", priors), ("b", wide))]
        assert [future.result(PATIENCE).image.size for future in futures] == [(64, 64), (96, 48)]
        assert engine.counters.passes == 4


def test_a_failing_picture_does_no_harm_to_others(engine: Engine, priors: Priors) -> None:
    def explode() -> None:
        raise ValueError("no place for pictures")

    with pytest.raises(ValueError, match="no place"):
        engine.submit("a", priors, 1, once(explode)).result(PATIENCE)
    with pytest.raises(UsageError, match="steps"):
        engine.submit("b", priors, 1, ignore, steps=0).result(PATIENCE)
    assert settled(engine.submit("a", priors, 1, ignore))
    assert engine.counters.failed == 2


def test_a_failing_device_does_not_end_the_thread(engine: Engine, mini: Model, priors: Priors) -> None:
    def out_of_memory(*_: object) -> None:
        raise torch.OutOfMemoryError("out of memory")

    hook = mini.unet.register_forward_pre_hook(out_of_memory)
    try:
        with pytest.raises(DeviceMemoryError, match="low-memory"):
            engine.submit("a", priors, 1, ignore).result(PATIENCE)
    finally:
        hook.remove()
    assert settled(engine.submit("a", priors, 1, ignore))


def test_a_batch_too_large_for_the_device_is_split(mini: Model, priors: Priors) -> None:
    def at_most_one(_: object, inputs: tuple[torch.Tensor, ...]) -> None:
        if inputs[0].shape[0] > 1:
            raise torch.OutOfMemoryError("out of memory")

    hook = mini.unet.register_forward_pre_hook(at_most_one)
    try:
        with Engine(mini, batch=4) as engine:
            futures = [engine.submit(key, priors, key, ignore) for key in range(3)]
            assert all(settled(future) for future in futures)
            assert engine.counters.failed == 0
    finally:
        hook.remove()


def test_draining_finishes_everything(mini: Model, priors: Priors) -> None:
    engine = Engine(mini)
    futures = [engine.submit(key, priors, 1, ignore) for key in "abc"]
    engine.close(drain=True)
    assert all(future.done() and future.result().final for future in futures)


def test_closing_stops_between_steps(mini: Model, priors: Priors) -> None:
    engine = Engine(mini, batch=1)
    futures: list[Future[Frame]] = []

    def act() -> None:
        futures.append(engine.submit("b", priors, 1, ignore))
        engine.close()

    first = engine.submit("a", priors, 1, once(act))
    assert not settled(first)
    engine.close()
    assert futures[0].cancelled()
    assert engine.counters.steps == 2
    with pytest.raises(RenderError, match="closed"):
        engine.submit("c", priors, 1, ignore)


def test_a_full_engine_refuses_until_a_place_is_free(mini: Model, priors: Priors) -> None:
    refused: list[str] = []
    with Engine(mini, capacity=2) as engine:
        second: list[Future[Frame]] = []

        def act() -> None:
            second.append(engine.submit("b", priors, 1, ignore))
            with pytest.raises(EngineBusyError, match="busy with 2 pictures") as caught:
                engine.submit("c", priors, 1, ignore)
            refused.append(str(caught.value))
            # A key that has a place is still accepted.
            second.append(engine.submit("b", priors.only([Layer.SEMANTIC]), 1, ignore))

        first = engine.submit("a", priors, 1, once(act))
        assert settled(first)
        waited = engine.submit("c", priors, 1, ignore, wait=PATIENCE)
        assert settled(waited)
        assert settled(second[1])
        assert refused
        assert engine.counters.refused == 1


def test_cancelling_frees_a_place(mini: Model, priors: Priors) -> None:
    with Engine(mini, capacity=1) as engine:
        engine.submit("a", priors, 1, once(lambda: engine.cancel("a")))
        assert settled(engine.submit("b", priors, 1, ignore, wait=PATIENCE))


def test_waiting_for_a_place_ends_when_the_engine_closes(mini: Model, priors: Priors) -> None:
    engine = Engine(mini, capacity=1)
    closing: list[threading.Timer] = []
    ready = threading.Event()

    def block(frame: Frame) -> None:
        ready.wait(PATIENCE)

    engine.submit("a", priors, 1, block)
    closing.append(threading.Timer(0.05, engine.close))
    closing[0].start()
    with pytest.raises(RenderError, match="closed"):
        engine.submit("b", priors, 1, ignore, wait=PATIENCE)
    ready.set()
    closing[0].join()


@pytest.mark.parametrize("name", ["mini", "sd15"])
def test_pictures_do_not_depend_on_the_rest_of_their_batch(
    name: str, priors: Priors, request: pytest.FixtureRequest
) -> None:
    """Tolerance: one level of 255, because a batch is summed in another order than a single picture."""
    model: Model = request.getfixturevalue(name)
    states = [priors, priors.only([Layer.SEMANTIC]), priors.only([Layer.STRUCTURE]), Priors(priors.canvas)]
    alone = [list(render(state, seed, model=model, steps=6))[-1] for seed, state in enumerate(states)]
    together: list[Future[Frame]] = []
    with Engine(model, batch=4) as engine:

        def join() -> None:
            together.extend(engine.submit(key, states[key], key, ignore, 6) for key in (1, 2, 3))

        together.append(engine.submit(0, states[0], 0, once(join), 6))
        assert all(settled(future) for future in [*together])
        while len(together) < 4:
            threading.Event().wait(0.001)
        assert all(same(future.result(PATIENCE), frame) for future, frame in zip(together, alone, strict=True))
        assert engine.counters.passes < engine.counters.steps


def test_every_picture_of_a_crowd_gets_its_first_frame_before_any_is_refined(mini: Model, priors: Priors) -> None:
    order: list[tuple[int, int]] = []
    ready = threading.Event()
    with Engine(mini, batch=1) as engine:
        futures = [
            engine.submit(key, priors, key, lambda frame, key=key: order.append((key, frame.step)), session=key % 2)  # type: ignore[misc]
            for key in range(8)
        ]
        ready.set()
        assert all(settled(future) for future in futures)
    firsts = [order.index((key, 2)) for key in range(8)]
    # The first picture may be a step ahead of the others; every eighth pass takes the one that waited longest.
    assert max(firsts) < 8 + 4
    assert {key for key, step in order if step == 8} == set(range(8))


def test_counters_show_where_the_time_went(engine: Engine, priors: Priors) -> None:
    assert settled(engine.submit("a", priors, 1, ignore))
    counters = engine.counters
    assert min(counters.preparing_s, counters.stepping_s, counters.decoding_s) > 0


def test_an_empty_batch_is_refused(mini: Model) -> None:
    with pytest.raises(UsageError, match="not 0"):
        Engine(mini, batch=0)
