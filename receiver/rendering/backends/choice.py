"""Making a loaded model run as its performance choice says: other runtimes in place of the same parts.

A part's stand-in is called like the part, has its `config`, and gives the same numbers within a documented tolerance.
"""

import logging
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import torch

from layercast_common.errors import UsageError
from receiver.rendering.backends.benchmark_records import recorded_performance
from receiver.rendering.models.model import Model
from receiver.rendering.settings.performance import Performance

logger = logging.getLogger(__name__)


def with_performance(model: Model, performance: str) -> Model:
    """The same model, run another way.

    Args:
        performance: a name of `Performance`.

    Raises:
        UsageError: no such name, or the device or an extra that it needs is not here.
    """
    try:
        wanted = Performance(performance)
    except ValueError as error:
        raise UsageError(f"no performance {performance!r}; there are {', '.join(Performance)}") from error
    if model.controlnets and wanted in (Performance.GRAPHS, Performance.OPENVINO):
        raise UsageError(f"ControlNets run without {wanted}; use --performance plain or compiled")
    if wanted is Performance.AUTO:
        wanted = _fastest_known(model)
        logger.info("%s runs %s", model.name, wanted)
    return replace(_RUNTIMES[wanted](model), performance=wanted)


def _fastest_known(model: Model) -> Performance:
    if model.controlnets:
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
    # Zeros in place of missing features: one graph serves pictures with and without lines and colours.
    return replace(model, unet=_Compiled(model.unet), fill_features=True)


class _Compiled:
    """A UNet that is compiled when it is first used."""

    def __init__(self, unet: Any) -> None:
        self.config = unet.config
        self._forward: Any = torch.compile(unet, dynamic=False)

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self._forward(*inputs, **named)


def _graphs(model: Model) -> Model:
    from receiver.rendering.backends.cuda_graphs import GraphedUnet

    if model.device.type != "cuda":
        raise UsageError("CUDA graphs need a CUDA device; use --performance plain")
    return replace(model, unet=GraphedUnet(model.unet), fill_features=True)


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


class OffloadedModule:
    """A part that is on the device only while it works."""

    def __init__(self, part: Any, device: torch.device) -> None:
        self._part = part.to("cpu")
        self._device = device

    def __getattr__(self, name: str) -> Any:
        value = getattr(self._part, name)
        return self._visiting(value) if name in ("encode", "decode") else value

    def __call__(self, *inputs: Any, **named: Any) -> Any:
        return self._visiting(self._part)(*inputs, **named)

    def _visiting(self, call: Callable[..., Any]) -> Callable[..., Any]:
        def visit(*inputs: Any, **named: Any) -> Any:
            self._part.to(self._device)
            try:
                return call(*inputs, **named)
            finally:
                self._part.to("cpu")

        return visit


_RUNTIMES: dict[Performance, Callable[[Model], Model]] = {
    Performance.PLAIN: _plain,
    Performance.COMPILED: _compiled,
    Performance.GRAPHS: _graphs,
    Performance.OPENVINO: _openvino,
    Performance.LOW_MEMORY: _low_memory,
}
