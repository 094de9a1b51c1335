"""Apply a performance choice to a loaded model: replace its parts by other runtimes.

A replacement is called like the part, has its `config`, and gives the same numbers within the tolerances of
`receiver.rendering.selftest`.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from layercast_common.errors import UsageError
from receiver.rendering.backends.benchmark_records import recorded_performance
from receiver.rendering.backends.offload import OffloadedModule
from receiver.rendering.models.model import Model
from receiver.rendering.settings.performance import Performance

_log = logging.getLogger(__name__)


def with_performance(model: Model, performance: str) -> Model:
    """Return the model in another way of running it.

    Args:
        model: run as `Performance.PLAIN`.
        performance: a name of `Performance`.

    Raises:
        UsageError: no such name, or it does not fit the model or its device.
        MissingExtraError: its runtime is not installed.
        StorageError: layercast's cache cannot be written.
    """
    try:
        wanted = Performance(performance)
    except ValueError as error:
        raise UsageError(f"no performance {performance!r}; use one of {', '.join(Performance)}") from error
    if model.is_transformer and wanted not in (Performance.AUTO, Performance.PLAIN, Performance.LOW_MEMORY):
        raise UsageError(f"diffusion transformers do not run on {wanted}; use --performance plain or low-memory")
    if model.controlnets and wanted in (Performance.GRAPHS, Performance.OPENVINO):
        raise UsageError(f"ControlNets do not run on {wanted}; use --performance plain or compiled")
    if wanted is Performance.AUTO:
        wanted = _fastest_known(model)
        _log.info("%s: using performance %s", model.name, wanted)
    return replace(_RUNTIMES[wanted](model), performance=wanted)


def _fastest_known(model: Model) -> Performance:
    if model.controlnets or model.is_transformer:
        return Performance.PLAIN
    match model.device.type:
        case "cuda":
            return Performance.GRAPHS
        case "cpu":
            return recorded_performance(model.fingerprint)
        case _:
            return Performance.PLAIN


def _plain(model: Model) -> Model:
    return model


def _compiled(model: Model) -> Model:
    # With zeros for missing features, one graph serves pictures with and without edges and colours.
    return replace(model, unet=_Compiled(model.unet), fill_features=True)


class _Compiled:
    """Replaces a UNet; compiled on its first call."""

    def __init__(self, unet: Any) -> None:
        self.config = unet.config
        self._forward: Any = torch.compile(unet, dynamic=False)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self._forward(*inputs, **named)


def _graphs(model: Model) -> Model:
    from receiver.rendering.backends.cuda_graphs import GraphedUnet

    if model.device.type != "cuda":
        raise UsageError("CUDA graphs need a CUDA device; use --performance plain")
    return replace(model, unet=GraphedUnet(model.unet, model.device), fill_features=True)


def _openvino(model: Model) -> Model:
    from receiver.rendering.backends.openvino import convert_decoder, convert_unet

    if model.device.type != "cpu":
        raise UsageError("OpenVINO runs on the CPU; use --device cpu or --performance plain")
    decoder = convert_decoder(model)
    return replace(
        model,
        unet=convert_unet(model),
        vae=decoder,
        preview_vae=decoder if model.preview_vae is model.vae else model.preview_vae,
        fill_features=True,
    )


def _low_memory(model: Model) -> Model:
    for vae in (model.vae, model.preview_vae):
        vae.enable_tiling()
        vae.enable_slicing()
    if model.device.type == "cpu":
        return model
    vae = OffloadedModule(model.vae, model.device)
    return replace(
        model,
        vae=vae,
        preview_vae=vae if model.preview_vae is model.vae else model.preview_vae,
        text_encoder=OffloadedModule(model.text_encoder, model.device),
        text_encoder_2=model.text_encoder_2 and OffloadedModule(model.text_encoder_2, model.device),
        adapters={condition: OffloadedModule(adapter, model.device) for condition, adapter in model.adapters.items()},
    )


_RUNTIMES: dict[Performance, Callable[[Model], Model]] = {
    Performance.PLAIN: _plain,
    Performance.COMPILED: _compiled,
    Performance.GRAPHS: _graphs,
    Performance.OPENVINO: _openvino,
    Performance.LOW_MEMORY: _low_memory,
}
