"""Frames finished and delivered by a second thread."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future

import numpy as np
import pytest

from codec.layers import Priors
from layercast_common.errors import EngineBusyError
from receiver.rendering.engine.delivery import FrameDelivery
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.engine import Engine
from receiver.rendering.engine.requests import Request, RequestQueue
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model
from receiver.rendering.output.finishing import FrameRecipe

PATIENCE = 120


def ignore(frame: Frame) -> None:
    pass


@pytest.fixture
def engine(mini: Model) -> Iterator[Engine]:
    with Engine(mini, batch=2, finishers=1) as running:
        yield running


def test_the_tail_of_a_frame_leaves_the_engines_thread(engine: Engine, mini: Model, priors: Priors) -> None:
    threads: list[str] = []
    final = engine.submit("a", priors, 1, lambda _: threads.append(threading.current_thread().name)).result(PATIENCE)
    assert set(threads) == {"layercast-frames-0"}
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

    with Engine(mini, capacity=1, finishers=1) as engine:
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

    engine = Engine(mini, finishers=1)
    futures: list[Future[Frame]] = [engine.submit("a", priors, 1, block, 1)]
    assert reached.wait(PATIENCE)
    futures.append(engine.submit("b", priors, 1, ignore, 1))
    threading.Timer(0.05, go.set).start()
    engine.close(drain=drain)
    assert not [thread for thread in threading.enumerate() if thread.name.startswith("layercast-frames")]
    assert futures[0].result(PATIENCE).final
    # Without draining the second picture is cancelled, unless it was just being delivered.
    assert futures[1].done()
    assert futures[1].result().final if drain else True


def test_closing_from_a_callback_does_not_hang(mini: Model, priors: Priors) -> None:
    engine = Engine(mini, finishers=1)
    done = threading.Event()

    def close(frame: Frame) -> None:
        engine.close()
        done.set()

    engine.submit("a", priors, 1, close)
    assert done.wait(PATIENCE)
    engine.close()


class Delivered:
    """Frames put into a delivery of three threads, by hand.

    Attributes:
        shown: key and step of each frame that was delivered, in order.
        at_once: most callbacks that ran at the same time.
    """

    def __init__(self) -> None:
        self.shown: list[tuple[str, int]] = []
        self.at_once = 0
        self._inside = 0
        self._requests: dict[str, Request] = {}
        self.delivery = FrameDelivery(RequestQueue(8), lambda **_: None, threads=3)

    def put(self, key: str, step: int, pixels: Callable[[], None] = lambda: None) -> Future[Frame]:
        priors = Priors((8, 8))
        request = self._requests.setdefault(
            key, Request(key=key, priors=priors, seed=0, steps=4, on_frame=self._show(key), result=Future())
        )
        recipe = FrameRecipe(
            canvas=(8, 8), layers=frozenset(), step=step, steps=4, final=step == 4, started=0, clock=lambda: 0
        )

        def wait() -> np.ndarray:
            pixels()
            return np.zeros((8, 8, 3), np.uint8)

        self.delivery.put(request, recipe, wait)
        return request.result

    def _show(self, key: str) -> Callable[[Frame], None]:
        def show(frame: Frame) -> None:
            self._inside += 1
            self.at_once = max(self.at_once, self._inside)
            threading.Event().wait(0.01)
            self.shown.append((key, frame.step))
            self._inside -= 1

        return show


def meet(barrier: threading.Barrier) -> None:
    barrier.wait(PATIENCE)


def test_frames_of_several_pictures_are_finished_at_once() -> None:
    delivered = Delivered()
    together = threading.Barrier(3)
    # Each waits for the two others: one thread alone would never come to the second.
    results = [delivered.put(key, 4, lambda: meet(together)) for key in "abc"]
    assert all(result.result(PATIENCE).final for result in results)
    delivered.delivery.close(drain=True)
    assert sorted(delivered.shown) == [("a", 4), ("b", 4), ("c", 4)]
    assert delivered.at_once == 1


def test_frames_of_one_picture_keep_their_order() -> None:
    delivered = Delivered()
    begun, go = threading.Event(), threading.Event()

    def slow() -> None:
        begun.set()
        go.wait(PATIENCE)

    first = delivered.put("a", 1, slow)
    assert begun.wait(PATIENCE)
    # The second preview is left out for the final one, which two threads could finish before the first is there.
    delivered.put("a", 2)
    delivered.put("a", 4)
    assert delivered.put("b", 4).result(PATIENCE).final
    go.set()
    assert first.result(PATIENCE).final
    delivered.delivery.close(drain=True)
    assert delivered.shown == [("b", 4), ("a", 1), ("a", 4)]


def test_many_pictures_come_out_of_several_threads_as_from_one(mini: Model, priors: Priors) -> None:
    def draw(finishers: int) -> list[np.ndarray]:
        with Engine(mini, batch=2, finishers=finishers) as engine:
            futures = [engine.submit(key, priors, key, ignore, 3) for key in range(6)]
            return [np.asarray(future.result(PATIENCE).image) for future in futures]

    assert all(np.array_equal(one, other) for one, other in zip(draw(1), draw(3), strict=True))
