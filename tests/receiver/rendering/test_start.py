import sys
from pathlib import Path

import pytest

from layercast_common.errors import MissingExtraError, UnknownModelError, UsageError
from receiver.rendering.engine.engine import Engine
from receiver.rendering.models.model import Model
from receiver.rendering.start import start_renderer


def test_a_named_or_loaded_model_gets_an_engine_in_this_process(mini: Model, mini_folder: Path) -> None:
    for model in (mini, mini_folder):
        engine = start_renderer(model, "cpu", performance="plain")
        assert isinstance(engine, Engine)
        engine.close()


def test_the_models_errors_are_raised() -> None:
    with pytest.raises(UnknownModelError, match="use one of mini"):
        start_renderer("no such model")


def test_without_ray_the_extra_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(MissingExtraError, match=r"layercast\[ray\]"):
        start_renderer("mini", replicas=2)


def test_loaded_models_are_refused_by_a_cluster(mini: Model) -> None:
    with pytest.raises(UsageError, match="pass its name"):
        start_renderer(mini, replicas=1)
