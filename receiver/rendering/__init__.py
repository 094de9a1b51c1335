"""Priors -> pictures, by a diffusion model. Importing this loads no torch; its names load what they need."""

import os
from importlib import import_module
from typing import TYPE_CHECKING

from receiver.rendering.extras import require_render_extra

if TYPE_CHECKING:
    from receiver.rendering.counters import EngineCounters
    from receiver.rendering.direct import render
    from receiver.rendering.engine import Engine
    from receiver.rendering.fetching import fetch_model
    from receiver.rendering.files import ModelInfo, list_models
    from receiver.rendering.frames import Frame
    from receiver.rendering.models import Model, load_model
    from receiver.rendering.performance import Performance
    from receiver.rendering.settings import Condition, RenderSettings, Tuning

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
    "Condition": "settings",
    "Engine": "engine",
    "EngineCounters": "counters",
    "Frame": "frames",
    "Model": "models",
    "ModelInfo": "files",
    "Performance": "performance",
    "RenderSettings": "settings",
    "Tuning": "settings",
    "fetch_model": "fetching",
    "list_models": "files",
    "load_model": "models",
    "render": "direct",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if _HOMES[name] == "models":
        require_render_extra()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
