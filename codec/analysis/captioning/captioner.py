"""Captions written by a model: BLIP (arXiv 2201.12086) and BLIP-2 (arXiv 2301.12597), through transformers, or mini.

`mini` ships with the codec and needs no torch; it tells subject, medium, style and colours.
"""

import enum
import functools
import importlib.util
from pathlib import Path
from typing import Any

from PIL import Image

from codec.analysis.captioning.classifier import describe
from codec.analysis.hub import is_local, missing_weights
from layercast_common.errors import MissingExtraError, ModelFilesError

#: Tokens of a caption at most.
MAX_TOKENS = 60

#: Files of which a model repository has one, in the order they are looked for.
_WEIGHT_FILES = (
    "model.safetensors", "model.safetensors.index.json", "pytorch_model.bin", "pytorch_model.bin.index.json",
)  # fmt: skip


class Captioner(enum.StrEnum):
    """A kind of captioning model, the one to be preferred first."""

    BLIP = "blip"
    BLIP2 = "blip2"
    MINI = "mini"


#: The hub ids that are taken where no weights are named.
DEFAULT_WEIGHTS = {
    Captioner.BLIP: "Salesforce/blip-image-captioning-base",
    Captioner.BLIP2: "Salesforce/blip2-opt-2.7b",
}


def caption(
    image: Image.Image,
    captioner: Captioner = Captioner.BLIP,
    *,
    weights: str | Path | None = None,
    device: str = "auto",
    fetch: bool = True,
) -> str:
    """Have a model describe a picture in one sentence; the same picture always gets the same one.

    Args:
        image: PIL RGB of any size.
        captioner: which kind of model.
        weights: a local folder or a hub id; the kind's usual ones if not given. `mini` has but its own.
        device: "cpu", "cuda" or "auto".
        fetch: whether weights that are not on this machine may be downloaded.

    Raises:
        MissingExtraError: transformers or torch is not installed.
        MissingModelError: the weights are not on this machine and cannot be fetched.
        ModelFilesError: the weights are damaged or of another kind of model.
    """
    if captioner is Captioner.MINI:
        return describe(image)
    name = str(weights or DEFAULT_WEIGHTS[captioner])
    processor, model = _load(captioner, name, device, fetch)
    import torch

    inputs = processor(images=image, return_tensors="pt").to(model.device, model.dtype)
    with torch.inference_mode():
        tokens = model.generate(**inputs, max_new_tokens=MAX_TOKENS, do_sample=False)
    return str(processor.batch_decode(tokens, skip_special_tokens=True)[0]).strip()


def is_ready(captioner: Captioner) -> bool:
    """Whether a captioner can be used at once: all it needs is installed, and its weights lie in the hub's cache."""
    if captioner is Captioner.MINI:
        return True
    if any(importlib.util.find_spec(name) is None for name in ("torch", "transformers", "huggingface_hub")):
        return False
    from huggingface_hub import try_to_load_from_cache

    weights = DEFAULT_WEIGHTS[captioner]
    return any(isinstance(try_to_load_from_cache(weights, name), str) for name in _WEIGHT_FILES)


@functools.lru_cache(maxsize=1)
def _load(captioner: Captioner, weights: str, device: str, fetch: bool) -> tuple[Any, Any]:
    """The processor and the model; the last one used stays in memory."""
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
    # BLIP-2's 2.7 billion weights and more fit on common accelerators only at half precision.
    dtype = torch.float16 if device.startswith("cuda") and captioner is Captioner.BLIP2 else torch.float32
    try:
        local = not fetch or is_local(weights)
        processor = classes[0].from_pretrained(weights, local_files_only=local)
        model = classes[1].from_pretrained(weights, local_files_only=local, dtype=dtype)
    except (OSError, HFValidationError) as error:
        raise missing_weights(f"the captioner {captioner}", weights, "use --captioner none") from error
    except Exception as error:  # the loaders name no closed set of errors for damaged files
        reason = " ".join(str(error).split())[:200]
        raise ModelFilesError(f"{weights} holds no {captioner} model that can be loaded: {reason}") from error
    return processor, model.to(device).eval()
