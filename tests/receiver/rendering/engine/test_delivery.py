"""Frames finished and delivered by a second thread."""

import threading
from collections.abc import Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from codec.layers import Priors
from layercast_common.errors import EngineBusyError
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model

PATIENCE = 120


def ignore(frame: Frame) -> None:
    pass


@pytest.fixture
def engine(mini: Model) -> Iterator[Engine]:
    with Engine(mini, batch=2, overlap=True) as running:
        yield running


def test_the_tail_of_a_frame_leaves_the_engines_thread(engine: Engine, mini: Model, priors: Priors) -> None:
    threads: list[str] = []
    final = engine.submit("a", priors, 1, lambda _: threads.append(threading.current_thread().name)).result(PATIENCE)
    assert set(threads) == {"layercast-frames"}
    assert np.array_equal(np.asarray(final.image), np.asarray(list(render(priors, 1, model=mini))[-1].image))
    assert engine.counters.finishing_s > 0
    assert engine.counters.finished == 1


def test_a_slow_caller_does_not_hold_up_the_steps(engine: Engine, priors: Priors) -> None:
    """The first frame's callback waits until the whole run is denoised; previews that became old are left out."""
    steps: list[int] = []

    def wait(frame: Frame) -> None:
        steps.append(frame.step)
        deadline = threading.Event()
        while engine.counters.steps < 8:
            deadline.wait(0.005)

    engine.submit("a", priors, 1, wait).result(PATIENCE)
    assert steps[0] == 2
    assert steps[-1] == 8


def test_a_frame_that_waits_keeps_its_place(mini: Model, priors: Priors) -> None:
    reached, go = threading.Event(), threading.Event()

    def block(frame: Frame) -> None:
        if frame.final:
            reached.set()
            go.wait(PATIENCE)

    with Engine(mini, capacity=1, overlap=True) as engine:
        first = engine.submit("a", priors, 1, block, 1)
        assert reached.wait(PATIENCE)
        with pytest.raises(EngineBusyError):
            engine.submit("b", priors, 1, ignore, 1)
        go.set()
        assert first.result(PATIENCE).final
        assert engine.submit("b", priors, 1, ignore, 1, wait=PATIENCE).result(PATIENCE).final
        assert engine.pictures <= 1


def test_an_error_of_the_callback_fails_its_picture_alone(engine: Engine, priors: Priors) -> None:
    def explode(frame: Frame) -> None:
        raise ValueError("no place for pictures")

    bad, good = engine.submit("a", priors, 1, explode), engine.submit("b", priors, 2, ignore)
    with pytest.raises(ValueError, match="no place"):
        bad.result(PATIENCE)
    assert good.result(PATIENCE).final
    assert engine.counters.failed == 1


@pytest.mark.parametrize("drain", [True, False])
def test_closing_ends_both_threads(mini: Model, priors: Priors, *, drain: bool) -> None:
    reached, go = threading.Event(), threading.Event()

    def block(frame: Frame) -> None:
        reached.set()
        go.wait(PATIENCE)

    engine = Engine(mini, overlap=True)
    futures: list[Future[Frame]] = [engine.submit("a", priors, 1, block, 1)]
    assert reached.wait(PATIENCE)
    futures.append(engine.submit("b", priors, 1, ignore, 1))
    threading.Timer(0.05, go.set).start()
    engine.close(drain=drain)
    assert "layercast-frames" not in {thread.name for thread in threading.enumerate()}
    assert futures[0].result(PATIENCE).final
    # Without draining the second picture is cancelled, unless it was just being delivered.
    assert futures[1].done()
    assert futures[1].result().final if drain else True


def test_closing_from_a_callback_does_not_hang(mini: Model, priors: Priors) -> None:
    engine = Engine(mini, overlap=True)
    done = threading.Event()

    def close(frame: Frame) -> None:
        engine.close()
        done.set()

    engine.submit("a", priors, 1, close)
    assert done.wait(PATIENCE)
    engine.close()
