"""Every picture that the page can show: the newest ones, and those of the archive that someone asked for."""

import asyncio
import io
import re
from collections import OrderedDict
from typing import TYPE_CHECKING, Union

from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request

from codec.layer_numbers import Layer
from layercast_common.errors import LayercastError
from receiver.events import PictureOpened, SectionSize
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.pictures.history import with_past
from receiver.viewer.pictures.recording import recording_from_bytes
from receiver.viewer.pictures.state import Arrival, FrameState, LayerState, PictureState, Status
from receiver.viewer.pictures.thumbnails import layer_image, webp

if TYPE_CHECKING:
    from receiver.archive.library import Library, LibraryEntry

#: Limit of archived pictures, and of final frames without loss, that are held in memory.
MAX_OPEN, MAX_FINALS = 16, 16

_PICTURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")


class Shown:
    """Finds pictures by name. Use it from one event loop.

    Args:
        broadcaster: the newest pictures.
        library: the archive; None without one.
    """

    def __init__(self, broadcaster: Broadcaster, library: Union["Library", None] = None) -> None:
        self.library = library
        self._broadcaster = broadcaster
        self._opened: OrderedDict[str, PictureState] = OrderedDict()
        self._finals: OrderedDict[str, Image.Image] = OrderedDict()

    def keep_final(self, name: str, image: Image.Image) -> None:
        """Remember a final frame without loss, for downloads."""
        self._finals.pop(name, None)
        self._finals[name] = image
        if len(self._finals) > MAX_FINALS:
            self._finals.popitem(last=False)

    def best(self, picture: PictureState) -> Image.Image | None:
        """Return the newest frame without loss: from memory or the archive; None if neither has it."""
        if (image := self._finals.get(picture.id)) is not None or self.library is None:
            return image
        entry = self.library.entry(picture.id)
        path = None if entry is None else self.library.best_picture(entry)
        return None if path is None else Image.open(path, formats=("WEBP", "JPEG", "PNG")).convert("RGB")

    async def requested(self, request: Request) -> PictureState:
        """Return the picture that a request's path names.

        Raises:
            HTTPException: 404, there is no such picture.
        """
        name = request.path_params["picture"]
        picture = await self.find(name) if _PICTURE_NAME.fullmatch(name) else None
        if picture is None:
            raise HTTPException(404, "no such picture")
        return picture

    async def find(self, name: str) -> PictureState | None:
        """Return a picture by name; None if neither the page nor the archive has it."""
        if (picture := self._broadcaster.history.picture(name)) is not None:
            return picture
        if name in self._opened:
            self._opened.move_to_end(name)
            return self._opened[name]
        if self.library is None:
            return None
        picture = await asyncio.to_thread(_open_archived, self.library, name)
        if picture is not None:
            self._opened[name] = picture
            if len(self._opened) > MAX_OPEN:
                self._opened.popitem(last=False)
        return picture

    def hold(self, picture: PictureState) -> bool:
        """Keep a picture of the archive among those that the page remembers; return whether there is room."""
        history = self._broadcaster.history
        if history.picture(picture.id) is None:
            self._broadcaster.update(with_past(history, (picture,)))
        return self._broadcaster.history.picture(picture.id) is not None

    async def load_past(self, count: int) -> tuple[PictureState, ...]:
        """Return the newest pictures of the archive, oldest first."""
        if self.library is None or count < 1:
            return ()
        entries = await asyncio.to_thread(self.library.search, limit=count)
        found = [await asyncio.to_thread(open_entry, self.library, entry) for entry in reversed(entries)]
        return tuple(picture for picture in found if picture is not None)


def open_entry(library: "Library", entry: "LibraryEntry") -> PictureState | None:
    """Return an archived picture as it arrived if that was recorded, else as it is; None if it cannot be read."""
    try:
        if (data := library.recording(entry)) is not None:
            return recording_from_bytes(data, name=entry.label)
        return _without_recording(library, entry)
    except (LayercastError, OSError):
        return None


def _open_archived(library: "Library", name: str) -> PictureState | None:
    entry = library.entry(name)
    return None if entry is None else open_entry(library, entry)


def _without_recording(library: "Library", entry: "LibraryEntry") -> PictureState:
    """Return an archived picture of which only the stream and the drawn picture are known."""
    stream = library.stream(entry)
    priors = stream.decode()
    sections = tuple(
        SectionSize(layer=Layer(section.layer), size=len(section.payload))
        for section in stream.sections
        if section.layer in set(Layer)
    )
    layers = sorted({section.layer for section in sections})
    path = library.best_picture(entry)
    shown: tuple[FrameState, ...] = ()
    if path is not None:
        with Image.open(io.BytesIO(path.read_bytes()), formats=("WEBP", "JPEG", "PNG")) as image:
            known = frozenset(priors.layers)
            frame = FrameState(
                layers=known, step=1, steps=1, final=True, seconds=0.0, at=0.0, received=entry.size, image=webp(image)
            )
        shown = (frame,)
    sizes = {layer: tuple(one.size for one in sections if one.layer is layer) for layer in layers}
    opened = PictureOpened(
        picture=entry.label,
        canvas=stream.header.canvas,
        model=stream.header.model,
        seed=stream.header.seed,
        sections=sections,
        rate=0.0,
        jpeg_size=0,
        at=0.0,
    )
    return PictureState(
        opened=opened,
        version=0,
        layers=tuple(
            LayerState(
                layer=layer,
                sizes=sizes[layer],
                arrivals=(0.0,) * len(sizes[layer]),
                image=layer_image(layer, priors),
            )
            for layer in layers
        ),
        prompt=entry.prompt or None,
        shown=shown,
        arrivals=tuple(Arrival(layer=one.layer, size=one.size, at=0.0, received=entry.size) for one in sections),
        received=entry.size,
        status=Status.COMPLETE,
        ended_at=0.0,
        recorded=True,
        stream=stream.to_bytes(),
    )
