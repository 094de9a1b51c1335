"""Encode a picture file, image or array: load it, choose the canvas, find prompt and structure, encode."""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from codec.analysis.annotators import Annotator, annotate_edges, annotate_pose
from codec.analysis.edges import load_edge_picture
from codec.analysis.pose import load_keypoints
from codec.analysis.prompt.find import find_prompt
from codec.analysis.prompt.text_bounds import FoundPrompt
from codec.canvas import choose_canvas, cropped_share, fit_to_canvas
from codec.container.bitstream import Bitstream
from codec.encoder.encode import Structure, encode
from codec.encoder.options import EncodeOptions
from codec.image_io import PictureSource, jpeg_size, load_picture
from codec.layers import Size, Skeleton

#: Cells on the long side of an edge map from a drawing or an annotator; a small budget makes it coarser.
ANNOTATED_SIDE = 256


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeResult:
    """An encoded picture, with the prompt that was found and a size for comparison.

    Attributes:
        stream: the encoded picture. Its notes list what the budget did not allow, and what could not be used of the
            picture's file and of the text beside it.
        prompt: the prompt before it was shortened to the budget, and its source.
        jpeg_size: size of the picture as a JPEG (quality 75) at canvas size, in bytes.
        cropped: share of the picture's area that the canvas does not show, 0 to 1.
    """

    stream: Bitstream
    prompt: FoundPrompt
    jpeg_size: int
    cropped: float = 0.0


def encode_picture(source: PictureSource, options: EncodeOptions | None = None) -> EncodeResult:
    """Encode a picture.

    Args:
        source: a file, its bytes, a PIL image of any mode, or an array (H, W, 3) uint8 RGB.
        options: how to encode it; the defaults if None.

    Raises:
        PictureError: the picture, the edge drawing or the key points cannot be read.
        PromptError: the prompt is blank, or the prompts cannot be read or lack this picture or level.
        BudgetError: the budget cannot hold the header and the first word of the prompt.
        UsageError: the key points hold too many people.
        MissingExtraError, MissingModelError, ModelFilesError: an annotator or captioner is not installed or is broken.
    """
    options = options or EncodeOptions()
    picture = load_picture(source)
    prompt = find_prompt(
        picture,
        given=options.prompt,
        prompts=options.prompts,
        level=options.prompt_level,
        captioner=options.captioner,
        keep_weights=options.keep_weights,
    )
    canvas = choose_canvas(picture.size, options.canvas)
    pixels = fit_to_canvas(picture.image, canvas)
    stream = encode(
        pixels,
        prompt.text,
        options,
        structure=_find_structure(pixels, canvas, options),
        skeleton=_find_people(pixels, canvas, options),
        guess=prompt.guess,
    )
    stream = replace(stream, notes=(*picture.notes, *prompt.notes, *stream.notes))
    return EncodeResult(
        stream=stream,
        prompt=prompt,
        jpeg_size=jpeg_size(Image.fromarray(pixels)),
        cropped=cropped_share(picture.image.size, canvas),
    )


def _find_structure(pixels: NDArray[np.uint8], canvas: Size, options: EncodeOptions) -> Structure:
    if options.edges is not None:
        return load_edge_picture(options.edges, canvas, ANNOTATED_SIDE)
    match options.structure:
        case "none" | "openpose":
            return None
        case "pidinet" | "hed":
            return annotate_edges(pixels, Annotator(options.structure), ANNOTATED_SIDE)
        case "canny":
            return "canny"
    return "auto"


def _find_people(pixels: NDArray[np.uint8], canvas: Size, options: EncodeOptions) -> Skeleton | None:
    if options.keypoints is not None:
        return load_keypoints(options.keypoints, canvas)
    return annotate_pose(pixels) if options.structure == "openpose" else None
