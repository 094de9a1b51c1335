"""HTTP interface of the outbox: upload pictures, follow their delivery.

POST /images                upload a picture or stream, as the body or as the form field `image`; 202 with its id
GET  /images                the newest pictures
GET  /images/{id}           one picture
GET  /images/{id}/events    its updates as server-sent events, until it is finished
GET  /healthz, /metrics     health, Prometheus metrics
"""

import asyncio
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

import msgspec
from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from codec.encoder.options import EncodeOptions
from layercast_common.errors import CodecError, MissingExtraError, OutboxFullError, RenderError, UsageError
from layercast_common.http.guard import AccessGuard, AccessPolicy, client_address, one_token
from layercast_common.http.seats import Seat, Seats
from layercast_common.http.sse import EventStream
from layercast_common.tasks import run_abandonable
from sender.http.schema import entry_view, update_event
from sender.http.uploads import Upload, read_upload
from sender.outbox.entries import EntryState
from sender.outbox.relay import OutboxRelay

#: Pictures that are encoded at a time.
ENCODING = 2

#: Uploads that may be in progress, in all and from one network address; more are refused with 503.
MAX_UPLOADS = 16
MAX_UPLOADS_PER_ADDRESS = 8

#: How long an upload may take, in seconds, so that slow clients cannot block others.
UPLOAD_SECONDS = 120.0

#: Event streams at a time, in all and from one network address.
MAX_SUBSCRIBERS = 256
MAX_SUBSCRIBERS_PER_ADDRESS = 128

#: Pictures in a listing.
LISTED = 100

_Endpoint = Callable[[Request], Awaitable[Response]]


@dataclass(frozen=True, slots=True, kw_only=True)
class IngestConfig:
    """Configuration of the HTTP interface.

    Attributes:
        relay: the relay of the outbox in which pictures are stored.
        encoding: encoding options that a request may override.
        token: bearer token that clients need (`Authorization: Bearer ...`); None admits everyone.
        names: the server's host names besides localhost and IP addresses, in lower case.
        origins: web origins besides the server's own that may send requests.
        max_upload: the largest request body, in bytes.
        metrics: returns the metrics as text, and their media type; None disables `/metrics`.
        condition: returns the sender's condition for `/healthz`, "ok" or another word.
    """

    relay: OutboxRelay
    encoding: EncodeOptions
    token: str | None = None
    names: Collection[str] = ()
    origins: Collection[str] = ()
    max_upload: int = 32 * 1024 * 1024
    metrics: Callable[[], tuple[bytes, str]] | None = None
    condition: Callable[[], str] = lambda: "ok"


def build_app(config: IngestConfig) -> Starlette:
    """Build the ASGI application."""
    policy = AccessPolicy(
        names=config.names,
        origins=config.origins,
        check_token=None if config.token is None else one_token(config.token),
    )
    return Starlette(
        routes=[
            Route("/images", _post_image(config), methods=["POST"]),
            Route("/images", _list_images(config)),
            Route("/images/{picture_id}", _get_image(config)),
            Route("/images/{picture_id}/events", _get_events(config)),
            Route("/healthz", _get_health(config)),
            Route("/metrics", _get_metrics(config)),
        ],
        middleware=[Middleware(AccessGuard, policy=policy)],
    )


def _post_image(config: IngestConfig) -> _Endpoint:
    encoding = asyncio.Semaphore(ENCODING)
    seats = Seats(MAX_UPLOADS, MAX_UPLOADS_PER_ADDRESS)

    async def post_image(request: Request) -> Response:
        # Taken before the body is read, which limits the memory that bodies take.
        seat = _take_seat(seats, request, "too many uploads in progress")
        try:
            upload = await _read(config, request)
            async with encoding:
                picture_id = await _store(config.relay, upload)
        finally:
            seat.free()
        entry = await asyncio.to_thread(config.relay.outbox.entry, picture_id)
        assert entry is not None
        return _json(entry_view(entry), 202, {"location": f"/images/{picture_id}"})

    return post_image


