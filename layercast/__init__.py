"""Progressive picture transmission: pictures as layers of meaning, lines and colours, drawn as they arrive.

    import layercast

    stream = layercast.encode("photo.jpg", prompt="a red fox in snow", budget=655)
    stream.save("photo.lcast")
    for frame in layercast.render(stream, model="mini"):
        frame.image.save(f"{frame.step}.png")

Names are loaded when they are first used: importing this package costs nothing.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codec import editing
    from codec.bitstream import Bitstream, Coder, Header, Section
    from codec.layers import ColorMap, EdgeMap, Layer, Priors, Semantic, Skeleton
    from layercast.api import encode, render
    from layercast_errors import LayercastError
    from receiver.rendering.frames import Frame
    from receiver.session import Receiver
    from sender.courier import Courier
    from sender.outbox import Outbox
    from sender.session import Sender

__version__ = "0.1.0"

__all__ = [
    "Bitstream",
    "Coder",
    "ColorMap",
    "Courier",
    "EdgeMap",
    "Frame",
    "Header",
    "Layer",
    "LayercastError",
    "Outbox",
    "Priors",
    "Receiver",
    "Section",
    "Semantic",
    "Sender",
    "Skeleton",
    "editing",
    "encode",
    "render",
]

_HOMES = {
    "Bitstream": "codec.bitstream",
    "Coder": "codec.bitstream",
    "ColorMap": "codec.layers",
    "Courier": "sender.courier",
    "EdgeMap": "codec.layers",
    "Frame": "receiver.rendering.frames",
    "Header": "codec.bitstream",
    "Layer": "codec.layers",
    "LayercastError": "layercast_errors",
    "Outbox": "sender.outbox",
    "Priors": "codec.layers",
    "Receiver": "receiver.session",
    "Section": "codec.bitstream",
    "Semantic": "codec.layers",
    "Sender": "sender.session",
    "Skeleton": "codec.layers",
    "encode": "layercast.api",
    "render": "layercast.api",
}


def __getattr__(name: str) -> object:
    if name == "editing":
        return import_module("codec.editing")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
