"""Start a renderer: an engine in this process, or replicas of it on a cluster. Loads no torch until called."""

from pathlib import Path
from typing import TYPE_CHECKING, Union

import numpy as np

from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions, TextureForm
from codec.layers import Priors, Semantic
from layercast_common.errors import UsageError
from receiver.rendering.engine.engine import Engine
from receiver.rendering.engine.renderer import Renderer
from receiver.rendering.extras import require_render_extra
from receiver.rendering.settings.tuning import Tuning

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

#: Canvas side of the pictures that are rendered to warm up, in pixels, and the prompt: `mini` retrieves one for it.
WARM_UP_SIDE, WARM_UP_PROMPT = 512, "a woman"

#: Most denoising steps of a picture that is rendered to warm up: further ones do the same again, and take long with a
#: full-size model on a CPU.
WARM_UP_STEPS = 2


def start_renderer(
    model: Union[str, Path, "Model"],
    device: str = "auto",
    *,
    performance: str = "auto",
    replicas: int = 0,
    gpus_per_replica: float | None = None,
    tuning: Tuning | None = None,
) -> Renderer:
    """Load a model and start a renderer for it.

    Args:
        model: a loaded model, or a name, folder or hub id for `load_model`.
        device: see `load_model`.
        performance: how the model runs, see `Performance`.
        replicas: engines on a Ray cluster; 0 for one engine in this process.
        gpus_per_replica: GPUs reserved for each replica, fractions included; None shares out those of the cluster.
        tuning: changes to the model's own settings.

    Raises:
        RenderError: the model is unknown, missing or broken, or the replicas cannot be started.
        MissingExtraError: the rendering libraries, or Ray, are not installed.
        UsageError: a loaded model together with replicas, or arguments that `load_model` refuses.
    """
    if replicas:
        from receiver.rendering.cluster.cluster_engine import ClusterEngine
        from receiver.rendering.cluster.options import ClusterOptions

        if not isinstance(model, str | Path):
            raise UsageError("replicas load the model themselves; pass its name instead of a loaded model")
        options = ClusterOptions(replicas=replicas, gpus=gpus_per_replica)
        return ClusterEngine(model, device=device, performance=performance, tuning=tuning, options=options)
    if not isinstance(model, str | Path):
        return Engine(model)
    require_render_extra()
    from receiver.rendering.loader import load_model

    return Engine(load_model(model, device, performance=performance, tuning=tuning))


def warm_up(renderer: Renderer, steps: int | None = None) -> None:
    """Do what is slow before the first picture: load the coders, run the first kernels. Close a renderer that fails.

    It draws bit planes with one step, and a prompt alone with at most `WARM_UP_STEPS`.

    Args:
        renderer: the renderer.
        steps: denoising steps that pictures will get; the model's own number if None.

    Raises:
        RenderError: the renderer cannot render.
    """
    canvas = (WARM_UP_SIDE, WARM_UP_SIDE)
    picture = np.zeros((WARM_UP_SIDE, WARM_UP_SIDE, 3), np.uint8)
    picture[WARM_UP_SIDE // 4 : WARM_UP_SIDE // 2, : WARM_UP_SIDE // 2] = 200
    text = Semantic(WARM_UP_PROMPT)
    try:
        for texture in TextureForm:
            priors = encode(picture, text.prompt, EncodeOptions(texture=texture)).decode()
            if priors.plane is not None:
                renderer.submit("warm up", priors, 0, lambda _: None, 1).result()
        renderer.submit(
            "warm up", Priors(canvas, text), 0, lambda _: None, min(steps or WARM_UP_STEPS, WARM_UP_STEPS)
        ).result()
    except BaseException:
        renderer.close()
        raise
