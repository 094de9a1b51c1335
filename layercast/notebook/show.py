"""Shows an arrival in a notebook: live frames while it is drawn, then a slider through all of it."""

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Union

from codec.container.bitstream import Bitstream
from codec.image_io import PictureSource, load_picture
from layercast.commands.services.virtual_arrival import arrival_name, virtual_arrival
from layercast_common.errors import MissingExtraError
from protocol.link_profiles import LinkProfile, parse_link
from receiver.viewer.pictures.recording import SUFFIX
from receiver.viewer.pictures.recording_file import load_recording
from receiver.viewer.pictures.rivals import copy_original
from receiver.viewer.pictures.state import PictureState

if TYPE_CHECKING:
    from receiver.rendering.models.model import Model


def show(
    source: Bitstream | Path | str,
    *,
    model: Union[str, Path, "Model", None] = None,
    device: str = "auto",
    link: LinkProfile | str = "iridium",
    original: PictureSource | None = None,
    steps: int | None = None,
) -> None:
    """Show in a notebook how a picture arrives over a link, and return once it is drawn.

    The cell shows each frame as it is drawn here, at the moment at which its layers would have arrived. Then its slider
    goes back through the arrival.

    Args:
        source: a stream, the file of a stream, or a recorded arrival (`.arrival`), which needs no model.
        model: as for `layercast.render`; if None the one that the stream names.
        device: as for `layercast.render`.
        link: the link, by name (`protocol.link_profiles.LINKS`) or as a profile; its rate says when layers arrive.
        original: the original, to compare with: a file, its bytes, a PIL image, or an array (H, W, 3) uint8 RGB.
        steps: denoising steps; the model's own number if None.

    Raises:
        MissingExtraError: the extra `notebook` is not installed.
        StorageError, BitstreamError: a file cannot be read, or is damaged.
        PictureError: the original cannot be read.
        RenderError: the model cannot be loaded, or the picture cannot be drawn.
        UsageError: no link has this name, or an argument is out of range.
    """
    try:
        from IPython.display import display

        from layercast.notebook.widget import ArrivalWidget
    except ImportError as error:
        raise MissingExtraError("layercast.show", "notebook") from error
    profile = parse_link(link) if isinstance(link, str) else link
    assert profile is not None
    arrival = source if isinstance(source, Bitstream) else _open(Path(source))
    canvas = arrival.header.canvas if isinstance(arrival, Bitstream) else arrival.opened.canvas
    reference = None
    if original is not None:
        reference = copy_original(load_picture(original).image, canvas)
    widget = ArrivalWidget()
    display(widget)  # type: ignore[no-untyped-call]
    if isinstance(arrival, Bitstream):
        from receiver.rendering import load_model

        named = arrival.header.model if model is None else model
        loaded = load_model(named, device) if isinstance(named, str | Path) else named
        name = arrival_name("" if isinstance(source, Bitstream) else Path(source).stem)
        arrival = virtual_arrival(arrival, loaded, profile, name=name, steps=steps, on_change=widget.update)
    widget.finish(replace(arrival, original=reference or arrival.original))


def _open(path: Path) -> Bitstream | PictureState:
    return load_recording(path) if path.suffix == SUFFIX else Bitstream.load(path)
