"""Full memory: smaller batches, tiles, left-out previews; errors hold no tensors."""

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import torch

from codec.layers import Priors
from layercast_common.errors import DeviceMemoryError, NotFiniteError
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.engine import Engine
from receiver.rendering.frames import Frame
from receiver.rendering.models.memory import is_out_of_memory
from receiver.rendering.models.model import Model

#: Longest wait for a result, in seconds: reached only if the engine hangs.
PATIENCE = 120


def ignore(frame: Frame) -> None:
    pass


@pytest.fixture(scope="module")
def quick(mini: Model) -> Model:
    """A model whose runs have few steps and no preview."""
    return replace(mini, settings=replace(mini.settings, steps=3, previews=()))


class FullDevice:
    """Lets a module run out of memory, and counts the activations that live on.

    Attributes:
        sizes: rows of each call, failed ones included.
        alive: how many activations of failed passes lived at the start of each call.
    """

    def __init__(self, fits: Callable[[torch.Tensor], bool]) -> None:
        self.sizes: list[int] = []
        self.alive: list[int] = []
        self._fits = fits
        self._held: list[weakref.ref[torch.Tensor]] = []

    def __call__(self, _: object, inputs: tuple[torch.Tensor, ...]) -> None:
        self.sizes.append(inputs[0].shape[0])
        self.alive.append(self.living)
        # Held by this frame alone, as a failed pass holds its activations.
        activation = torch.ones(8)
        self._held.append(weakref.ref(activation))
        if not self._fits(inputs[0]):
            raise torch.OutOfMemoryError("CUDA out of memory")

    @property
    def living(self) -> int:
        return sum(reference() is not None for reference in self._held)


@contextmanager
def full(module: Any, fits: Callable[[torch.Tensor], bool]) -> Iterator[FullDevice]:
    device = FullDevice(fits)
    hook = module.register_forward_pre_hook(device)
    try:
        yield device
    finally:
        hook.remove()


def crowd(engine: Engine, priors: Priors, count: int) -> list[Future[Frame]]:
    """Submit pictures that meet in one batch: the engine waits in another picture's frame until all are there."""
    reached, ready = threading.Event(), threading.Event()

    def gate(frame: Frame) -> None:
        reached.set()
        ready.wait(PATIENCE)

    futures = [engine.submit("gate", priors, 0, gate, 1)]
    # If the device is full, the gate has no frame.
    while not reached.is_set() and not futures[0].done():
        reached.wait(0.01)
    futures += [engine.submit(key, priors, key, ignore) for key in range(1, count + 1)]
    ready.set()
    return futures


def test_out_of_memory_the_retry_holds_nothing_of_the_failed_pass(quick: Model, priors: Priors) -> None:
    with full(quick.unet, lambda sample: sample.shape[0] <= 2) as device, Engine(quick, batch=4) as engine:
        assert all(future.result(PATIENCE).final for future in crowd(engine, priors, 4))
        assert engine.counters.failed == 0
    assert device.alive == [0] * len(device.sizes)
    # One pass of four failed; all later ones are small from the start.
    assert [size for size in device.sizes if size > 2] == [4]


def test_out_of_memory_the_errors_of_futures_hold_no_tensors(quick: Model, priors: Priors) -> None:
    with full(quick.unet, lambda sample: False) as device, Engine(quick, batch=2) as engine:
        futures = crowd(engine, priors, 2)
        errors = [future.exception(PATIENCE) for future in futures]
        gc.collect()
        assert all(isinstance(error, DeviceMemoryError) for error in errors)
        assert device.living == 0
        assert all(error is not None and error.__traceback__ is None for error in errors)
        assert set(device.alive) == {0}


def test_out_of_memory_is_said_once_and_shortly(quick: Model, priors: Priors, caplog: pytest.LogCaptureFixture) -> None:
    text = (
        "CUDA out of memory. Tried to allocate 20.00 MiB. GPU 0 has a total capacity of 79.18 GiB of which 16.19 MiB"
        " is free. If reserved but unallocated memory is large try setting PYTORCH_CUDA_ALLOC_CONF"
    )
    allowed = [False]

    def refuse(*_: object) -> None:
        if not allowed[0]:
            raise torch.OutOfMemoryError(text)

    hook = quick.unet.register_forward_pre_hook(refuse)
    try:
        with Engine(quick, batch=2) as engine:
            futures = [engine.submit(key, priors, key, ignore) for key in range(4)]
            assert all(isinstance(future.exception(PATIENCE), DeviceMemoryError) for future in futures)
            said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
            assert len(said) == 1
            assert said[0].startswith("rendering ")
            assert said[0].endswith("or another device (tried to allocate 20.00 MiB)")
            allowed[0] = True
            assert engine.submit("a", priors, 1, ignore).result(PATIENCE).final
            allowed[0] = False
            assert engine.submit("b", priors, 1, ignore).exception(PATIENCE)
    finally:
        hook.remove()
    said = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert said[1] == "3 more failures of the same kind: DeviceMemoryError"
    # Something succeeded in between, so the cause is new again.
    assert len(said) == 3
    assert said[2].startswith("rendering 'b' failed")


