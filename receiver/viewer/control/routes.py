"""The HTTP interface of the controls, for the page and for programs.

POST /control/pictures/{name}/redraw   {"layers": ["semantic"], "prompt": "...", "seed": 1, "steps": 8}, all optional
GET  /control/link                     the link's values and counters
POST /control/link                     {"rate": 2400, "loss": 0.05, "profile": "gsm", "down": false, ...}
POST /control/link/cut                 breaks all connections
POST /control/images?prompt=TEXT       sends the picture in the body
POST /control/pictures/{name}/original shows the picture in the body as the original to compare with
"""

import asyncio
import math
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Annotated, TypeVar

import msgspec
from msgspec import Meta
from PIL import Image
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codec.layer_numbers import Layer
from layercast_common.errors import (
    CodecError,
    EngineBusyError,
    LayercastError,
    MissingExtraError,
    OutboxFullError,
    RenderError,
)
from layercast_common.http.body import read_body
from layercast_common.http.guard import client_address
from receiver.change import MAX_PROMPT, MAX_SEED, PictureChange
from receiver.viewer.control.controls import MAX_ORIGINAL, MAX_UPLOAD, MAX_VISITOR_STEPS, Controls
from receiver.viewer.control.rate_limit import RateLimit
from receiver.viewer.pictures.state import PictureState
from receiver.viewer.schema import LayerName
from receiver.viewer.shown import Shown

if TYPE_CHECKING:
    from codec.container.bitstream import Bitstream

#: The path below which everything changes something.
PREFIX = "/control"

#: Limit of the body of a request that holds no picture, in bytes.
MAX_BODY = 16 * 1024

#: How often one address may redraw, change the link, and send: per minute, and at once.
REDRAW_RATE, LINK_RATE, SEND_RATE = (20, 6), (240, 30), (12, 4)

#: How long an upload may take, in seconds.
UPLOAD_SECONDS = 120.0

_Endpoint = Callable[[Request], Awaitable[Response]]
_Control = TypeVar("_Control")


class _Redrawing(msgspec.Struct, forbid_unknown_fields=True):
    layers: Annotated[list[LayerName], Meta(max_length=len(Layer))] | None = None
    prompt: Annotated[str, Meta(max_length=MAX_PROMPT)] | None = None
    seed: Annotated[int, Meta(ge=0, le=MAX_SEED)] | None = None
    steps: Annotated[int, Meta(ge=1, le=MAX_VISITOR_STEPS)] | None = None


def control_routes(controls: Callable[[], Controls], shown: Shown) -> list[Route]:
    """Build the routes of all controls; what is not allowed is answered with status 403."""
    link = _link(controls)
    return [
        Route(f"{PREFIX}/pictures/{{picture}}/redraw", _redraw(controls, shown), methods=["POST"]),
        Route(f"{PREFIX}/link", link, methods=["GET", "POST"]),
        Route(f"{PREFIX}/link/cut", _cut(controls), methods=["POST"]),
        Route(f"{PREFIX}/pictures/{{picture}}/original", _original(controls, shown), methods=["POST"]),
        Route(f"{PREFIX}/images", _send(controls), methods=["POST"]),
    ]


def _redraw(controls: Callable[[], Controls], shown: Shown) -> _Endpoint:
    limit = RateLimit(*REDRAW_RATE)

    async def redraw(request: Request) -> Response:
        allowed = _allowed(controls().redraw, "redraw")
        _count(limit, request)
        body = await read_body(request, MAX_BODY, "a change")
        try:
            wanted = msgspec.json.decode(body, type=_Redrawing)
            layers = None if wanted.layers is None else frozenset(Layer[name.upper()] for name in wanted.layers)
            change = PictureChange(layers=layers, prompt=wanted.prompt, seed=wanted.seed, steps=wanted.steps)
        except (ValueError, RecursionError) as error:
            raise HTTPException(422, str(error)) from error
        picture = await shown.requested(request)
        if not shown.hold(picture):
            raise HTTPException(409, "the page holds too many newer pictures to draw this one again")
        try:
            number = allowed(picture.id, change, _stream_of(picture))
        except EngineBusyError as error:
            raise HTTPException(503, str(error), {"retry-after": "5"}) from error
        except (RenderError, ValueError, CodecError) as error:
            raise HTTPException(409, str(error)) from error
        return _json({"number": number}, 202)

    return redraw


