"""Two replicas on a local Ray cluster. Slow, because a cluster starts slowly."""

import os
import signal
import threading
from collections.abc import Iterator
from concurrent.futures import CancelledError
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from codec.layers import Layer, Priors
from layercast_common.errors import EngineBusyError, RenderError, UsageError
from receiver.rendering.cluster.cluster_engine import ClusterEngine
from receiver.rendering.cluster.options import ClusterOptions
from receiver.rendering.engine.direct import render
from receiver.rendering.frames import Frame
from receiver.rendering.loader import load_model

#: Longest wait for a picture, in seconds.
PATIENCE = 240

needs_ray = pytest.mark.skipif(find_spec("ray") is None, reason="Ray is not installed")


@pytest.fixture(scope="module")
def cluster(mini_folder: Path) -> Iterator[ClusterEngine]:
    os.environ["PYTHONPATH"] = os.pathsep.join([str(Path(__file__).parents[4]), os.environ.get("PYTHONPATH", "")])
    options = ClusterOptions(replicas=2, capacity=32, cpus=0.5)
    engine = ClusterEngine(mini_folder, device="cpu", options=options)
    yield engine
    engine.close()
    with pytest.raises(RenderError, match="closed"):
        engine.submit("late", Priors((64, 64)), 1, lambda _: None)


@pytest.mark.slow
@needs_ray
def test_frames_come_back_as_from_an_engine_here(cluster: ClusterEngine, mini_folder: Path, priors: Priors) -> None:
    frames: list[Frame] = []
    final = cluster.submit("a", priors, 1, frames.append).result(PATIENCE)
    assert frames[-1].step == final.step
    assert len(frames) > 1
    here = list(render(priors, 1, model=load_model(mini_folder, "cpu", performance="plain")))[-1]
    assert np.abs(np.asarray(final.image, int) - np.asarray(here.image, int)).max() <= 1


@pytest.mark.slow
@needs_ray
def test_later_layers_take_a_pictures_place(cluster: ClusterEngine, priors: Priors) -> None:
    words = priors.only([Layer.SEMANTIC])
    shown = threading.Event()
    first = cluster.submit("b", words, 1, lambda _: shown.set(), 200)
    assert shown.wait(PATIENCE)
    final = cluster.submit("b", priors, 1, lambda _: None, 200).result(PATIENCE)
    assert final.level is Layer.TEXTURE
    with pytest.raises(CancelledError):
        first.result(PATIENCE)


@pytest.mark.slow
@needs_ray
def test_cancelled_pictures_free_places(cluster: ClusterEngine, priors: Priors) -> None:
    drawings = [cluster.submit(f"c{number}", priors, 1, lambda _: None, 500) for number in range(32)]
    with pytest.raises(EngineBusyError):
        cluster.submit("one too many", priors, 1, lambda _: None)
    for number in range(32):
        cluster.cancel(f"c{number}")
    assert all(drawing.cancelled() for drawing in drawings)
    assert cluster.submit("again", priors, 1, lambda _: None, wait=PATIENCE).result(PATIENCE).final


@pytest.mark.slow
@needs_ray
def test_wrong_requests_raise_the_engines_errors(cluster: ClusterEngine, priors: Priors) -> None:
    with pytest.raises(UsageError, match="steps"):
        cluster.submit("d", priors, 1, lambda _: None, 0).result(PATIENCE)


@pytest.mark.slow
@needs_ray
def test_no_picture_is_lost_when_a_replica_dies(cluster: ClusterEngine, priors: Priors) -> None:
    shown = threading.Semaphore(0)
    drawings = [cluster.submit(f"p{n}", priors, n, lambda _: shown.release(), 100) for n in range(20)]
    for _ in range(10):
        assert shown.acquire(timeout=PATIENCE)
    os.kill(cluster.find_process(), signal.SIGKILL)
    assert sum(drawing.result(PATIENCE).final for drawing in drawings) == 20
    assert cluster.pictures == 0