def test_out_of_memory_once_alone_is_tried_again(quick: Model, priors: Priors) -> None:
    failures = iter([False])
    with full(quick.unet, lambda sample: next(failures, True)), Engine(quick) as engine:
        assert engine.submit("a", priors, 1, ignore).result(PATIENCE).final


def test_out_of_memory_while_text_is_encoded_is_tried_again(quick: Model, priors: Priors) -> None:
    failures = iter([False])
    hook = quick.text_encoder.register_forward_pre_hook(
        lambda *_: None if next(failures, True) else (_ for _ in ()).throw(torch.OutOfMemoryError("out of memory"))
    )
    try:
        with Engine(quick) as engine:
            fresh = replace(priors, semantic=replace(priors.semantic, prompt="mountains"))  # type: ignore[type-var]
            assert engine.submit("a", fresh, 1, ignore).result(PATIENCE).final
    finally:
        hook.remove()


def test_out_of_memory_at_a_preview_loses_no_picture(mini: Model, priors: Priors) -> None:
    model = replace(mini, settings=replace(mini.settings, steps=4, previews=(1, 2)))
    frames: list[Frame] = []
    calls = iter(range(100))
    # The whole preview, its retry in tiles, and the second preview fail; then there is room.
    with full(model.vae.decoder, lambda latents: next(calls) >= 3), Engine(model) as engine:
        final = engine.submit("a", priors, 1, frames.append).result(PATIENCE)
    assert final.final
    assert frames == [final]


def test_out_of_memory_at_the_end_the_decoder_works_in_tiles(quick: Model, priors: Priors) -> None:
    whole = list(render(priors, 1, model=quick))[-1]
    with full(quick.vae.decoder, lambda latents: latents.shape[-1] < 8) as device, Engine(quick) as engine:
        final = engine.submit("a", priors, 1, ignore).result(PATIENCE)
        assert engine.submit("b", priors, 1, ignore).result(PATIENCE).final
        assert engine.counters.failed == 0
    assert final.image.size == whole.image.size
    # The second picture goes straight to tiles.
    assert len(device.sizes) == 1 + 2 * 9
    assert np.abs(np.asarray(final.image, int) - np.asarray(whole.image, int)).mean() < 40


def test_finals_of_one_size_are_decoded_in_one_pass(quick: Model, priors: Priors) -> None:
    alone = {key: list(render(priors, key, model=quick))[-1] for key in range(1, 4)}
    with full(quick.vae.decoder, lambda latents: True) as device, Engine(quick, batch=3) as engine:
        finals = [future.result(PATIENCE) for future in crowd(engine, priors, 3)[1:]]
    assert device.sizes == [1, 3]
    for key, final in enumerate(finals, start=1):
        assert np.abs(np.asarray(final.image, int) - np.asarray(alone[key].image, int)).max() <= 1


def test_finals_that_do_not_fit_together_are_decoded_apart(quick: Model, priors: Priors) -> None:
    with full(quick.vae.decoder, lambda latents: latents.shape[0] == 1) as device, Engine(quick, batch=3) as engine:
        assert all(future.result(PATIENCE).final for future in crowd(engine, priors, 3))
    assert device.sizes == [1, 3, 1, 1, 1]
    assert set(device.alive) == {0}


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate"), True),
        (MemoryError(), True),
        (RuntimeError("MPS backend out of memory (MPS allocated"), True),
        (RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to"), True),
        (RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"), True),
        (RuntimeError("mat1 and mat2 shapes cannot be multiplied"), False),
        (ValueError("out of memory"), False),
        (None, False),
    ],
)
def test_which_errors_say_that_memory_is_full(error: Exception | None, *, expected: bool) -> None:
    assert is_out_of_memory(error) is expected


def test_a_picture_that_is_not_finite_fails_by_name(quick: Model, priors: Priors) -> None:
    def spoil(_: object, __: object, output: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
        return (output[0] * float("nan"),)

    hook = quick.unet.register_forward_hook(spoil)
    try:
        with Engine(quick) as engine, pytest.raises(NotFiniteError, match="denoiser"):
            engine.submit("a", priors, 1, ignore).result(PATIENCE)
    finally:
        hook.remove()
