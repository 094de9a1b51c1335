"""The two functions of the Python interface: encode and render."""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, TypedDict, Union, Unpack

from codec.container.bitstream import Bitstream
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.image_io import PictureSource
from codec.layers import Priors, Size
from receiver.rendering.engine.direct import render as render_priors
from receiver.rendering.frames import Frame

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


class EncodeKeywords(TypedDict, total=False):
    """The attributes of `EncodeOptions` as keyword arguments; its documentation describes them."""

    prompts: Path | str | None
    prompt_level: str | None
    captioner: str | None
    keep_weights: bool
    structure: str | None
    edges: Path | str | None
    keypoints: Path | str | None
    canvas: Size | None
    budget: int | None
    bpp: float | None
    seed: int
    model: str
    order: str
    texture: str | None
    nested: bool


def encode(
    image: PictureSource,
    prompt: str | None = None,
    *,
    options: EncodeOptions | None = None,
    **overrides: Unpack[EncodeKeywords],
) -> Bitstream:
    """Encode a picture as a stream.

    Args:
        image: a file, its bytes, a PIL image of any mode, or an array (H, W, 3) uint8 RGB.
        prompt: description of the picture; if None that of `options`, or else one found beside or in the picture or
            generated.
        options: encoding options; the defaults if None.
        overrides: attributes of `EncodeOptions` by keyword, such as `order="fidelity"` or `budget=1300` (bytes).

    Raises:
        CodecError: the picture, prompt or edges cannot be read, or the budget is too small.
        UsageError: an option is out of range, or options contradict each other; a ValueError, too.
        StorageError: a file cannot be read.
        MissingExtraError, MissingModelError, ModelFilesError: an annotator or captioner is missing or damaged.
    """
    values: dict[str, object] = {**overrides}
    if prompt is not None:
        values["prompt"] = prompt
    for name in ("prompts", "edges", "keypoints"):
        if isinstance(path := values.get(name), str):
            values[name] = Path(path)
    return encode_picture(image, replace(options or EncodeOptions(), **values)).stream  # type: ignore[arg-type]


def render(
    source: Bitstream | Priors,
    *,
    model: Union[str, Path, "Model", None] = None,
    device: str = "auto",
    seed: int | None = None,
    steps: int | None = None,
) -> Iterator[Frame]:
    """Render a picture. Yields frames as the picture improves; the last one is final.

    Args:
        source: a stream, or priors; any layer may be missing.
        model: a registered name, a hub id, a local folder or a loaded model; if None the one that the stream names, or
            "mini" for priors.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        seed: seed of the starting noise; the stream's if None, or 0 for priors.
        steps: denoising steps; the model's own number if None.

    Raises:
        RenderError: the model cannot be loaded.
        MissingExtraError: the model needs an optional dependency.
        BitstreamError: a section of the stream is damaged.
        UsageError: an argument is out of range.
    """
    if isinstance(source, Bitstream):
        priors, stream_model, stream_seed = source.decode(), source.header.model, source.header.seed
    else:
        priors, stream_model, stream_seed = source, "mini", 0
    seed = stream_seed if seed is None else seed
    return render_priors(priors, seed, model=model or stream_model, device=device, steps=steps)
