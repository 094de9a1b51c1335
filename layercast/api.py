"""The two verbs of the Python interface: encode and render."""

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Union

from codec.container.bitstream import Bitstream
from codec.encoder.picture import EncodeOptions, encode_picture
from codec.image_io import PictureSource
from codec.layers import Priors, Size
from receiver.rendering.engine.direct import render as render_priors
from receiver.rendering.frames import Frame

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


def encode(
    image: PictureSource,
    prompt: str | None = None,
    *,
    structure: str = "canny",
    edges: Path | str | None = None,
    keypoints: Path | str | None = None,
    captioner: str | None = None,
    canvas: Size | None = None,
    budget: int | None = None,
    bpp: float | None = None,
    seed: int = 0,
    model: str = "mini",
    order: str = "paper",
    nested: bool = False,
) -> Bitstream:
    """Turn a picture into a stream.

    Args:
        image: a file, a PIL image of any mode, or an array (H, W, 3) uint8 RGB.
        prompt: what the picture shows; found beside or in the picture, or measured, if None.
        structure: "canny", "pidinet", "hed", "openpose" or "none".
        edges: a drawing of edges to use in place of the picture's own.
        keypoints: an OpenPose JSON file of people to send beside the lines.
        captioner: "blip", "blip2", "mini" or "none"; the best that is installed if None.
        canvas: (width, height), multiples of 64; the picture's aspect with a long side of 512 if None.
        budget: bytes in all, from `bpp` if None.
        bpp: bits per pixel of canvas; 0.02 if neither is given.
        seed: of the noise that the picture will be drawn from.
        model: name of the model that the picture is meant for.
        order: which layers follow the words: "paper" has lines before colours, "cheapest" the smaller first.
        nested: whether lines and colours come on coarse grids first and are then refined.

    Raises:
        CodecError: the picture, prompt or drawing cannot be read, or the budget cannot be met.
        UsageError: the arguments do not make sense.
    """
    recipe = EncodeOptions(
        prompt=prompt,
        captioner=captioner,
        structure=structure,
        edges=None if edges is None else Path(edges),
        keypoints=None if keypoints is None else Path(keypoints),
        canvas=canvas,
        budget=budget,
        bpp=bpp,
        seed=seed,
        model=model,
        order=order,
        nested=nested,
    )
    return encode_picture(image, recipe).stream


def render(
    source: Bitstream | Priors,
    *,
    model: Union[str, Path, "Model", None] = None,
    device: str = "auto",
    seed: int | None = None,
    steps: int | None = None,
) -> Iterator[Frame]:
    """Draw a picture; frames come as it gets better, the last one final.

    Args:
        source: a stream, or the layers that are known of a picture; any may be missing.
        model: a registered name, a hub id, a local folder or a loaded model; if None the one that the stream names,
            or "mini".
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        seed: of the starting noise; the stream's if None.
        steps: denoising steps; the model's own number if None.

    Raises:
        RenderError: the model cannot be had.
        BitstreamError: a section of the stream is broken.
    """
    if isinstance(source, Bitstream):
        priors, named, own_seed = source.decode(), source.header.model, source.header.seed
    else:
        priors, named, own_seed = source, "mini", 0
    return render_priors(priors, own_seed if seed is None else seed, model=model or named, device=device, steps=steps)
