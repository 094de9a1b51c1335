"""From a picture as a person has it to a stream: loading, canvas, prompt, lines, colours, bytes."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.annotators import Annotator, annotate_edges, annotate_pose
from codec.analysis.edges import load_edge_picture
from codec.analysis.pose import load_keypoints
from codec.analysis.prompt.find import find_prompt
from codec.analysis.prompt.text_bounds import FoundPrompt
from codec.container.bitstream import Bitstream
from codec.encoder.encode import Order, Structure, encode, order_named
from codec.image_io import PictureSource, choose_canvas, fit_to_canvas, jpeg_size, load_picture
from codec.layers import Size, Skeleton
from layercast_common.errors import UsageError

#: Ways to find a picture's structure.
STRUCTURES = ("canny", "pidinet", "hed", "openpose", "none")

#: Cells on the long side of an edge map that is drawn or annotated; the budget makes it coarser where it must.
ANNOTATED_SIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How a picture is to be turned into a stream.

    Attributes:
        prompt: the text; found as `codec.analysis.prompt.find.find_prompt` does if None.
        prompts: a folder or JSON file of prompts by picture name.
        prompt_level: which of a prompt's levels of detail to take.
        captioner: "blip", "blip2", "mini" or "none"; the best that is installed if None.
        structure: one of STRUCTURES; "openpose" finds people and no lines.
        edges: a drawing of the edges to use in place of the picture's own.
        keypoints: an OpenPose JSON file of people to send beside the lines.
        canvas: (width, height), multiples of 64; the picture's aspect with a long side of 512 if None.
        budget: bytes in all; from `bpp` if None.
        bpp: bits per pixel of canvas; 0.02 if neither is given.
        seed: of the noise that the picture will be drawn from.
        model: name of the model that the picture is meant for.
        order: which layers come first after the words: "paper" or "cheapest".
        nested: whether lines and colours come on coarse grids first.
    """

    prompt: str | None = None
    prompts: Path | None = None
    prompt_level: str | None = None
    captioner: str | None = None
    structure: str = "canny"
    edges: Path | None = None
    keypoints: Path | None = None
    canvas: Size | None = None
    budget: int | None = None
    bpp: float | None = None
    seed: int = 0
    model: str = "mini"
    order: str = Order.PAPER
    nested: bool = False

    def __post_init__(self) -> None:
        if self.structure not in STRUCTURES:
            raise UsageError(f"no structure is called {self.structure!r}; there are {', '.join(STRUCTURES)}")
        if self.keypoints is not None and self.structure == "openpose":
            raise UsageError("keypoints and the structure openpose both say where people are; give one of them")
        order_named(self.order)
        if self.budget is not None and self.bpp is not None:
            raise UsageError("a budget in bytes and one in bits per pixel contradict each other; give one of them")
        if self.bpp is not None and not 0 < self.bpp < math.inf:
            raise UsageError(f"a budget is a positive number of bits per pixel, not {self.bpp:g}")


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeResult:
    """A stream, and what is known of how it came to be.

    Attributes:
        stream: the stream.
        prompt: the prompt as it was found, before the budget, and where.
        jpeg_size: bytes of the picture as a JPEG at canvas size, for comparison.
    """

    stream: Bitstream
    prompt: FoundPrompt
    jpeg_size: int


def encode_picture(source: PictureSource, recipe: EncodeOptions | None = None) -> EncodeResult:
    """Turn a picture into a stream.

    Args:
        source: a file, a PIL image of any mode, or an array (H, W, 3) uint8 RGB.
        recipe: how; the defaults if None.

    Raises:
        CodecError: the picture, prompt or drawing cannot be read, or the budget cannot be met.
        UsageError: the recipe does not make sense.
        MissingExtraError, MissingModelError, ModelFilesError: an annotator or captioner is not there or is broken.
    """
    recipe = recipe or EncodeOptions()
    picture = load_picture(source)
    prompt = find_prompt(
        picture,
        given=recipe.prompt,
        prompts=recipe.prompts,
        level=recipe.prompt_level,
        captioner=recipe.captioner,
    )
    canvas = choose_canvas(picture.image.size, recipe.canvas)
    pixels = fit_to_canvas(picture.image, canvas)
    stream = encode(
        pixels,
        prompt.text,
        structure=_lines(pixels, canvas, recipe),
        skeleton=_people(pixels, canvas, recipe),
        budget=recipe.budget,
        bpp=recipe.bpp,
        seed=recipe.seed,
        model=recipe.model,
        order=order_named(recipe.order),
        nested=recipe.nested,
    )
    return EncodeResult(stream=stream, prompt=prompt, jpeg_size=jpeg_size(Image.fromarray(pixels)))


def _lines(pixels: NDArray[np.uint8], canvas: Size, recipe: EncodeOptions) -> Structure:
    if recipe.edges is not None:
        return load_edge_picture(recipe.edges, canvas, ANNOTATED_SIDE)
    match recipe.structure:
        case "none" | "openpose":
            return None
        case "pidinet" | "hed":
            return annotate_edges(pixels, Annotator(recipe.structure), ANNOTATED_SIDE)
    return "canny"


def _people(pixels: NDArray[np.uint8], canvas: Size, recipe: EncodeOptions) -> Skeleton | None:
    if recipe.keypoints is not None:
        return load_keypoints(recipe.keypoints, canvas)
    return annotate_pose(pixels) if recipe.structure == "openpose" else None