async def _read(config: IngestConfig, request: Request) -> Upload:
    try:
        async with asyncio.timeout(UPLOAD_SECONDS):
            return await read_upload(request, config.max_upload, config.encoding)
    except TimeoutError as error:
        raise HTTPException(408, f"the upload took longer than {UPLOAD_SECONDS:g} seconds") from error


async def _store(relay: OutboxRelay, upload: Upload) -> int:
    """Encode an upload and store it in the outbox; return its picture id, the old one if its key is known."""
    known = None if upload.key is None else await asyncio.to_thread(relay.outbox.number_of, upload.key)
    if known is not None:
        return known
    try:
        stream, jpeg_size = await run_abandonable(upload.encode, name="encoding")
        return await relay.post(stream, name=upload.name, key=upload.key, jpeg_size=jpeg_size, lifetime=upload.lifetime)
    except (CodecError, UsageError, MissingExtraError, RenderError) as error:
        # The last two: an annotator or captioner that the request asks for is not installed here.
        raise HTTPException(422, str(error)) from error
    except OutboxFullError as error:
        raise HTTPException(507, str(error), {"retry-after": "60"}) from error


def _list_images(config: IngestConfig) -> _Endpoint:
    async def list_images(_: Request) -> Response:
        entries = await asyncio.to_thread(config.relay.outbox.newest, LISTED)
        return _json({"images": [entry_view(entry) for entry in entries]})

    return list_images


def _get_image(config: IngestConfig) -> _Endpoint:
    async def get_image(request: Request) -> Response:
        entry = await asyncio.to_thread(config.relay.outbox.entry, _picture_id(request))
        if entry is None:
            raise HTTPException(404, "no picture has this id")
        return _json(entry_view(entry))

    return get_image


def _get_events(config: IngestConfig) -> _Endpoint:
    outbox, updates = config.relay.outbox, config.relay.updates
    seats = Seats(MAX_SUBSCRIBERS, MAX_SUBSCRIBERS_PER_ADDRESS)

    async def get_events(request: Request) -> Response:
        picture_id = _picture_id(request)
        if await asyncio.to_thread(outbox.entry, picture_id) is None:
            raise HTTPException(404, "no picture has this id")
        seat = _take_seat(seats, request, "too many event streams")
        changes = updates.subscribe(picture_id, lambda: outbox.entry(picture_id))
        return EventStream((update_event(update) async for update in changes), seat=seat)

    return get_events


def _picture_id(request: Request) -> int:
    """Return the picture id in a path; 404 if it is not a number that the outbox can hold."""
    text = request.path_params["picture_id"]
    # int() takes other digits than ASCII, and refuses thousands of them.
    if not (text.isascii() and text.isdigit() and len(text) < len(str(2**63))):
        raise HTTPException(404, "no picture has this id")
    return int(text)


def _take_seat(seats: Seats, request: Request, refusal: str) -> Seat:
    seat = seats.take(client_address(request))
    if seat is None:
        raise HTTPException(503, refusal, {"retry-after": "5"})
    return seat


def _get_health(config: IngestConfig) -> _Endpoint:
    async def get_health(_: Request) -> Response:
        relay = config.relay
        counts = await asyncio.to_thread(relay.outbox.counts)
        status = config.condition()
        report = {
            "status": status,
            "connected": relay.sender is not None,
            "trouble": relay.trouble or None,
            "queued": counts[EntryState.QUEUED],
            "sent": counts[EntryState.SENT],
        }
        return _json(report, 200 if status == "ok" else 503)

    return get_health


def _get_metrics(config: IngestConfig) -> _Endpoint:
    async def get_metrics(_: Request) -> Response:
        if config.metrics is None:
            raise HTTPException(404, "metrics are disabled")
        text, kind = await asyncio.to_thread(config.metrics)
        return Response(text, headers={"content-type": kind, "cache-control": "no-store"})

    return get_metrics


def _json(content: object, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    return Response(
        msgspec.json.encode(content), status, {"cache-control": "no-store"} | (headers or {}), "application/json"
    )
