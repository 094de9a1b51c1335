"""What the page loads of one picture: frames, layers, and how it arrived."""

import asyncio
from collections.abc import Awaitable, Callable

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codec.layer_numbers import Layer
from receiver.viewer.pictures.thumbnails import EncodedImage, thumbnail
from receiver.viewer.shown import Shown
from receiver.viewer.views import parse_layers, picture_view, timeline_view

#: How long browsers may cache an image whose URL names its exact content, in seconds.
MAX_AGE = 86_400

_IMMUTABLE = {"cache-control": f"private, max-age={MAX_AGE}, immutable"}
_VOLATILE = {"cache-control": "no-store"}

_Endpoint = Callable[[Request], Awaitable[Response]]


def picture_routes(shown: Shown) -> list[Route]:
    """Build the routes below `/api/pictures/NAME`."""
    return [
        Route("/api/pictures/{picture}", _picture(shown)),
        Route("/api/pictures/{picture}/frame.webp", _frame(shown)),
        Route("/api/pictures/{picture}/images/{tag}.webp", _image(shown)),
        Route("/api/pictures/{picture}/arrival", _arrival(shown)),
        Route("/api/pictures/{picture}/structure.png", _layer(shown, Layer.STRUCTURE, "image/png")),
        Route("/api/pictures/{picture}/texture.png", _layer(shown, Layer.TEXTURE, "image/png")),
        Route("/api/pictures/{picture}/detail.jpg", _layer(shown, Layer.DETAIL, "image/jpeg")),
    ]


def _picture(shown: Shown) -> _Endpoint:
    """One picture, which may be in the archive only: for permanent links."""

    async def picture(request: Request) -> Response:
        view = picture_view(await shown.requested(request))
        return Response(msgspec.json.encode(view), media_type="application/json", headers=_VOLATILE)

    return picture


def _frame(shown: Shown) -> _Endpoint:
    """The newest frame, or that of `?level=semantic,structure`: for programs; the page asks for exact images."""

    async def frame(request: Request) -> Response:
        picture = await shown.requested(request)
        level = request.query_params.get("level")
        layers = None if level is None else parse_layers(level)
        if level is not None and layers is None:
            raise HTTPException(404, "no such level")
        state = picture.frame(layers)
        found = None if state is None else state.image
        if found is not None and "small" in request.query_params:
            found = await asyncio.to_thread(thumbnail, found)
        return _response(found, "image/webp", exact=False)

    return frame


def _image(shown: Shown) -> _Endpoint:
    async def image(request: Request) -> Response:
        found = (await shown.requested(request)).image(request.path_params["tag"])
        if found is not None and "small" in request.query_params:
            found = await asyncio.to_thread(thumbnail, found)
        return _response(found, "image/webp", exact=True)

    return image


def _arrival(shown: Shown) -> _Endpoint:
    async def arrival(request: Request) -> Response:
        view = timeline_view(await shown.requested(request))
        return Response(msgspec.json.encode(view), media_type="application/json", headers=_VOLATILE)

    return arrival


def _layer(shown: Shown, layer: Layer, media_type: str) -> _Endpoint:
    async def image(request: Request) -> Response:
        state = (await shown.requested(request)).layer(layer)
        found = None if state is None else state.image
        exact = found is not None and request.query_params.get("v") == found.tag
        return _response(found, media_type, exact=exact)

    return image


def _response(image: EncodedImage | None, media_type: str, *, exact: bool) -> Response:
    if image is None:
        raise HTTPException(404, "not available")
    return Response(image.data, media_type=media_type, headers=_IMMUTABLE if exact else _VOLATILE)
