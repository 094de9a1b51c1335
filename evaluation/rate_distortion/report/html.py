"""Self-contained pages from templates: texts are escaped, data and pictures are embedded."""

import base64
import io
import json
import re
from collections.abc import Mapping
from importlib.resources import files
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image


def fill(template: str, texts: Mapping[str, str]) -> str:
    """Replace each %NAME% of a template by the text of that name."""
    return re.sub(r"%([A-Z]+)%", lambda match: texts[match[1]], template)


def embed(data: Any) -> str:
    """Return data as JSON that may stand in a script element."""
    # "</script>" in a name must not end the element.
    return json.dumps(data, separators=(",", ":"), allow_nan=False).replace("<", "\\u003c")


def static(name: str) -> str:
    """Return a template, style or script of this package."""
    return files("evaluation.rate_distortion.report").joinpath("static", name).read_text(encoding="utf-8")


def data_url(pixels: NDArray[np.uint8], quality: int = 90) -> str:
    """Return a picture, (H, W, 3) uint8 RGB, as a data URL: WebP, whose losses are far below those that are shown."""
    out = io.BytesIO()
    Image.fromarray(np.ascontiguousarray(pixels)).save(out, "WEBP", quality=quality, method=4)
    return f"data:image/webp;base64,{base64.b64encode(out.getvalue()).decode()}"
