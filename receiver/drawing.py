"""Starts and stops what renders a receiver's pictures. Importing it loads no torch."""

import asyncio
import contextlib
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Union

from layercast_common.tasks import run_abandonable
from receiver.options import RenderOptions

if TYPE_CHECKING:
    from receiver.rendering.engine.renderer import Renderer
    from receiver.rendering.models.model import Model

#: How long a receiver that is stopped waits for the renderer, in seconds.
STOP_SECONDS = 1.0


async def start_drawing(options: RenderOptions) -> "Renderer | None":
    """Load the model and render one picture to warm up; None if the options name no model.

    Raises:
        RenderError: the model cannot be loaded.
    """
    if options.model is None:
        return None
    load = partial(_start, options, options.model)
    return await run_abandonable(load, name="loading", discard=lambda one: one.close())


async def stop_drawing(renderer: "Renderer | None", *, at_once: bool) -> None:
    """Close a renderer; with `at_once`, do not wait for a step of a large model, which nothing can interrupt."""
    if renderer is not None:
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(STOP_SECONDS if at_once else None):
                await run_abandonable(renderer.close, name="closing")


def _start(options: RenderOptions, model: Union[str, Path, "Model"]) -> "Renderer":
    from receiver.rendering.start import start_renderer, warm_up

    renderer = start_renderer(
        model,
        options.device,
        performance=options.performance,
        replicas=options.replicas,
        gpus_per_replica=options.gpus_per_replica,
        tuning=options.tuning,
    )
    warm_up(renderer, options.steps)
    return renderer
