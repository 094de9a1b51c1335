"""An arrival as one HTML file: pictures, script and style inside it. It loads nothing and needs no server."""

import base64
import html
import json
import re
from pathlib import Path
from typing import Any

import msgspec

from receiver.viewer.options import STATIC
from receiver.viewer.pictures.state import PictureState
from receiver.viewer.pictures.thumbnails import EncodedImage
from receiver.viewer.views import picture_view, timeline_view

#: The page's own modules that the file contains, each after those it imports.
_MODULES = ("words.js", "player.js", "export.js")

_POLICY = "default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'"


def arrival_page(picture: PictureState) -> str:
    """Return the HTML of an arrival.

    Args:
        picture: a picture that has ended, or a recorded one.
    """
    title = html.escape(picture.prompt or "A picture")
    # "<" cannot end the script element when it is escaped.
    data = json.dumps(arrival_data(picture), separators=(",", ":")).replace("<", "\\u003c")
    script = join_modules(*(STATIC / name for name in _MODULES)).replace("</script", "<\\/script")
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title} - layercast</title>"
        f'<meta http-equiv="content-security-policy" content="{_POLICY}">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<style>{(STATIC / 'export.css').read_text('utf-8')}</style></head>\n"
        f"<body>{(STATIC / 'export.html').read_text('utf-8')}"
        f'<script type="application/json" id="data">{data}</script>\n'
        f'<script type="module">{script}</script></body></html>\n'
    )


def arrival_data(picture: PictureState) -> dict[str, Any]:
    """Return an arrival as JSON values, with frames and original as data URLs."""
    view: dict[str, Any] = msgspec.to_builtins(picture_view(picture))
    view |= msgspec.to_builtins(timeline_view(picture))
    # Rivals would double the file; the original is worth its bytes.
    view["frames"] = [
        {**frame, "url": _data_url(state.image)} for frame, state in zip(view["frames"], picture.shown, strict=True)
    ]
    view["original"] = None if picture.original is None else _data_url(picture.original)
    keep = ("width", "height", "model", "seed", "prompt", "status", "received", "rate", "duration", "jpeg")
    return {name: view[name] for name in (*keep, "arrivals", "frames", "original")}


def join_modules(*paths: Path) -> str:
    """Return modules of JavaScript as one: without their imports and exports, since one file has no other.

    Args:
        paths: the modules, each after those it imports.
    """
    parts = []
    for path in paths:
        source = path.read_text("utf-8")
        source = re.sub(r"^import .*?;\n", "", source, flags=re.MULTILINE | re.DOTALL)
        parts.append(re.sub(r"^export ", "", source, flags=re.MULTILINE))
    return "\n".join(parts)


def _data_url(image: EncodedImage) -> str:
    return f"data:image/webp;base64,{base64.b64encode(image.data).decode()}"
