"""Render pictures from priors with a diffusion model. Importing this package loads no torch; its names load it.

The folders, from the bottom up; a folder imports only from those before it:

    settings, model_files   a model's numbers, and where its files are
    restoration             wavelet planes -> pictures, by a small network
    models                  the loaded model and its schedulers
    sampling, output        the denoising loop and what conditions it; latents -> frames
    backends, loader        other runtimes in place of plain torch; loading a model for one of them
    engine                  many pictures at once in one thread; `direct` renders one in the caller's thread
    cluster, start          engines on a Ray cluster; choosing between the two

`retrieval` finds a training picture for a prompt, and `selftest` compares the runtimes on this machine.
"""

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
    from receiver.rendering.model_files.listing import ModelInfo, list_models
    from receiver.rendering.models.model import Model
    from receiver.rendering.settings.performance import Performance
    from receiver.rendering.settings.settings import Condition, RenderSettings
    from receiver.rendering.settings.tuning import Tuning

# By default torch's CPU threads spin while they wait for each other. On two cores shared with other processes that made
# a run of the embedded model take 23 s instead of 1.2 s. OpenMP reads the variable once, when torch is imported. This
# package is imported before any of its modules imports torch, so here it is set in time for Python and command line.
os.environ.setdefault("OMP_WAIT_POLICY", "PASSIVE")

# transformers advises at import to install packages that no model here needs.
os.environ.setdefault("TRANSFORMERS_VERBOSITY", "error")

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

#: The module of each name. `Model` and `load_model` load torch when they are imported, `Engine` and `render` when used.
_HOMES = {
    "Condition": "settings.settings",
    "Engine": "engine.engine",
    "EngineCounters": "engine.counters",
    "Frame": "frames",
    "Model": "models.model",
    "ModelInfo": "model_files.listing",
    "Performance": "settings.performance",
    "RenderSettings": "settings.settings",
    "Tuning": "settings.tuning",
    "fetch_model": "model_files.fetching",
    "list_models": "model_files.listing",
    "load_model": "loader",
    "render": "engine.direct",
}


def __getattr__(name: str) -> object:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    if name in ("Model", "load_model"):
        require_render_extra()
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
