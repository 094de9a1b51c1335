"""Search of the archive: `/api/archive?q=WORDS&before=TIME&after=TIME`, times as 2026-01-31 or 2026-01-31T12:00:00."""

import asyncio
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import msgspec
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response

from layercast_common.errors import StorageError
from receiver.viewer.shown import Shown

#: Pictures per answer, and the limit of a query's characters.
PAGE_SIZE, MAX_QUERY = 48, 256


class FoundView(msgspec.Struct, frozen=True, kw_only=True):
    """A picture of the archive: its name, arrival in UTC, text and bytes."""

    id: str
    arrived: str
    prompt: str
    size: int


class SearchView(msgspec.Struct, frozen=True, kw_only=True):
    """The newest matches; `more` says whether older ones may exist: ask again with `before`."""

    pictures: list[FoundView]
    more: bool


def search_endpoint(shown: Shown) -> Callable[[Request], Awaitable[Response]]:
    """Build the endpoint."""

    async def search(request: Request) -> Response:
        if (library := shown.library) is None:
            raise HTTPException(404, "this receiver keeps no archive; start it with --archive DIR")
        query = request.query_params
        words = query.get("q", "")[:MAX_QUERY]
        before, after = _time(query.get("before")), _time(query.get("after"))
        try:
            found = await asyncio.to_thread(library.search, words, before=before, after=after, limit=PAGE_SIZE + 1)
        except StorageError as error:
            raise HTTPException(503, "the archive cannot be read") from error
        view = SearchView(
            pictures=[
                FoundView(id=one.label, arrived=one.arrived.isoformat(), prompt=one.prompt, size=one.size)
                for one in found[:PAGE_SIZE]
            ],
            more=len(found) > PAGE_SIZE,
        )
        return Response(msgspec.json.encode(view), media_type="application/json", headers={"cache-control": "no-store"})

    return search


def _time(text: str | None) -> datetime | None:
    if not text:
        return None
    try:
        time = datetime.fromisoformat(text)
    except ValueError as error:
        raise HTTPException(422, "a time looks like 2026-01-31 or 2026-01-31T12:00:00") from error
    return time if time.tzinfo else time.replace(tzinfo=UTC)
