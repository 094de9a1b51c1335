"""Streams as a picture format of Pillow: open, show, convert and save .lcast files where any picture will do.

    import layercast.pillow_plugin
    from PIL import Image

    with Image.open("photo.lcast") as image:
        image.info["prompt"], image.info["layers"]     # known at once, nothing is drawn yet
        image.save("photo.png")                        # drawn here
    Image.open("photo.jpg").save("photo.lcast", prompt="a red fox in snow", budget=655)

Importing this module registers the format; nothing else of layercast does. Pixels are drawn when they are first needed:
by the model that the stream names or else by `mini`, where they are on this machine; else the layers themselves are
painted. `info["rendered"]` says which.
"""

import functools
import threading
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from codec.container.bitstream import Bitstream, Coder
from codec.container.header import MAGIC
from codec.encoder.picture import EncodeOptions, encode_picture
from codec.layers import Layer
from codec.preview import paint_priors
from layercast.reports import layer_name
from layercast_common.errors import BitstreamError, LayercastError, MissingExtraError, RenderError, TruncatedError

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

FORMAT = "LCAST"

#: Largest file that is opened, in bytes: hundreds of times what a picture takes.
MAX_FILE = 1 << 18

#: Options of `Image.save` that are passed on to the encoder.
SAVE_OPTIONS = (
    "prompt", "structure", "edges", "keypoints", "captioner", "canvas", "budget", "bpp", "seed", "model", "order",
    "nested",
)  # fmt: skip

