"""Run a model's UNet and decoder on OpenVINO: two to five times as fast on many CPUs (docs.openvino.ai).

Each part is converted once and stored in layercast's cache. Each process compiles it once for every shape of inputs.
"""

import logging
import warnings
from collections import OrderedDict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from layercast_common.errors import MissingExtraError
from layercast_common.files import make_folder
from receiver.rendering.backends.benchmark_records import runtime_folder
from receiver.rendering.models.model import Model
from receiver.rendering.sampling.passes import example_inputs

_log = logging.getLogger(__name__)

#: Compiled shapes that are cached for one part.
MAX_SHAPES = 4


def convert_unet(model: Model) -> "OpenVinoUnet":
    """Return the model's UNet on OpenVINO; convert it unless it is in the cache.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        StorageError: the cache folder cannot be created.
    """
    inputs = example_inputs(model)
    features = inputs.features or []
    rows = (inputs.samples, inputs.times, inputs.text, *features, *inputs.added.values())
    wrapped = _PlainUnet(model.unet, len(features), tuple(inputs.added))
    return OpenVinoUnet(model.unet.config, _Part(wrapped, rows, runtime_folder(model.fingerprint) / "unet.xml", model))


def convert_decoder(model: Model) -> "OpenVinoDecoder":
    """Return the model's autoencoder with its decoder on OpenVINO; the encoder stays on torch.

    Raises:
        MissingExtraError: OpenVINO is not installed.
        StorageError: the cache folder cannot be created.
    """
    rows = (example_inputs(model).samples[:1],)
    part = _Part(_PlainDecoder(model.vae), rows, runtime_folder(model.fingerprint) / "decoder.xml", model)
    return OpenVinoDecoder(model.vae, part)


class OpenVinoUnet:
    """Replaces a UNet; called like it."""

    def __init__(self, config: Any, part: "_Part") -> None:
        self.config = config
        self._part = part

    def __call__(
        self,
        sample: Tensor,
        timestep: Tensor,
        *,
        encoder_hidden_states: Tensor,
        down_intrablock_additional_residuals: list[Tensor] | None = None,
        added_cond_kwargs: dict[str, Tensor] | None = None,
        **_: object,
    ) -> tuple[Tensor]:
        """Run one forward pass."""
        features = down_intrablock_additional_residuals or []
        added = (added_cond_kwargs or {}).values()
        return (self._part.infer(sample, timestep, encoder_hidden_states, *features, *added),)


class OpenVinoDecoder:
    """Replaces an autoencoder; used like it."""

    def __init__(self, vae: Any, part: "_Part") -> None:
        self.config = vae.config
        self.encode = vae.encode
        self._part = part

    def decode(self, latents: Tensor, **_: object) -> tuple[Tensor]:
        """Decode latents to a picture, (1, 3, H, W) from -1 to 1."""
        return (self._part.infer(latents),)


class _Part:
    """One module converted to OpenVINO."""

    def __init__(self, module: nn.Module, example: tuple[Tensor, ...], file: Path, model: Model) -> None:
        try:
            import openvino
        except ImportError as error:
            raise MissingExtraError("running on OpenVINO", "openvino") from error
        self._core = openvino.Core()
        self._dtype = model.dtype
        self._compiled: OrderedDict[tuple[tuple[int, ...], ...], Any] = OrderedDict()
        if not file.is_file():
            _log.warning("converting %s of %s for OpenVINO, once", file.stem, model.name)
            make_folder(file.parent)
            with torch.inference_mode(), warnings.catch_warnings():
                # The converter warns that it fixes shapes; each shape is compiled separately anyway.
                warnings.simplefilter("ignore")
                converted = openvino.convert_model(module.eval().float(), example_input=example)
            # Saved under a temporary name first: an interrupted conversion leaves no incomplete file.
            openvino.save_model(converted, file.with_name(f"new-{file.name}"), compress_to_fp16=False)
            file.with_name(f"new-{file.stem}.bin").replace(file.with_suffix(".bin"))
            file.with_name(f"new-{file.name}").replace(file)
        self._file = file

    def infer(self, *inputs: Tensor) -> Tensor:
        shapes = tuple(tuple(tensor.shape) for tensor in inputs)
        if shapes not in self._compiled:
            if len(self._compiled) >= MAX_SHAPES:
                self._compiled.popitem(last=False)
            self._compiled[shapes] = self._compile(shapes)
        self._compiled.move_to_end(shapes)
        arrays = [tensor.float().contiguous().numpy() for tensor in inputs]
        result = self._compiled[shapes].infer(arrays, share_inputs=True)
        return torch.from_numpy(next(iter(result.values())).copy()).to(self._dtype)

    def _compile(self, shapes: tuple[tuple[int, ...], ...]) -> Any:
        network = self._core.read_model(self._file)
        network.reshape({port: list(shape) for port, shape in zip(network.inputs, shapes, strict=True)})
        hints = {
            "INFERENCE_PRECISION_HINT": "bf16" if self._dtype is torch.bfloat16 else "f32",
            "INFERENCE_NUM_THREADS": torch.get_num_threads(),
            "PERFORMANCE_HINT": "LATENCY",
        }
        return self._core.compile_model(network, "CPU", hints).create_infer_request()


class _PlainUnet(nn.Module):
    """A UNet that takes only tensors, as converters require."""

    def __init__(self, unet: nn.Module, features: int, added: tuple[str, ...]) -> None:
        super().__init__()
        self._unet = unet
        self._features = features
        self._added = added

    def forward(self, sample: Tensor, timestep: Tensor, text: Tensor, *rest: Tensor) -> Tensor:
        features, added = list(rest[: self._features]), rest[self._features :]
        output = self._unet(
            sample,
            timestep,
            encoder_hidden_states=text,
            down_intrablock_additional_residuals=features or None,
            added_cond_kwargs=dict(zip(self._added, added, strict=True)) or None,
            return_dict=False,
        )
        return output[0]  # type: ignore[no-any-return]


class _PlainDecoder(nn.Module):
    """A decoder that takes only tensors, as converters require."""

    def __init__(self, vae: Any) -> None:
        super().__init__()
        self._vae = vae

    def forward(self, latents: Tensor) -> Tensor:
        return self._vae.decode(latents, return_dict=False)[0]  # type: ignore[no-any-return]
