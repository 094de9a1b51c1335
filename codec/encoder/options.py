"""The options of encoding, defined, documented and validated once."""

import enum
import math
from dataclasses import dataclass
from pathlib import Path

from codec.analysis.captioning.captioner import parse_captioner
from codec.canvas import check_canvas
from codec.container.header import Header
from codec.layers import Size
from layercast_common.errors import UsageError

#: Methods of finding a picture's structure.
STRUCTURES = ("canny", "pidinet", "hed", "openpose", "none")


class Order(enum.StrEnum):
    """What follows the prompt.

    Attributes:
        PAPER: lines, colours, detail: the order of arXiv 2412.12982.
        CHEAPEST: lines and colours, the smaller one first, then detail.
        FIDELITY: colours and detail; lines only if they are asked for.
    """

    PAPER = "paper"
    CHEAPEST = "cheapest"
    FIDELITY = "fidelity"


class TextureForm(enum.StrEnum):
    """How colours are encoded.

    Attributes:
        PLANES: the picture's wavelet coefficients, bit plane by bit plane. Detail follows the colours.
        GRID: a grid of cell averages. Lines get most of the bytes, and nothing follows.
    """

    PLANES = "planes"
    GRID = "grid"


@dataclass(frozen=True, slots=True, kw_only=True)
class EncodeOptions:
    """How a picture is encoded.

    The options are validated when the object is created.

    Attributes:
        prompt: the text; if None it is found as `codec.analysis.prompt.find.find_prompt` documents.
        prompts: a folder or JSON file of prompts by picture name.
        prompt_level: the level of detail to use if a prompt has several.
        captioner: "blip", "blip2", "mini" or "none"; the best installed one if None.
        keep_weights: leave weights such as `(a fox:1.3)` in a prompt that is found beside or in the picture.
        structure: "canny" (contours), "pidinet" or "hed" (edges by a trained annotator), "openpose" (people, no lines)
            or "none". If None, "none" with the order "fidelity", else a coarse "canny" where the budget has room.
        edges: a picture file of edges that replaces the picture's own lines.
        keypoints: an OpenPose JSON file of people, sent in addition to the lines.
        canvas: (width, height) in pixels, multiples of 64 from 64 to 2048; if None near the picture's
            aspect, with a long side of 512, or of 448 or 576 where that comes closer.
        budget: size limit of the stream, in bytes; derived from `bpp` if None.
        bpp: size limit in bits per pixel of canvas; 0.02 if neither limit is given.
        seed: seed of the noise that rendering starts from, 0 to 2**32 - 1.
        model: name of the model that the picture is encoded for, 1 to 200 bytes of UTF-8.
        order: what follows the prompt: "paper" (lines, colours, detail), "cheapest" (the smaller one of lines and
            colours first) or "fidelity" (colours and detail, without lines).
        texture: "planes" (bit planes: colours, then detail until the budget is used) or "grid" (a grid of colours, no
            detail). If None, "grid" if nested or on a canvas above 1,048,576 pixels, else "planes".
        nested: send lines and a grid of colours on coarse grids first and refine them, at the cost of a few more bytes.

    Raises:
        UsageError: an option is out of range, or two options contradict each other.
    """

    prompt: str | None = None
    prompts: Path | None = None
    prompt_level: str | None = None
    captioner: str | None = None
    keep_weights: bool = False
    structure: str | None = None
    edges: Path | None = None
    keypoints: Path | None = None
    canvas: Size | None = None
    budget: int | None = None
    bpp: float | None = None
    seed: int = 0
    model: str = "mini"
    order: str = Order.PAPER
    texture: str | None = None
    nested: bool = False

    def __post_init__(self) -> None:
        parse_captioner(self.captioner)
        if self.structure is not None and self.structure not in STRUCTURES:
            raise UsageError(f"no structure is called {self.structure!r}; there are {', '.join(STRUCTURES)}")
        if self.keypoints is not None and self.structure == "openpose":
            raise UsageError("keypoints and the structure openpose both define the people; give one of them")
        if self.canvas is not None:
            check_canvas(self.canvas)
        if self.budget is not None and self.bpp is not None:
            raise UsageError("a budget in bytes and one in bits per pixel contradict each other; give one of them")
        if self.budget is not None and self.budget <= 0:
            raise UsageError(f"a budget is a positive number of bytes, not {self.budget}")
        if self.bpp is not None and not 0 < self.bpp < math.inf:
            raise UsageError(f"a budget is a positive number of bits per pixel, not {self.bpp:g}")
        if self.order not in tuple(Order):
            raise UsageError(f"no order of layers is called {self.order!r}; there are {', '.join(Order)}")
        if self.texture is not None and self.texture not in tuple(TextureForm):
            raise UsageError(f"no form of texture is called {self.texture!r}; there are {', '.join(TextureForm)}")
        if self.nested and (self.texture == TextureForm.PLANES or self.order == Order.FIDELITY):
            raise UsageError("nested is for a grid of colours; bit planes refine themselves: give only one of them")
        if self.order == Order.FIDELITY and self.texture == TextureForm.GRID:
            raise UsageError("the order fidelity sends bit planes, not a grid of colours; choose another order")
        # The header has the limits of seed and model.
        Header(1, 1, self.seed, self.model)


def texture_form(options: EncodeOptions, canvas: Size) -> TextureForm:
    """Return how colours are encoded on a canvas of (width, height) pixels."""
    from codec.coders.planes.payload import max_bytes

    if options.texture is not None:
        return TextureForm(options.texture)
    if options.order == Order.FIDELITY:
        return TextureForm.PLANES
    return TextureForm.PLANES if max_bytes(canvas) and not options.nested else TextureForm.GRID
