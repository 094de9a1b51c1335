"""Pictures over HTTP into the outbox, and how far they are.

POST /images                a picture or stream, raw or as the field `image` of a form; 202 with its number
GET  /images                the newest pictures
GET  /images/{id}           one
GET  /images/{id}/events    its progress as server-sent events, until it is finished
GET  /healthz, /metrics     how we are
"""

import asyncio
import hmac
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import ASGIApp, Receive, Scope, Send

from codec.encoder.picture import EncodeOptions
from layercast_common.errors import CodecError, OutboxFullError, UsageError
from layercast_common.http.access import bearer_token, host_allowed, origin_allowed
from sender.http.schema import beats, entry_view, update_event
from sender.http.uploads import Upload, read_upload
from sender.outbox.entries import EntryState
from sender.outbox.relay import OutboxRelay

#: Pictures that are coded at a time, and those that may wait for it; one more is asked to come back.
CODING = 2
MAX_WAITING = 16

#: How long a picture's bytes may take to come, in seconds, so that slow peers cannot keep every place.
UPLOAD_SECONDS = 120.0

#: Listeners to progress at a time.
MAX_LISTENERS = 256

#: Pictures that one listing tells.
LISTED = 100

_Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """What a counter for pictures takes, and from whom.

    Attributes:
        courier: where pictures go.
        recipe: how they are coded where the request does not tell.
        token: what clients must show (`Authorization: Bearer ...`); None takes anyone.
        names: the names that we go by, besides localhost and numbers; in lower case.
        origins: web pages of other sites that may post.
        max_upload: the largest request, in bytes.
        metrics: gives the metrics as text, and their media type.
        condition: how the sender is, for `/healthz`.
    """

    courier: OutboxRelay
    recipe: EncodeOptions
    token: str | None = None
    names: Collection[str] = ()
    origins: Collection[str] = ()
    max_upload: int = 32 * 1024 * 1024
    metrics: Callable[[], tuple[bytes, str]] | None = None
    condition: Callable[[], str] = lambda: "ok"


def build_app(counter: IngestConfig) -> Starlette:
    """The application."""
    return Starlette(
        routes=[
            Route("/images", _post(counter), methods=["POST"]),
            Route("/images", _list(counter)),
            Route("/images/{image:int}", _one(counter)),
            Route("/images/{image:int}/events", _events(counter)),
            Route("/healthz", _health(counter)),
            Route("/metrics", _metrics(counter)),
        ],
        middleware=[Middleware(_Guard, counter=counter)],
    )


def _post(counter: IngestConfig) -> _Endpoint:
    places = asyncio.Semaphore(CODING)
    waiting = 0

    async def post(request: Request) -> Response:
        nonlocal waiting
        # The place is taken before the body is read, so that no more than so many bodies are ever held.
        if waiting >= MAX_WAITING:
            raise HTTPException(503, "too many pictures wait to be coded", {"retry-after": "5"})
        waiting += 1
        try:
            upload = await _read(counter, request)
            async with places:
                image = await _accept(counter.courier, upload)
        finally:
            waiting -= 1
        entry = await asyncio.to_thread(counter.courier.outbox.entry, image)
        assert entry is not None
        return _json(entry_view(entry), 202, {"location": f"/images/{image}"})

    return post


async def _read(counter: IngestConfig, request: Request) -> Upload:
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            return await read_upload(request, counter.max_upload, counter.recipe)
    except TimeoutError as error:
        raise HTTPException(408, f"the picture did not come within {UPLOAD_SECONDS:g} seconds") from error


async def _accept(courier: OutboxRelay, upload: Upload) -> int:
    known = None if upload.key is None else await asyncio.to_thread(courier.outbox.number_of, upload.key)
    if known is not None:
        return known
    try:
        stream, jpeg_size = await asyncio.to_thread(upload.code)
        return await courier.post(
            stream, name=upload.name, key=upload.key, jpeg_size=jpeg_size, lifetime=upload.lifetime
        )
    except (CodecError, UsageError) as error:
        raise HTTPException(422, str(error)) from error
    except OutboxFullError as error:
        raise HTTPException(507, str(error), {"retry-after": "60"}) from error


def _list(counter: IngestConfig) -> _Endpoint:
    async def listing(_: Request) -> Response:
        entries = await asyncio.to_thread(counter.courier.outbox.newest, LISTED)
        return _json({"images": [entry_view(entry) for entry in entries]})

    return listing


def _one(counter: IngestConfig) -> _Endpoint:
    async def one(request: Request) -> Response:
        entry = await asyncio.to_thread(counter.courier.outbox.entry, request.path_params["image"])
        if entry is None:
            raise HTTPException(404, "no such picture")
        return _json(entry_view(entry))

    return one


def _events(counter: IngestConfig) -> _Endpoint:
    updates = counter.courier.updates

    async def events(request: Request) -> Response:
        image = request.path_params["image"]
        outbox = counter.courier.outbox
        if await asyncio.to_thread(outbox.entry, image) is None:
            raise HTTPException(404, "no such picture")
        if updates.listeners >= MAX_LISTENERS:
            raise HTTPException(503, "too many listen", {"retry-after": "5"})
        stream = beats(update_event(update) async for update in updates.of(image, lambda: outbox.entry(image)))
        headers = {"cache-control": "no-store, no-transform", "x-accel-buffering": "no"}
        return StreamingResponse(stream, media_type="text/event-stream", headers=headers)

    return events


def _health(counter: IngestConfig) -> _Endpoint:
    async def health(_: Request) -> Response:
        courier = counter.courier
        counts = await asyncio.to_thread(courier.outbox.counts)
        status = counter.condition()
        report = {
            "status": status,
            "connected": courier.sender is not None,
            "trouble": courier.trouble or None,
            "queued": counts[EntryState.QUEUED],
            "sent": counts[EntryState.SENT],
        }
        return _json(report, 200 if status == "ok" else 503)

    return health


def _metrics(counter: IngestConfig) -> _Endpoint:
    async def metrics(_: Request) -> Response:
        if counter.metrics is None:
            raise HTTPException(404, "nobody counts here")
        text, kind = await asyncio.to_thread(counter.metrics)
        return Response(text, headers={"content-type": kind, "cache-control": "no-store"})

    return metrics


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(content), status, {"cache-control": "no-store"} | (headers or {}), "application/json"
    )


class _Guard:
    """Turns away who asks for another name, pages of other sites, and who cannot show the token."""

    def __init__(self, app: ASGIApp, counter: IngestConfig) -> None:
        self._app = app
        self._counter = counter

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._app
        if scope["type"] == "http":
            app = self._refusal(Request(scope, receive)) or app
        await app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not host_allowed(host, self._counter.names):
            return PlainTextResponse("nothing of this name is here\n", 421)
        if not origin_allowed(request.headers.get("origin"), host, self._counter.origins):
            return PlainTextResponse("this page may not post here\n", 403)
        if self._counter.token is None or request.url.path == "/healthz":
            return None
        shown = bearer_token(request.headers.get("authorization", ""))
        if hmac.compare_digest(shown.encode("utf-8", "surrogatepass"), self._counter.token.encode()):
            return None
        return PlainTextResponse("a token is needed\n", 401, headers={"www-authenticate": "Bearer"})
