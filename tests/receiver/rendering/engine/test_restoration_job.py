"""Pictures with a wavelet plane: restored at once by models that can, denoised by the others."""

import threading
from collections.abc import Callable
from concurrent.futures import CancelledError, Future
from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from codec.layers import Layer, Priors
from codec.wavelet.plane import Plane
from layercast_common.errors import UsageError
from receiver.rendering.engine.direct import render
from receiver.rendering.engine.engine import Engine
from receiver.rendering.engine.render_method import RenderMethod, render_method
from receiver.rendering.frames import Frame
from receiver.rendering.models.model import Model
from receiver.rendering.restoration.restorer import Restorer

#: Longest wait for a result, in seconds: reached only if the engine hangs.
PATIENCE = 120


def ignore(frame: Frame) -> None:
    pass


def pixels(frame: Frame) -> NDArray[np.uint8]:
    return np.asarray(frame.image)


def restored(model: Model, priors: Priors) -> NDArray[np.uint8]:
    assert model.restoration is not None
    assert priors.plane is not None
    return model.restoration.restore(priors.plane)


def first_frame(action: Callable[[], object]) -> Callable[[Frame], None]:
    """Call a function in the engine's thread after the first frame, and so between two steps."""
    waiting = [action]

    def on_frame(frame: Frame) -> None:
        if waiting:
            waiting.pop()()

    return on_frame


def test_planes_are_restored_by_models_that_can(
    mini: Model, restoring: Model, sd15: Model, priors: Priors, planes: Priors
) -> None:
    assert render_method(planes, restoring, 0) is RenderMethod.RESTORE
    assert render_method(planes, mini, 0) is RenderMethod.RESTORE
    assert render_method(planes, sd15, 0) is RenderMethod.DENOISE
    assert render_method(planes, replace(sd15, restoration=restoring.restoration), 0) is RenderMethod.RESTORE
    for model in (mini, restoring, sd15):
        assert render_method(priors, model, 0) is RenderMethod.DENOISE


def test_a_restored_picture_is_one_final_frame(restoring: Model, planes: Priors) -> None:
    (frame,) = render(planes, 1, model=restoring)
    assert (frame.step, frame.steps, frame.final) == (1, 1, True)
    assert frame.layers == {Layer.SEMANTIC, Layer.TEXTURE, Layer.DETAIL}
    assert frame.level is Layer.DETAIL
    assert np.array_equal(pixels(frame), restored(restoring, planes))
    (other,) = render(planes, 2, model=restoring, steps=7)
    assert np.array_equal(pixels(other), pixels(frame))


def test_without_a_network_the_inverse_transform_is_the_picture(mini: Model, planes: Priors, plane: Plane) -> None:
    (frame,) = render(planes, 1, model=mini)
    assert np.array_equal(pixels(frame), plane.to_image())


def test_the_texture_level_has_no_detail(restoring: Model, planes: Priors) -> None:
    coarse = planes.only([Layer.SEMANTIC, Layer.TEXTURE])
    (frame,) = render(coarse, 1, model=restoring)
    assert frame.level is Layer.TEXTURE
    assert not np.array_equal(pixels(frame), restored(restoring, planes))


def test_other_models_denoise_from_the_picture_of_the_plane(sd15: Model, planes: Priors) -> None:
    final = list(render(planes, 1, model=sd15, steps=2))[-1]
    colours = list(render(replace(planes, plane=None), 1, model=sd15, steps=2))[-1]
    assert (final.steps, final.level) == (2, Layer.DETAIL)
    assert not np.array_equal(pixels(final), pixels(colours))
    assert planes.plane is not None
    shown = planes.plane.to_image().astype(int)
    assert np.abs(pixels(final) - shown).mean() < np.abs(pixels(colours) - shown).mean()


@pytest.mark.parametrize("steps", [0, 1001])
def test_a_wrong_number_of_steps_is_refused_all_the_same(restoring: Model, planes: Priors, steps: int) -> None:
    with pytest.raises(UsageError, match="steps"):
        render(planes, 1, model=restoring, steps=steps)


def test_a_plane_ends_a_running_denoising(restoring: Model, planes: Priors) -> None:
    words = planes.only([Layer.SEMANTIC])
    later: list[Future[Frame]] = []
    frames: list[Frame] = []
    with Engine(restoring) as engine:
        first = engine.submit(
            "a", words, 1, first_frame(lambda: later.append(engine.submit("a", planes, 1, frames.append)))
        )
        with pytest.raises(CancelledError):
            first.result(PATIENCE)
        final = later[0].result(PATIENCE)
        assert frames == [final]
        assert np.array_equal(pixels(final), restored(restoring, planes))
        counters = engine.counters
        assert (counters.steps, counters.thrown_away, counters.finished, counters.frames) == (2, 2, 1, 2)


def test_of_waiting_planes_the_best_is_restored(restoring: Model, planes: Priors) -> None:
    states = [planes.only([Layer.SEMANTIC, Layer.TEXTURE]), planes]
    futures: list[Future[Frame]] = []
    frames: list[Frame] = []

    def burst() -> None:
        futures.extend(engine.submit("a", state, 1, frames.append) for state in states)

    with Engine(restoring) as engine:
        engine.submit("other", planes, 1, first_frame(burst)).result(PATIENCE)
        while len(futures) < 2:
            threading.Event().wait(0.001)
        assert futures[1].result(PATIENCE).level is Layer.DETAIL
        assert futures[0].cancelled()
        assert [frame.level for frame in frames] == [Layer.DETAIL]
        better = engine.submit("a", planes, 1, frames.append).result(PATIENCE)
        assert np.array_equal(pixels(better), restored(restoring, planes))


def test_restored_and_denoised_pictures_share_an_engine(restoring: Model, planes: Priors, priors: Priors) -> None:
    with Engine(restoring, batch=4) as engine:
        futures = [
            engine.submit(number, planes if number % 2 else priors, number, ignore, session=number)
            for number in range(6)
        ]
        finals = [future.result(PATIENCE) for future in futures]
        assert [frame.steps for frame in finals] == [8, 1] * 3
        assert engine.counters.finished == 6
        assert engine.counters.steps == 24
    for seed in (0, 2, 4):
        alone = list(render(priors, seed, model=restoring))[-1]
        assert np.abs(pixels(finals[seed]).astype(int) - pixels(alone)).max() <= 2


def test_a_failing_restoration_fails_its_picture_alone(
    restoring: Model, planes: Priors, priors: Priors, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(*_: object) -> None:
        raise RuntimeError("the network is broken")

    monkeypatch.setattr(Restorer, "restore", fail)
    with Engine(restoring) as engine:
        bad, good = engine.submit("a", planes, 1, ignore), engine.submit("b", priors, 1, ignore)
        with pytest.raises(RuntimeError, match="is broken"):
            bad.result(PATIENCE)
        assert good.result(PATIENCE).final
        assert engine.counters.failed == 1
