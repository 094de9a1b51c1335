"""Random sequences of calls leak nothing: no job, no tensor, no thread, no memory."""

import contextlib
import gc
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Future
from dataclasses import replace
from itertools import combinations
from pathlib import Path
from random import Random

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from codec.layers import Layer, Priors
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model

#: Longest wait for the engine to settle, in seconds: reached only if the engine hangs.
PATIENCE = 120

KEYS = st.integers(0, 3)
LAYERS = (Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE)
STATES = [layers for count in range(4) for layers in combinations(LAYERS, count)]
ACTIONS = st.one_of(
    st.tuples(st.just("submit"), KEYS, st.sampled_from(STATES), st.integers(0, 1)),
    st.tuples(st.just("update"), KEYS, st.sampled_from(STATES), st.just(0)),
    st.tuples(st.just("cancel"), KEYS, st.just(()), st.just(0)),
    st.tuples(st.just("drop"), KEYS, st.just(()), st.just(0)),
    st.tuples(st.just("wait"), KEYS, st.just(()), st.just(0)),
)
SEQUENCES = st.lists(ACTIONS, min_size=1, max_size=12)


@pytest.fixture(scope="module")
def shared(mini: Model, priors: Priors) -> Iterator[Engine]:
    """One engine for all sequences, so that leaks add up; its caches are full."""
    few = replace(mini, settings=replace(mini.settings, steps=3, previews=(1,)))
    with Engine(few, batch=2) as engine:
        for layers in STATES:
            engine.submit("warm up", priors.only(layers), 0, lambda _: None).result(PATIENCE)
        yield engine


def play(engine: Engine, sequence: list[tuple[str, int, tuple[Layer, ...], int]], priors: Priors) -> None:
    futures: dict[int, Future[Frame]] = {}
    for action, key, layers, seed in sequence:
        match action:
            case "submit" | "update":
                state = priors.only(layers)
                futures[key] = engine.submit(key, state, seed, lambda _: None, session=key % 2)
            case "cancel":
                engine.cancel(key)
            case "drop" if key in futures:
                futures[key].cancel()
            case "wait" if key in futures:
                # Give the engine some time; the sequence continues wherever the picture is by then.
                time.sleep(0.008)
    for key in futures:
        engine.cancel(key)
    deadline = time.monotonic() + PATIENCE
    while engine.pictures and time.monotonic() < deadline:
        time.sleep(0.0005)
    assert engine.pictures == 0
    assert all(future.done() for future in futures.values())


def tensors() -> int:
    gc.collect()
    count = 0
    for thing in gc.get_objects():
        # A weak proxy, such as those of other libraries, may have lost its object.
        with contextlib.suppress(ReferenceError):
            count += isinstance(thing, torch.Tensor)
    return count


def resident() -> int:
    """Bytes of memory in use."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * 4096


def play_many(engine: Engine, priors: Priors, count: int) -> None:
    @settings(max_examples=count, deadline=None, database=None, suppress_health_check=list(HealthCheck))
    @given(SEQUENCES)
    def run(sequence: list[tuple[str, int, tuple[Layer, ...], int]]) -> None:
        play(engine, sequence, priors)

    run()


@pytest.mark.parametrize("count", [30, pytest.param(1000, marks=pytest.mark.slow)])
def test_random_sequences_leave_nothing_behind(shared: Engine, priors: Priors, count: int) -> None:
    before = (tensors(), threading.active_count())
    play_many(shared, priors, count)
    assert (tensors(), threading.active_count()) == before
    assert shared.counters.failed == 0
    assert shared.counters.steps > count // 4


@pytest.mark.slow
def test_memory_stays_flat(shared: Engine, priors: Priors) -> None:
    """Without Hypothesis, which stores every sequence that it tried."""
    random = Random(1)
    used = []
    for number in range(1200):
        actions = random.choices(["submit", "update", "cancel", "drop", "wait"], k=random.randint(1, 12))
        play(shared, [(a, random.randrange(4), random.choice(STATES), random.randrange(2)) for a in actions], priors)
        if number in (199, 1199):
            used.append(resident())
    assert used[1] <= 1.02 * used[0]
