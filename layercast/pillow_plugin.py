"""A Pillow format plugin: opens, shows, converts and saves .lcast files like any other picture format.

    import layercast.pillow_plugin
    from PIL import Image

    with Image.open("photo.lcast") as image:
        image.info["prompt"], image.info["layers"]     # available at once, nothing is rendered yet
        image.save("photo.png")                        # renders the picture
    Image.open("photo.jpg").save("photo.lcast", prompt="a red fox in snow", budget=655)

Importing this module registers the format; no other module does. Pixels are rendered when they are first needed: by the
model that the stream names, or by `mini`, if its files are on this machine; else the layers themselves are painted.
`info["rendered"]` says which.
"""

import functools
import threading
from dataclasses import dataclass, fields
from io import BytesIO
from pathlib import Path
from typing import IO, TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFile

from codec.container.bitstream import Bitstream, Coder
from codec.container.header import MAGIC
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from codec.layers import Layer
from codec.preview import paint_priors
from layercast.reports import layer_name
from layercast_common.errors import BitstreamError, LayercastError, MissingExtraError, RenderError, TruncatedError

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model

FORMAT = "LCAST"

#: Largest file that is opened, in bytes: hundreds of times the size of a usual stream.
MAX_FILE = 1 << 18

#: Options of `Image.save` that are passed on to the encoder.
SAVE_OPTIONS = tuple(field.name for field in fields(EncodeOptions))

_PATHS = ("prompts", "edges", "keypoints")


@dataclass(frozen=True, slots=True, kw_only=True)
class DrawOptions:
    """How pictures are rendered.

    Attributes:
        model: a registered name, a hub id or a local folder; "auto" uses the stream's model if it is registered, else
            `mini`, and paints the layers if neither is on this machine; None always paints.
        device: "auto", "cpu", "cuda", "cuda:1" or "mps".
        steps: denoising steps; the model's own number if None.
    """

    model: str | Path | None = "auto"
    device: str = "auto"
    steps: int | None = None


_draw_options = DrawOptions()

# diffusers' modules are not thread-safe.
_render_lock = threading.Lock()


def draw_with(model: str | Path | None = "auto", *, device: str = "auto", steps: int | None = None) -> None:
    """Set how Pillow renders .lcast files from now on; the arguments are those of `DrawOptions`."""
    # Global, like Pillow's own settings, such as ImageFile.LOAD_TRUNCATED_IMAGES.
    global _draw_options
    _draw_options = DrawOptions(model=model, device=device, steps=steps)


class LcastImageFile(ImageFile.ImageFile):
    """A stream as a Pillow image.

    `info` contains `prompt`, `seed`, `model`, `bytes` and `layers` (bytes of each layer by its name), and after loading
    `rendered`.
    """

    format = FORMAT
    format_description = "layercast stream"

    def _open(self) -> None:
        assert self.fp is not None
        data = self.fp.read(MAX_FILE + 1)
        if len(data) > MAX_FILE:
            raise SyntaxError(f"a file of more than {MAX_FILE} bytes is not a layercast stream")
        # Pillow reads a SyntaxError as "another format or damaged", and raises an error of its own.
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
        """Render the picture, once.

        Raises:
            OSError: the stream is damaged, or truncated and `ImageFile.LOAD_TRUNCATED_IMAGES` is not set; or the model
                of `draw_with` cannot be loaded.
        """
        if self.tile:
            if not self._whole and not ImageFile.LOAD_TRUNCATED_IMAGES:
                raise OSError("image file is truncated; ImageFile.LOAD_TRUNCATED_IMAGES = True renders its beginning")
            pixels, self.info["rendered"] = _draw(self._stream)
            if self.fp and self._exclusive_fp:
                self.fp.close()
            self.fp = BytesIO(pixels.tobytes())
        return super().load()

    def load_seek(self, pos: int) -> None:
        """Do nothing: the pixels start at the buffer's beginning."""


def _read(data: bytes) -> tuple[Bitstream, bool]:
    """Return the stream, and whether it is complete."""
    try:
        return Bitstream.from_bytes(data), True
    except TruncatedError:
        return Bitstream.from_bytes(data, partial=True), False


def _read_prompt(stream: Bitstream) -> str | None:
    """Return the prompt, without decoding lines and colours."""
    text = (Layer.SEMANTIC, Coder.TEXT)
    sections = tuple(section for section in stream.sections if (section.layer, section.coder) == text)
    semantic = Bitstream(stream.header, sections[-1:]).decode().semantic
    return None if semantic is None else semantic.prompt


def _draw(stream: Bitstream) -> tuple[NDArray[np.uint8], str]:
    """Return the pixels, (H, W, 3) uint8 RGB, and how they were made."""
    try:
        priors = stream.decode()
        if _draw_options.model is None or not priors.layers:
            return paint_priors(priors), "painted from the layers"
        with _render_lock:
            model = _find_model(stream.header.model)
            if isinstance(model, str):
                return paint_priors(priors), f"painted from the layers: {model}"
            from receiver.rendering import render

            *_, last = render(priors, stream.header.seed, model=model, steps=_draw_options.steps)
            return np.asarray(last.image.convert("RGB")), f"rendered by {model.name}"
    except LayercastError as error:
        raise OSError(str(error)) from error
    except RuntimeError as error:  # torch raises it when the device's memory is full
        raise OSError(f"the picture cannot be rendered: {str(error).splitlines()[0]}") from error


def _find_model(named: str) -> "Model | str":
    """Return the model to render with, or the reason why there is none."""
    from receiver.rendering.model_files.registry import REGISTRY

    if _draw_options.model != "auto" and _draw_options.model is not None:
        return _load(_draw_options.model, _draw_options.device)
    reason = ""
    # Streams are untrusted: a model's name in one must be registered, and is never used as a path.
    for name in dict.fromkeys((named if named in REGISTRY else "mini", "mini")):
        try:
            return _load(name, _draw_options.device)
        except (RenderError, MissingExtraError) as error:
            reason = str(error)
    return reason


@functools.lru_cache(maxsize=1)
def _load(name: str | Path, device: str) -> "Model":
    from receiver.rendering.extras import require_render_extra
    from receiver.rendering.model_files.files import find_files

    # Report a missing model without the seconds that importing torch takes.
    require_render_extra()
    find_files(name)
    from receiver.rendering import load_model

    return load_model(name, device)


def _save(image: Image.Image, file: IO[bytes], _name: str | bytes) -> None:
    """Encode a picture; the options are those of `EncodeOptions`.

    Raises:
        UsageError: an option is out of range; a ValueError, too.
        OSError: the picture cannot be encoded, or a file that an option names cannot be read.
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
