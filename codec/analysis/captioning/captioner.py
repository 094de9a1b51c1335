"""Captions by a model: BLIP (arXiv 2201.12086) and BLIP-2 (arXiv 2301.12597) through transformers, or mini.

`mini` is included in the codec and needs no torch; its captions name subject, medium, style and colours.
"""

import enum
import functools
import importlib.util
from pathlib import Path
from typing import Any

from PIL import Image

from codec.analysis.captioning.classifier import compose_caption
from codec.analysis.hub import is_local, missing_weights
from layercast_common.errors import MissingExtraError, ModelFilesError, UsageError

#: Longest caption, in tokens.
MAX_TOKENS = 60

#: Weight files of a model repository, in search order; one of them is enough.
_WEIGHT_FILES = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip


class Captioner(enum.StrEnum):
    """A kind of captioning model, in order of preference."""

    BLIP = "blip"
    BLIP2 = "blip2"
    MINI = "mini"


#: How often the subject that a captioner names is right on photographs, measured by
#: `python -m evaluation.codec.captions` on those of scikit-image. Models that were not measured are not listed.
CONFIDENCE = {Captioner.MINI: 0.1}

#: Default weights, as hub ids.
DEFAULT_WEIGHTS = {
    Captioner.BLIP: "Salesforce/blip-image-captioning-base",
    Captioner.BLIP2: "Salesforce/blip2-opt-2.7b",
}


def parse_captioner(name: str | None) -> Captioner | None:
    """Return the captioner of a name; None for None and "none".

    Raises:
        UsageError: there is no captioner of that name.
    """
    if name is None or name == "none":
        return None
    try:
        return Captioner(name)
    except ValueError as error:
        raise UsageError(f"no captioner is called {name!r}; there are blip, blip2, mini and none") from error


def caption(
    image: Image.Image,
    captioner: Captioner = Captioner.BLIP,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    fetch: bool = True,
) -> str:
    """Describe a picture in one sentence with a model. The result is deterministic.

    Args:
        image: PIL RGB of any size.
        captioner: which kind of model.
        weights: a local folder or a hub id; `DEFAULT_WEIGHTS` if None. Ignored for `mini`, which has its own.
        device: "cpu", "cuda" or "auto".
        fetch: allow downloading weights that are not on this machine.

    Raises:
        MissingExtraError: transformers or torch is not installed.
        MissingModelError: the weights are not on this machine and cannot be downloaded.
        ModelFilesError: the weights are damaged or belong to another kind of model.
    """
    if captioner is Captioner.MINI:
        return compose_caption(image)
    name = str(weights or DEFAULT_WEIGHTS[captioner])
    processor, model = _load(captioner, name, device, fetch)
    import torch

    inputs = processor(images=image, return_tensors="pt").to(model.device, model.dtype)
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()


def is_ready(captioner: Captioner) -> bool:
    """Return whether a captioner is usable without a download: packages installed, weights in the hub's cache."""
    if captioner is Captioner.MINI:
        return True
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "huggingface_hub")):
        return False
    from huggingface_hub import try_to_load_from_cache

    weights = DEFAULT_WEIGHTS[captioner]
    return any(isinstance(try_to_load_from_cache(weights, name), str) for name in _WEIGHT_FILES)


@functools.lru_cache(maxsize=1)
def _load(captioner: Captioner, weights: str, device: str, fetch: bool) -> tuple[Any, Any]:
    """Load the processor and the model; the last pair stays in memory."""
    try:
        import torch
        import transformers
        from huggingface_hub.errors import HFValidationError

        if captioner is Captioner.BLIP:
            classes = (transformers.BlipProcessor, transformers.BlipForConditionalGeneration)
        else:
            classes = (transformers.Blip2Processor, transformers.Blip2ForConditionalGeneration)
    except ImportError as error:
        raise MissingExtraError(f"captioning with {captioner}", "render") from error
    if device == "auto":
        device = "cuda" if torch.cuda.is_available() else "cpu"
    # BLIP-2's 2.7 billion weights fit on common accelerators only at half precision.
    dtype = torch.float16 if device.startswith("cuda") and captioner is Captioner.BLIP2 else torch.float32
    try:
        local = not fetch or is_local(weights)
        processor = classes[0].from_pretrained(weights, local_files_only=local)
        model = classes[1].from_pretrained(weights, local_files_only=local, dtype=dtype)
    except (OSError, HFValidationError) as error:
        raise missing_weights(f"the captioner {captioner}", weights, "use --captioner none") from error
    except Exception as error:  # the loaders document no closed set of errors for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ModelFilesError(f"{weights} holds no {captioner} model that can be loaded: {reason}") from error
    return processor, model.to(device).eval()
