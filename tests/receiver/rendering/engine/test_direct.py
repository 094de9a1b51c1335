import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import receiver.rendering
from codec.layers import Layer, Priors
from layercast_common.errors import MissingExtraError, UnknownModelError, UsageError
from receiver.rendering.engine.direct import render
from receiver.rendering.models.model import Model


def test_frames_get_better_until_the_final_one(mini: Model, priors: Priors) -> None:
    frames = list(render(priors, 1, model=mini))
    assert [(frame.step, frame.final) for frame in frames] == [(2, False), (4, False), (8, True)]
    assert {frame.steps for frame in frames} == {8}
    assert all(frame.layers == priors.layers for frame in frames)
    assert frames[-1].level is Layer.TEXTURE
    assert all(frame.image.size == priors.canvas for frame in frames)
    seconds = [frame.seconds for frame in frames]
    assert 0 < seconds[0] < seconds[1] < seconds[2]
    last = np.asarray(frames[-1].image, int)
    far, near = (np.abs(np.asarray(frame.image, int) - last).mean() for frame in frames[:2])
    assert near < far


def test_a_folder_is_accepted_as_a_model(mini_folder: Path, priors: Priors) -> None:
    (frame,) = render(priors, 1, model=mini_folder, device="cpu", steps=1)
    assert frame.final


def test_errors_are_raised_by_the_call_itself(priors: Priors, mini: Model) -> None:
    with pytest.raises(UnknownModelError):
        render(priors, 1, model="no such model")
    for steps in (0, -1, 1001):
        with pytest.raises(UsageError, match="steps"):
            render(priors, 1, model=mini, steps=steps)


def test_without_the_libraries_the_extra_is_named(priors: Priors, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "diffusers", None)
    with pytest.raises(MissingExtraError, match=r"layercast\[render\]"):
        render(priors, 1)
    with pytest.raises(MissingExtraError):
        receiver.rendering.load_model  # noqa: B018


def test_importing_loads_no_torch() -> None:
    program = (
        "import sys, receiver.rendering.engine.direct, receiver.rendering.engine.engine\n"
        "import receiver.rendering.model_files.files\n"
        "from receiver.rendering import Engine, fetch_model, list_models, render\n"
        "list_models()\n"
        "assert not {'torch', 'diffusers', 'transformers'} & set(sys.modules), 'too heavy'\n"
    )
    subprocess.run([sys.executable, "-c", program], check=True)


def test_every_public_name_is_there() -> None:
    assert receiver.rendering.__all__ == sorted(receiver.rendering.__all__)
    for name in receiver.rendering.__all__:
        assert getattr(receiver.rendering, name).__name__ == name
    with pytest.raises(AttributeError):
        receiver.rendering.nothing  # noqa: B018
