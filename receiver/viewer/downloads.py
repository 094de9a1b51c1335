"""What a person takes away from the page: the picture, its stream, and its arrival as one file."""

import asyncio
import functools
import io
from collections.abc import Callable

from PIL import Image, PngImagePlugin
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from layercast_common.errors import PictureError
from receiver.viewer.export.animation import animate
from receiver.viewer.export.html import arrival_page
from receiver.viewer.pictures.recording import SUFFIX, recording_to_bytes
from receiver.viewer.pictures.state import PictureState, Status
from receiver.viewer.pictures.thumbnails import open_own
from receiver.viewer.shown import Shown

#: Exports that are made at a time: each takes seconds of a core.
MAX_EXPORTS = 1

#: Exports that are remembered.
MAX_REMEMBERED = 8

_Make = Callable[[PictureState], bytes]


def download_routes(shown: Shown) -> list[Route]:
    """Build the routes of all downloads of one picture."""
    turn = asyncio.Semaphore(MAX_EXPORTS)

    def route(file: str, suffix: str, media_type: str, make: _Make) -> Route:
        # The state is a value, so it is a key by identity: a picture that changed is made again.
        made = functools.lru_cache(maxsize=MAX_REMEMBERED)(lambda key: make(key.picture))

        async def download(request: Request) -> Response:
            picture = await shown.requested(request)
            if picture.status is Status.RECEIVING:
                raise HTTPException(404, "this picture is still arriving")
            async with turn:
                try:
                    data = await asyncio.to_thread(made, _Key(picture))
                except PictureError as error:
                    raise HTTPException(404, str(error)) from error
            headers = {
                "content-disposition": f'attachment; filename="layercast-{picture.id[:40]}{suffix}"',
                "cache-control": "no-store",
            }
            if suffix == ".html":
                # The page opens in a browser from a file; from here it would run under this page's origin.
                headers["content-type"] = "application/octet-stream"
            return Response(data, media_type=media_type, headers=headers)

        return Route(f"/api/pictures/{{picture}}/{file}", download)

    return [
        route("picture.png", ".png", "image/png", lambda picture: picture_png(picture, shown.best(picture))),
        route("stream.lcast", ".lcast", "application/octet-stream", _stream_of),
        route("arrival.html", ".html", "text/html", lambda picture: arrival_page(picture).encode()),
        route("arrival.webp", ".webp", "image/webp", animate),
        route(f"recording{SUFFIX}", SUFFIX, "application/octet-stream", recording_to_bytes),
    ]


class _Key:
    """A picture's state as a key: equal if it is the same picture in the same version."""

    def __init__(self, picture: PictureState) -> None:
        self.picture = picture
        self._key = picture.id, picture.version, picture.opened.at

    def __hash__(self) -> int:
        return hash(self._key)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Key) and self._key == other._key


def picture_png(picture: PictureState, image: Image.Image | None) -> bytes:
    """Return a picture as PNG, with its prompt and how it was drawn in the metadata that image programs read.

    Args:
        picture: the picture.
        image: its newest frame without loss; None takes the frame that the page shows.

    Raises:
        PictureError: no frame was shown.
    """
    frame = picture.frame()
    if image is None:
        if frame is None:
            raise PictureError(f"picture {picture.id} was not drawn")
        image = open_own(frame.image.data).convert("RGB")
    opened = picture.opened
    prompt = picture.prompt or ""
    notes = PngImagePlugin.PngInfo()
    settings = f"Steps: {frame.steps if frame else 0}, Seed: {opened.seed}, Size: {image.width}x{image.height}, "
    notes.add_itxt("parameters", f"{prompt}\n{settings}Model: {opened.model}")
    notes.add_itxt("Description", prompt)
    notes.add_text("Software", "layercast")
    out = io.BytesIO()
    image.save(out, "PNG", pnginfo=notes)
    return out.getvalue()


def _stream_of(picture: PictureState) -> bytes:
    if not picture.stream:
        raise PictureError(f"the stream of picture {picture.id} is not complete")
    return picture.stream