_PATHS = ("edges", "keypoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How pixels come to be.

    Attributes:
        model: a registered name, a hub id or a local folder; "auto" takes the one that the stream names if it is
            registered, else `mini`, and paints where neither is on this machine; None always paints.
        device: "auto", "cpu", "cuda", "cuda:1", "mps".
        steps: denoising steps; the model's own number if None.
    """

    model: str | Path | None = "auto"
    device: str = "auto"
    steps: int | None = None


_drawing = DrawOptions()

# diffusers' modules are not thread-safe.
_one_at_a_time = threading.Lock()


def draw_with(model: str | Path | None = "auto", *, device: str = "auto", steps: int | None = None) -> None:
    """Choose what pictures opened by Pillow are drawn with from now on; the arguments are those of `DrawOptions`."""
    # Global, as Pillow's own settings are, such as ImageFile.LOAD_TRUNCATED_IMAGES.
    global _drawing
    _drawing = DrawOptions(model=model, device=device, steps=steps)


class LcastImageFile(ImageFile.ImageFile):
    """A stream as Pillow sees it.

    `info` holds `prompt`, `seed`, `model`, `bytes` and `layers` (bytes of each layer by its name); and, once pixels are
    there, `rendered`.
    """

    format = FORMAT
    format_description = "layercast stream"

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise SyntaxError(f"over {MAX_FILE} bytes are no layercast file")
        # Pillow takes a SyntaxError for "not mine or broken", and tells the caller so by its own error.
        try:
            self._stream, self._whole = _read(data)
            prompt = _read_prompt(self._stream)
        except BitstreamError as error:
            raise SyntaxError(str(error)) from error
        self._size = self._stream.header.canvas
        self._mode = "RGB"
        self.info |= {
            "prompt": prompt,
            "seed": self._stream.header.seed,
            "model": self._stream.header.model,
            "bytes": len(data),
            "layers": {
                layer_name(layer): self._stream.size_of(layer)
                for layer in sorted({section.layer for section in self._stream.sections})
            },
        }
        self.tile = [ImageFile._Tile("raw", (0, 0, *self.size), 0, self.mode)]  # noqa: SLF001 - as Pillow's own do

    def load(self) -> Any:
        """Draw the picture, once.

        Raises:
            OSError: the stream is broken, or cut short and `ImageFile.LOAD_TRUNCATED_IMAGES` is not set; or the model
                that `draw_with` asks for cannot be had.
        """
        if self.tile:
            if not self._whole and not ImageFile.LOAD_TRUNCATED_IMAGES:
                raise OSError("image file is truncated; with ImageFile.LOAD_TRUNCATED_IMAGES what came of it is drawn")
            pixels, self.info["rendered"] = _draw(self._stream)
            if self.fp and self._exclusive_fp:
                self.fp.close()
            self.fp = BytesIO(pixels.tobytes())
        return super().load()

    def load_seek(self, pos: int) -> None:
        """Pixels start where the buffer does."""


def _read(data: bytes) -> tuple[Bitstream, bool]:
    """The stream, and whether all of it is there."""
    try:
        return Bitstream.from_bytes(data), True
    except TruncatedError:
        return Bitstream.from_bytes(data, partial=True), False


def _read_prompt(stream: Bitstream) -> str | None:
    """The words alone: to decode lines and colours can wait until they are drawn."""
    text = (Layer.SEMANTIC, Coder.TEXT)
    sections = tuple(section for section in stream.sections if (section.layer, section.coder) == text)
    semantic = Bitstream(stream.header, sections[-1:]).decode().semantic
    return None if semantic is None else semantic.prompt


def _draw(stream: Bitstream) -> tuple[NDArray[np.uint8], str]:
    """The pixels, (H, W, 3) uint8 RGB, and how they came to be."""
    try:
        priors = stream.decode()
        if _drawing.model is None or not priors.layers:
            return paint_priors(priors), "painted from the layers"
        with _one_at_a_time:
            model = _find_model(stream.header.model)
            if isinstance(model, str):
                return paint_priors(priors), f"painted from the layers: {model}"
            from receiver.rendering import render

            *_, last = render(priors, stream.header.seed, model=model, steps=_drawing.steps)
            return np.asarray(last.image.convert("RGB")), f"drawn by {model.name}"
    except LayercastError as error:
        raise OSError(str(error)) from error
    except RuntimeError as error:  # torch tells so that a device's memory is full
        raise OSError(f"the picture could not be drawn: {str(error).splitlines()[0]}") from error


def _find_model(named: str) -> "Model | str":
    """The model to draw with, or why there is none."""
    from receiver.rendering.model_files.registry import REGISTRY

    if _drawing.model != "auto" and _drawing.model is not None:
        return _load(_drawing.model, _drawing.device)
    reason = ""
    # A stream comes from anywhere: what it names is looked up by known names alone, never as a folder.
    for name in dict.fromkeys((named if named in REGISTRY else "mini", "mini")):
        try:
            return _load(name, _drawing.device)
        except (RenderError, MissingExtraError) as error:
            reason = str(error)
    return reason


@functools.lru_cache(maxsize=1)
def _load(name: str | Path, device: str) -> "Model":
    from receiver.rendering.extras import require_render_extra
    from receiver.rendering.model_files.files import find_files

    # Where a model is not there, this says so without the seconds that torch takes to load.
    require_render_extra()
    find_files(name)
    from receiver.rendering import load_model

    return load_model(name, device)


def _save(image: Image.Image, file: IO[bytes], _name: str | bytes) -> None:
    """Encode a picture; options as for `layercast.encode`.

    Raises:
        UsageError: an option does not make sense; it is a ValueError, too.
        OSError: the picture, or a file that an option names, cannot be encoded.
    """
    given = {**getattr(image, "encoderinfo", {})}
    options = {name: given[name] for name in SAVE_OPTIONS if given.get(name) is not None}
    options |= {name: Path(options[name]) for name in _PATHS if name in options}
    if "prompt" not in options and image.info.get("rendered") and image.info.get("prompt") is not None:
        options["prompt"] = image.info["prompt"]
    try:
        file.write(encode_picture(image, EncodeOptions(**options)).stream.to_bytes())
    except LayercastError as error:
        if isinstance(error, ValueError):
            raise
        raise OSError(str(error)) from error


def _accept(start: bytes) -> bool:
    return start.startswith(MAGIC)


Image.register_open(FORMAT, LcastImageFile, _accept)
Image.register_save(FORMAT, _save)
Image.register_extension(FORMAT, ".lcast")
Image.register_mime(FORMAT, "image/x-lcast")
