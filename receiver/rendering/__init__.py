"""Priors -> pictures, by a diffusion model. Importing this loads no torch; its names load what they need."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from receiver.rendering.extras import require_render_extra

if TYPE_CHECKING:
    from receiver.rendering.engine.counters import EngineCounters
    from receiver.rendering.engine.direct import render
    from receiver.rendering.engine.engine import Engine
    from receiver.rendering.frames import Frame
    from receiver.rendering.loader import load_model
    from receiver.rendering.model_files.fetching import fetch_model
    from receiver.rendering.model_files.files import ModelInfo, list_models
    from receiver.rendering.models.model import Model
    from receiver.rendering.settings.performance import Performance
    from receiver.rendering.settings.settings import Condition, RenderSettings, Tuning

# torch's CPU threads otherwise spin while they wait for each other. On two cores that somebody else uses, too, that
# made a run of the embedded model take 23 s in place of 1.2 s. Only counts if torch is not loaded yet.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

__all__ = [
    "Condition",
    "Engine",
    "EngineCounters",
    "Frame",
    "Model",
    "ModelInfo",
    "Performance",
    "RenderSettings",
    "Tuning",
    "fetch_model",
    "list_models",
    "load_model",
    "render",
]

#: Where each name lives. Only `Model` and `load_model` load torch when named; `Engine` and `render` when used.
_HOMES = {
    "Condition": "settings.settings",
    "Engine": "engine.engine",
    "EngineCounters": "engine.counters",
    "Frame": "frames",
    "Model": "models.model",
    "ModelInfo": "model_files.files",
    "Performance": "settings.performance",
    "RenderSettings": "settings.settings",
    "Tuning": "settings.settings",
    "fetch_model": "model_files.fetching",
    "list_models": "model_files.files",
    "load_model": "loader",
    "render": "engine.direct",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("Model", "load_model"):
        require_render_extra()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