def _stream_of(picture: PictureState) -> "Bitstream | None":
    from codec.container.bitstream import Bitstream

    return Bitstream.from_bytes(picture.stream) if picture.stream else None


def _link(controls: Callable[[], Controls]) -> _Endpoint:
    limit = RateLimit(*LINK_RATE)

    async def link(request: Request) -> Response:
        control = _allowed(controls().link, "link")
        if request.method == "POST":
            _count(limit, request)
            body = await read_body(request, MAX_BODY, "a change")
            try:
                control.change(msgspec.json.decode(body))
            except (msgspec.DecodeError, RecursionError) as error:
                raise HTTPException(422, "the body is no JSON object") from error
            except LayercastError as error:
                raise HTTPException(422, str(error)) from error
        return _json(control.state())

    return link


def _cut(controls: Callable[[], Controls]) -> _Endpoint:
    limit = RateLimit(*LINK_RATE)

    async def cut(request: Request) -> Response:
        control = _allowed(controls().link, "link")
        _count(limit, request)
        control.cut()
        return _json(control.state())

    return cut


def _send(controls: Callable[[], Controls]) -> _Endpoint:
    limit = RateLimit(*SEND_RATE)
    # One body at a time is in memory: pictures are large, and visitors few.
    turn = asyncio.Lock()

    async def send(request: Request) -> Response:
        allowed = _allowed(controls().send, "send")
        _count(limit, request)
        prompt = request.query_params.get("prompt", "").strip()
        if len(prompt) > MAX_PROMPT:
            raise HTTPException(422, f"a prompt has at most {MAX_PROMPT} characters")
        try:
            async with asyncio.timeout(UPLOAD_SECONDS), turn:
                body = await read_body(request, MAX_UPLOAD, "a picture")
                if not body:
                    raise HTTPException(400, "the request contains no picture; send it as the body")
                waiting = await allowed(body, prompt=prompt or None)
        except TimeoutError as error:
            raise HTTPException(408, f"the upload took longer than {UPLOAD_SECONDS:g} seconds") from error
        except OutboxFullError as error:
            raise HTTPException(503, str(error), {"retry-after": "10"}) from error
        except (CodecError, ValueError, MissingExtraError, RenderError) as error:
            raise HTTPException(422, str(error)) from error
        return _json({"waiting": waiting}, 202)

    return send


def _original(controls: Callable[[], Controls], shown: Shown) -> _Endpoint:
    limit = RateLimit(*SEND_RATE)
    turn = asyncio.Lock()

    async def original(request: Request) -> Response:
        show = _allowed(controls().original, "original")
        _count(limit, request)
        picture = await shown.requested(request)
        try:
            async with asyncio.timeout(UPLOAD_SECONDS), turn:
                body = await read_body(request, MAX_ORIGINAL, "an original")
                image = await asyncio.to_thread(_read_original, body)
        except TimeoutError as error:
            raise HTTPException(408, f"the upload took longer than {UPLOAD_SECONDS:g} seconds") from error
        except CodecError as error:
            raise HTTPException(422, str(error)) from error
        show(picture.id, image)
        return _json({"bytes": len(body)}, 202)

    return original


def _read_original(body: bytes) -> Image.Image:
    """Return the picture in a file.

    Raises:
        CodecError: it is not a picture.
    """
    from codec.image_io import load_picture

    return load_picture(body).image


def _allowed(control: _Control | None, name: str) -> _Control:
    if control is None:
        raise HTTPException(403, f"this page does not allow to {name}; the operator can, with --allow {name}")
    return control


def _count(limit: RateLimit, request: Request) -> None:
    """Count a request.

    Raises:
        HTTPException: 429, it is one too many.
    """
    if wait := limit.take(client_address(request)):
        seconds = math.ceil(wait)
        raise HTTPException(429, f"too often; try again in {seconds} s", {"retry-after": str(seconds)})


def _json(content: object, status: int = 200) -> Response:
    return Response(msgspec.json.encode(content), status, {"cache-control": "no-store"}, "application/json")
