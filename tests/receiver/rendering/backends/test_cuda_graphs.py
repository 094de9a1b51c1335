"""CUDA graphs without a GPU: buckets, cache, fallbacks, and which device is current; CUDA's own calls are recorded."""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from codec.layers import Layer, Priors
from receiver.rendering.backends.cuda_graphs import MAX_GRAPHS, Forward, GraphedUnet, GraphPool, bucket, pad_rows
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model

CPU = torch.device("cpu")


class Recorded:
    """Stands in for CUDA's graphs: runs the pass again on each replay, on fixed tensors as a graph does."""

    def __init__(self, fails: type[Exception] | None = None) -> None:
        self.shapes: list[tuple[int, ...]] = []
        self.replays = 0
        self._fails = fails

    def capture(self, forward: Forward, inputs: list[torch.Tensor], device: torch.device) -> Any:
        assert device == CPU
        self.shapes.append(tuple(inputs[0].shape))
        if self._fails:
            raise self._fails("operation not permitted when stream is capturing: out of memory")
        fixed = [tensor.clone() for tensor in inputs]

        def replay(tensors: list[torch.Tensor]) -> torch.Tensor:
            self.replays += 1
            for held, tensor in zip(fixed, tensors, strict=True):
                held.copy_(tensor)
            return forward(fixed).clone()

        return SimpleNamespace(replay=replay)


def graphed(model: Model, recorded: Recorded) -> Model:
    return replace(model, unet=GraphedUnet(model.unet, CPU, recorded.capture), fill_features=True)


def same(frame: Frame, other: Frame) -> bool:
    return bool(np.abs(np.asarray(frame.image, int) - np.asarray(other.image, int)).max() <= 1)


@pytest.mark.parametrize(("rows", "padded"), [(1, 1), (2, 2), (3, 4), (4, 4), (5, 8), (8, 8), (9, 16)])
def test_batches_are_padded_to_powers_of_two(rows: int, padded: int) -> None:
    assert bucket(rows) == padded
    tensor = torch.randn(rows, 3, 2, 2)
    wide = pad_rows(tensor, padded)
    assert wide.shape[0] == padded
    assert torch.equal(wide[:rows], tensor)


@pytest.mark.parametrize("name", ["mini", "sd15", "sdxl"])
def test_graphs_draw_the_same_pictures_in_every_batch(
    name: str, priors: Priors, request: pytest.FixtureRequest
) -> None:
    model: Model = request.getfixturevalue(name)
    recorded = Recorded()
    with Engine(graphed(model, recorded), batch=3) as engine:
        futures = [engine.submit(seed, priors, seed, lambda _: None, 2) for seed in range(3)]
        finals = [future.result(120) for future in futures]
    for seed, final in enumerate(finals):
        assert same(final, list(render(priors, seed, model=model, steps=2))[-1])
    assert all(rows & (rows - 1) == 0 for rows, *_ in recorded.shapes)
    assert len(set(recorded.shapes)) == len(recorded.shapes) < recorded.replays


@pytest.mark.parametrize("error", [RuntimeError, torch.OutOfMemoryError])
def test_a_capture_that_fails_is_not_tried_again_and_the_picture_is_drawn(
    mini: Model, priors: Priors, error: type[Exception], caplog: pytest.LogCaptureFixture
) -> None:
    recorded = Recorded(error)
    frames = list(render(priors, 1, model=graphed(mini, recorded)))
    assert same(frames[-1], list(render(priors, 1, model=mini))[-1])
    assert len(recorded.shapes) == 1
    assert "runs without a CUDA graph" in caplog.text


def test_the_oldest_of_too_many_graphs_is_dropped(mini: Model, priors: Priors, monkeypatch: pytest.MonkeyPatch) -> None:
    assert MAX_GRAPHS == 32
    monkeypatch.setattr("receiver.rendering.backends.cuda_graphs.MAX_GRAPHS", 1)
    recorded = Recorded()
    model = graphed(mini, recorded)
    words = priors.only([Layer.SEMANTIC])
    for state in (words, replace(words, canvas=(64, 32)), words):
        list(render(state, 1, model=model, steps=2))
    assert len(recorded.shapes) == 3


def test_graphs_are_captured_and_replayed_on_their_own_device(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the guard, streams and graphs belong to the current device, and the graph of another one is empty."""
    current, seen = [torch.device("cuda:0")], []

    @contextmanager
    def device(wanted: torch.device) -> Iterator[None]:
        current.append(wanted)
        yield
        current.pop()

    @contextmanager
    def within(*_: object, **__: object) -> Iterator[None]:
        seen.append(("within", current[-1]))
        yield

    class Stream:
        def __init__(self) -> None:
            seen.append(("stream", current[-1]))

        def wait_stream(self, _: object) -> None:
            pass

    class Graph:
        def replay(self) -> None:
            seen.append(("replay", current[-1]))

    monkeypatch.setattr(torch.cuda, "device", device)
    monkeypatch.setattr(torch.cuda, "Stream", Stream)
    monkeypatch.setattr(torch.cuda, "current_stream", Stream)
    monkeypatch.setattr(torch.cuda, "stream", within)
    monkeypatch.setattr(torch.cuda, "graph", within)
    monkeypatch.setattr(torch.cuda, "CUDAGraph", Graph)
    monkeypatch.setattr(torch.cuda, "graph_pool_handle", lambda: seen.append(("pool", current[-1])))
    second = torch.device("cuda:1")
    graph = GraphPool(second).capture(lambda tensors: tensors[0] + 1, [torch.zeros(1)], second)
    graph.replay([torch.ones(1)])
    assert {what for what, _ in seen} == {"pool", "stream", "within", "replay"}
    assert {place for _, place in seen} == {second}
    assert current == [torch.device("cuda:0")]
