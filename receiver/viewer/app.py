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
from layercast_common.http.guard import AccessGuard, AccessPolicy, client_address
from layercast_common.http.seats import Seats
from receiver.condition import ReceiverCondition
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.event_stream import full_state, live_stream
from receiver.viewer.history import PictureState
from receiver.viewer.login import LoginSessions, login_endpoint, viewer_token_check
from receiver.viewer.options import STATIC, ViewerOptions
from receiver.viewer.schema import parse_layers
from receiver.viewer.thumbnails import EncodedImage

#: Limit of watchers. Further ones get status 503.
MAX_WATCHERS = 256

#: Limit of watchers from one network address.
MAX_WATCHERS_PER_ADDRESS = 64

#: How long browsers may cache an image whose URL names its exact content, in seconds.
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


def build_app(options: ViewerOptions, broadcaster: Broadcaster) -> Starlette:
    """Build the application: page, static files, pictures, live channel, health and metrics."""
    logins = LoginSessions()
    policy = AccessPolicy(
        names=frozenset(name.lower() for name in options.names),
        name_option="--viewer-name",
        origins=frozenset(options.origins),
        origin_paths=("/live", "/login"),
        open_paths=("/healthz", "/login", "/static/"),
        check_token=None if options.permissions is None else viewer_token_check(options.permissions, logins),
    )
    return Starlette(
        routes=[
            Route("/", _page),
            Route("/healthz", _health(options, broadcaster)),
            Route("/metrics", _metrics(options)),
            Route("/login", login_endpoint(options.permissions, logins), methods=["POST"]),
            Route("/live", _live(options, broadcaster)),
            Route("/api/pictures", _pictures(options, broadcaster)),
            Route("/api/pictures/{picture}/frame.jpg", _frame(broadcaster)),
            Route("/api/pictures/{picture}/structure.png", _layer(broadcaster, Layer.STRUCTURE, "image/png")),
            Route("/api/pictures/{picture}/texture.png", _layer(broadcaster, Layer.TEXTURE, "image/png")),
            Route("/api/pictures/{picture}/detail.jpg", _layer(broadcaster, Layer.DETAIL, "image/jpeg")),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(_Headers), Middleware(AccessGuard, policy=policy)],
    )


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


def _health(options: ViewerOptions, broadcaster: Broadcaster) -> _Endpoint:
    async def health(_: Request) -> Response:
        condition = options.condition()
        pictures = len(broadcaster.history.pictures)
        report = {"status": str(condition), "pictures": pictures, "watchers": broadcaster.watchers}
        status = 200 if condition == ReceiverCondition.OK else 503
        return Response(msgspec.json.encode(report), status, media_type="application/json")

    return health


def _metrics(options: ViewerOptions) -> _Endpoint:
    async def metrics(_: Request) -> Response:
        if options.metrics is None:
            raise HTTPException(404, "metrics are disabled")
        text, kind = options.metrics()
        return Response(text, headers={"content-type": kind, "cache-control": "no-store"})

    return metrics


def _live(options: ViewerOptions, broadcaster: Broadcaster) -> _Endpoint:
    seats = Seats(MAX_WATCHERS, MAX_WATCHERS_PER_ADDRESS)

    async def live(request: Request) -> Response:
        if broadcaster.closed:
            raise HTTPException(503, "the viewer is shutting down", {"retry-after": "5"})
        seat = seats.take(client_address(request))
        if seat is None:
            raise HTTPException(503, "too many viewers", {"retry-after": "5"})
        return live_stream(options, broadcaster, seat)

    return live


def _pictures(options: ViewerOptions, broadcaster: Broadcaster) -> _Endpoint:
    async def pictures(_: Request) -> Response:
        state = full_state(options, broadcaster)
        return Response(state, media_type="application/json", headers={"cache-control": "no-store"})

    return pictures


def _frame(broadcaster: Broadcaster) -> _Endpoint:
    async def frame(request: Request) -> Response:
        picture = _requested_picture(broadcaster, request)
        level = request.query_params.get("level")
        layers = None if level is None else parse_layers(level)
        if level is not None and layers is None:
            raise HTTPException(404, "no such level")
        state = picture.frame(layers)
        return _image_response(request, None if state is None else state.image, "image/jpeg")

    return frame


def _layer(broadcaster: Broadcaster, layer: Layer, media_type: str) -> _Endpoint:
    async def image(request: Request) -> Response:
        state = _requested_picture(broadcaster, request).layer(layer)
        return _image_response(request, None if state is None else state.image, media_type)

    return image


def _requested_picture(broadcaster: Broadcaster, request: Request) -> PictureState:
    name = request.path_params["picture"]
    picture = broadcaster.history.picture(name) if _PICTURE_NAME.fullmatch(name) else None
    if picture is None:
        raise HTTPException(404, "no such picture")
    return picture


def _image_response(request: Request, image: EncodedImage | None, media_type: str) -> Response:
    if image is None:
        raise HTTPException(404, "not available yet")
    exact = request.query_params.get("v") == image.tag
    caching = f"private, max-age={MAX_AGE}, immutable" if exact else "no-store"
    return Response(image.data, media_type=media_type, headers={"cache-control": caching})


class _Headers:
    """Adds the security headers to every response, and makes browsers revalidate responses without a lifetime."""

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
