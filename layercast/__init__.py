"""Progressive picture transmission: pictures as prompt, lines and colours, rendered as the layers arrive.

    import layercast

    stream = layercast.encode("photo.jpg", prompt="a red fox in snow", budget=655)
    stream.save("photo.lcast")
    for frame in layercast.render(stream, model="mini"):
        frame.image.save(f"{frame.step}.png")

Names are imported when they are first used, so importing this package is fast.
"""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from codec import editing
    from codec.container.bitstream import Bitstream, Coder, Header, Section
    from codec.encoder.options import EncodeOptions
    from codec.layers import ColorMap, EdgeMap, Layer, Priors, Semantic, Skeleton
    from layercast.api import encode, render
    from layercast.notebook.show import show
    from layercast_common.errors import LayercastError
    from receiver.options import ArchiveOptions, RenderOptions, Security
    from receiver.receiver import Receiver
    from receiver.rendering.frames import Frame
    from sender.connection.options import ConnectOptions, SenderIdentity
    from sender.connection.sender import Sender
    from sender.outbox.outbox import Outbox
    from sender.outbox.relay import OutboxRelay

__version__ = "0.1.0"

__all__ = [
    "ArchiveOptions",
    "Bitstream",
    "Coder",
    "ColorMap",
    "ConnectOptions",
    "EdgeMap",
    "EncodeOptions",
    "Frame",
    "Header",
    "Layer",
    "LayercastError",
    "Outbox",
    "OutboxRelay",
    "Priors",
    "Receiver",
    "RenderOptions",
    "Section",
    "Security",
    "Semantic",
    "Sender",
    "SenderIdentity",
    "Skeleton",
    "editing",
    "encode",
    "render",
    "show",
]

_HOMES = {
    "ArchiveOptions": "receiver.options",
    "Bitstream": "codec.container.bitstream",
    "Coder": "codec.container.bitstream",
    "ColorMap": "codec.layers",
    "ConnectOptions": "sender.connection.options",
    "EdgeMap": "codec.layers",
    "EncodeOptions": "codec.encoder.picture",
    "Frame": "receiver.rendering.frames",
    "Header": "codec.container.bitstream",
    "Layer": "codec.layers",
    "LayercastError": "layercast_common.errors",
    "Outbox": "sender.outbox.outbox",
    "OutboxRelay": "sender.outbox.relay",
    "Priors": "codec.layers",
    "Receiver": "receiver.receiver",
    "RenderOptions": "receiver.options",
    "Section": "codec.container.bitstream",
    "Security": "receiver.options",
    "Semantic": "codec.layers",
    "Sender": "sender.connection.sender",
    "SenderIdentity": "sender.connection.options",
    "Skeleton": "codec.layers",
    "encode": "layercast.api",
    "render": "layercast.api",
    "show": "layercast.notebook.show",
}


def __dir__() -> list[str]:
    return sorted((*__all__, "__version__"))


def __getattr__(name: str) -> object:
    if name == "editing":
        return import_module("codec.editing")
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(_HOMES[name]), name)
