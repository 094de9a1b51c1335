"""The page and its API as a Starlette application."""

import re
from collections.abc import Awaitable, Callable

import msgspec
from starlette.applications import Starlette
from starlette.datastructures import MutableHeaders
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import FileResponse, Response
from starlette.routing import Mount, Route
from starlette.staticfiles import StaticFiles
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from codec.layers import Layer
from layercast_common.http.access import origin_allowed
from receiver.viewer.event_stream import STATIC, LiveStream, ViewerConfig
from receiver.viewer.history import PictureState
from receiver.viewer.login import Guard, LoginSessions, login
from receiver.viewer.schema import parse_layers
from receiver.viewer.thumbnails import EncodedImage

#: Watchers at the same time; one more is asked to come back later.
MAX_WATCHERS = 256

#: Of these, how many from one network address.
MAX_WATCHERS_PER_ADDRESS = 64

#: How long a browser may keep a picture whose address names its very bytes, in seconds.
MAX_AGE = 86_400

_PICTURE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._~-]{0,127}")

_SECURITY_HEADERS = {
    "content-security-policy": (
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; "
        "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
    ),
    "cross-origin-resource-policy": "same-origin",
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}

_Endpoint = Callable[[Request], Awaitable[Response]]


def build_app(setting: ViewerConfig) -> Starlette:
    """The application: the page, its files, the state, the pictures, the live channel, and how we are."""
    logins = LoginSessions()
    return Starlette(
        routes=[
            Route("/", _page),
            Route("/healthz", _health(setting)),
            Route("/metrics", _metrics(setting)),
            Route("/login", login(setting, logins), methods=["POST"]),
            Route("/live", _live(setting)),
            Route("/api/pictures", _pictures(setting)),
            Route("/api/pictures/{picture}/frame.jpg", _frame(setting)),
            Route("/api/pictures/{picture}/structure.png", _layer(setting, Layer.STRUCTURE)),
            Route("/api/pictures/{picture}/texture.png", _layer(setting, Layer.TEXTURE)),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(_Headers), Middleware(Guard, setting=setting, logins=logins)],
    )


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


def _health(setting: ViewerConfig) -> _Endpoint:
    async def health(_: Request) -> Response:
        board = setting.board
        status = setting.condition()
        report = {"status": status, "pictures": len(board.history.pictures), "watchers": board.watchers}
        return Response(msgspec.json.encode(report), 200 if status == "ok" else 503, media_type="application/json")

    return health


def _metrics(setting: ViewerConfig) -> _Endpoint:
    async def metrics(_: Request) -> Response:
        if setting.metrics is None:
            raise HTTPException(404, "nobody counts here")
        text, kind = setting.metrics()
        return Response(text, headers={"content-type": kind, "cache-control": "no-store"})

    return metrics


def _live(setting: ViewerConfig) -> _Endpoint:
    async def live(request: Request) -> Response:
        if not origin_allowed(request.headers.get("origin"), request.headers.get("host", ""), setting.origins):
            raise HTTPException(403, "this origin may not watch")
        address = request.client.host if request.client else "unknown"
        board = setting.board
        full = board.watchers >= MAX_WATCHERS or board.watchers_from(address) >= MAX_WATCHERS_PER_ADDRESS
        if board.closed or full:
            raise HTTPException(503, "no seat is free", {"retry-after": "5"})
        return LiveStream(setting, address)

    return live


def _pictures(setting: ViewerConfig) -> _Endpoint:
    async def pictures(_: Request) -> Response:
        return Response(setting.state(), media_type="application/json", headers={"cache-control": "no-store"})

    return pictures


def _frame(setting: ViewerConfig) -> _Endpoint:
    async def frame(request: Request) -> Response:
        picture = _named_picture(setting, request)
        level = request.query_params.get("level")
        layers = None if level is None else parse_layers(level)
        if level is not None and layers is None:
            raise HTTPException(404, "no such level")
        state = picture.frame(layers)
        return _image(request, None if state is None else state.drawing, "image/jpeg")

    return frame


def _layer(setting: ViewerConfig, layer: Layer) -> _Endpoint:
    async def image(request: Request) -> Response:
        state = _named_picture(setting, request).layer(layer)
        return _image(request, None if state is None else state.drawing, "image/png")

    return image


def _named_picture(setting: ViewerConfig, request: Request) -> PictureState:
    name = request.path_params["picture"]
    picture = setting.board.history.picture(name) if _PICTURE_NAME.fullmatch(name) else None
    if picture is None:
        raise HTTPException(404, "no such picture")
    return picture


def _image(request: Request, drawing: EncodedImage | None, media_type: str) -> Response:
    if drawing is None:
        raise HTTPException(404, "not here yet")
    exact = request.query_params.get("v") == drawing.tag
    caching = f"private, max-age={MAX_AGE}, immutable" if exact else "no-store"
    return Response(drawing.data, media_type=media_type, headers={"cache-control": caching})


class _Headers:
    """Puts the security headers on every response, and makes browsers ask again for what names no lifetime."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                headers.update(_SECURITY_HEADERS)
                headers.setdefault("cache-control", "no-cache")
            await send(message)

        await self._app(scope, receive, send_with_headers)
