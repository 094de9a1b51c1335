"""The page and its API as a Starlette application."""

import io
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

from layercast_common.http.guard import AccessGuard, AccessPolicy, client_address
from layercast_common.http.seats import Seats
from receiver.condition import ReceiverCondition
from receiver.viewer.broadcast import Broadcaster
from receiver.viewer.control.routes import PREFIX, control_routes
from receiver.viewer.downloads import download_routes
from receiver.viewer.event_stream import full_state, live_stream
from receiver.viewer.images import picture_routes
from receiver.viewer.login import LoginSessions, login_endpoint, viewer_token_check
from receiver.viewer.options import STATIC, ViewerOptions
from receiver.viewer.search import search_endpoint
from receiver.viewer.shown import Shown

#: Limit of watchers. Further ones get status 503.
MAX_WATCHERS = 256

#: Limit of watchers from one network address.
MAX_WATCHERS_PER_ADDRESS = 64

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


def build_app(options: ViewerOptions, broadcaster: Broadcaster, shown: Shown) -> Starlette:
    """Build the application: page, static files, pictures, live channel, health and metrics."""
    logins = LoginSessions()
    policy = AccessPolicy(
        names=frozenset(name.lower() for name in options.names),
        name_option="--viewer-name",
        origins=frozenset(options.origins),
        origin_paths=("/live", "/login", PREFIX),
        open_paths=("/healthz", "/login", "/static/"),
        check_token=None if options.permissions is None else viewer_token_check(options.permissions, logins),
    )
    return Starlette(
        routes=[
            Route("/", _page),
            Route("/show", _page),
            Route("/qr.svg", _qr_code),
            Route("/healthz", _health(options, broadcaster)),
            Route("/metrics", _metrics(options)),
            Route("/login", login_endpoint(options.permissions, logins), methods=["POST"]),
            Route("/live", _live(options, broadcaster)),
            Route("/api/pictures", _pictures(options, broadcaster)),
            Route("/api/archive", search_endpoint(shown)),
            *picture_routes(shown),
            *download_routes(shown),
            *control_routes(options.controls, shown),
            Mount("/static", StaticFiles(directory=STATIC)),
        ],
        middleware=[Middleware(_Headers), Middleware(AccessGuard, policy=policy)],
    )


async def _page(_: Request) -> Response:
    return FileResponse(STATIC / "index.html")


async def _qr_code(request: Request) -> Response:
    """The audience's address as a QR code: the name by which the presenter's browser reached the page."""
    import segno

    out = io.BytesIO()
    segno.make(f"{request.base_url}show", error="m", micro=False).save(out, kind="svg", border=2, xmldecl=False)
    return Response(out.getvalue(), media_type="image/svg+xml", headers={"cache-control": "no-store"})


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
