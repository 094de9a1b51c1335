"""Pictures over HTTP: real requests, a real outbox, no receiver."""

import asyncio
import contextlib
import io
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import httpx
import pytest
from PIL import Image

from codec.encoder.encode import encode
from codec.encoder.options import EncodeOptions
from layercast_common.errors import LayercastError, MissingExtraError, MissingModelError
from layercast_common.http import protocol, sse
from layercast_common.http.server import open_socket, quiet_server, serving, url_of
from sender.connection.delivery import Progress
from sender.connection.sender import Sender
from sender.http import app as web
from sender.http.app import IngestConfig, build_app
from sender.outbox.entries import EntryState
from sender.outbox.outbox import Outbox, OutboxLimits
from sender.outbox.relay import OutboxRelay
from tests.support.pictures import draw_picture


class Environment:
    """A running HTTP server, its relay and outbox, and a client."""

    def __init__(self, relay: OutboxRelay, client: httpx.AsyncClient) -> None:
        self.relay = relay
        self.outbox = relay.outbox
        self.client = client

    async def post(self, body: bytes | None = None, **options: Any) -> httpx.Response:
        return await self.client.post("/images", content=PNG if body is None else body, **options)


Opened = Callable[..., contextlib.AbstractAsyncContextManager[Environment]]


def picture() -> bytes:
    out = io.BytesIO()
    Image.fromarray(draw_picture(96, 64)).save(out, "PNG")
    return out.getvalue()


PNG = picture()


@pytest.fixture
def opened(tmp_path: Path) -> Opened:
    @contextlib.asynccontextmanager
    async def opened(limits: OutboxLimits | None = None, **options: Any) -> AsyncIterator[Environment]:
        with Outbox(tmp_path / "outbox", limits=limits) as outbox:
            relay = OutboxRelay(outbox, lambda identity: Sender("ws://127.0.0.1:1"))
            config = IngestConfig(relay=relay, encoding=EncodeOptions(captioner="none"), **options)
            listener = await open_socket("127.0.0.1", 0, option="--http")
            async with (
                serving(quiet_server(build_app(config), listener), listener, on_end=relay.updates.close),
                httpx.AsyncClient(base_url=url_of(listener), timeout=120) as client,
            ):
                yield Environment(relay, client)

    return opened


async def test_a_picture_is_accepted_and_told_of(opened: Opened) -> None:
    async with opened() as env:
        response = await env.post(params={"prompt": "a house", "budget": "300", "name": "house.png", "canvas": "64x64"})
        assert response.status_code == 202, response.text
        told = response.json()
        assert (told["id"], told["state"], told["name"]) == (1, "queued", "house.png")
        assert response.headers["location"] == told["url"] == "/images/1"
        stream = env.outbox.load(1)
        assert (stream.header.canvas, told["bytes"]) == ((64, 64), len(stream.to_bytes()))
        assert told["bytes"] <= 300
        semantic = stream.decode().semantic
        assert semantic is not None
        assert semantic.prompt == "a house"
        assert (await env.client.get("/images/1")).json() == told
        assert (await env.client.get("/images")).json() == {"images": [told]}
        assert (await env.client.get("/images/2")).status_code == 404


async def test_forms_and_streams_are_taken_too(opened: Opened) -> None:
    stream = encode(draw_picture(64, 64), "a hill", EncodeOptions(budget=300))
    async with opened() as env:
        form = await env.client.post(
            "/images", files={"image": ("../../hill.png", PNG, "image/png")}, data={"prompt": "a hill"}
        )
        assert (form.status_code, form.json()["name"]) == (202, "../../hill.png"), form.text
        posted = await env.post(stream.to_bytes())
        assert posted.status_code == 202
        assert env.outbox.load(2) == stream


async def test_what_was_posted_before_under_its_key_is_not_taken_again(opened: Opened) -> None:
    async with opened() as env:
        told = [(await env.post(headers={"Idempotency-Key": key})).json()["id"] for key in ("a", "a", "b")]
        assert told == [1, 1, 2]
        assert (await env.post(headers={"Idempotency-Key": "x" * 129})).status_code == 400


@pytest.mark.parametrize(
    ("body", "params", "status", "why"),
    [
        (b"", {}, 400, "contains no picture"),
        (b"junk" * 100, {}, 422, "is not a picture in any format known here"),
        (PNG[:200], {}, 422, "the picture is damaged"),
        (b"\xb1Ljunk", {}, 422, ""),
        (PNG, {"budget": "many"}, 422, "budget"),
        (PNG, {"budget": "2"}, 422, "cannot hold"),
        (PNG, {"bpp": "nan"}, 422, "bpp"),
        (PNG, {"bpp": "inf"}, 422, "bpp"),
        (PNG, {"lifetime": "nan"}, 422, "lifetime"),
        (PNG, {"lifetime": "-1"}, 422, "lifetime"),
        (PNG, {"canvas": "1x1"}, 422, "multiple of 64"),
        (PNG, {"structure": "magic"}, 422, "no structure is called"),
        (PNG, {"seed": "-1"}, 422, "seed"),
        (PNG, {"prompt": "x" * 2001}, 422, "prompt"),
        (PNG, {"edges": "/etc/passwd"}, 422, "unknown field `edges`"),
    ],
)
async def test_what_makes_no_sense_is_refused_with_the_reason(
    opened: Opened, body: bytes, params: dict[str, str], status: int, why: str
) -> None:
    async with opened() as env:
        response = await env.post(body, params=params)
        assert response.status_code == status
        assert why in response.text
        assert env.outbox.entries() == []


@pytest.mark.parametrize("error", [MissingExtraError("edges by hed", "annotators"), MissingModelError("no files")])
async def test_an_annotator_that_is_not_installed_is_an_answer_and_no_crash(
    opened: Opened, monkeypatch: pytest.MonkeyPatch, error: LayercastError
) -> None:
    def fail(*_: object) -> None:
        raise error

    monkeypatch.setattr("sender.http.uploads.encode_picture", fail)
    async with opened() as env:
        response = await env.post(params={"structure": "hed"})
        assert (response.status_code, response.text) == (422, str(error))


@pytest.mark.parametrize("declared", [True, False])
async def test_too_large_a_body_is_refused(opened: Opened, declared: bool) -> None:
    async def chunks() -> AsyncIterator[bytes]:
        for _ in range(30):
            yield bytes(1000)

    async with opened(max_upload=10_000) as env:
        response = await env.client.post("/images", content=bytes(30_000) if declared else chunks())
        assert response.status_code == 413
        form = await env.client.post("/images", files={"image": ("a.png", bytes(30_000))})
        assert form.status_code == 413
        strange = await env.client.post("/images", files={"other": ("a.png", b"x")})
        assert (strange.status_code, "field 'image'" in strange.text) == (400, True)
        broken = await env.post(b"x", headers={"content-type": "multipart/form-data; boundary=a"})
        assert broken.status_code == 400


async def test_a_full_outbox_asks_to_come_back(opened: Opened) -> None:
    async with opened(limits=OutboxLimits(pending=1)) as env:
        assert (await env.post()).status_code == 202
        full = await env.post()
        assert (full.status_code, full.headers["retry-after"]) == (507, "60")


async def test_uploads_are_limited(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_UPLOADS", 0)
    async with opened() as env:
        refused = await env.post()
        assert (refused.status_code, refused.headers["retry-after"]) == (503, "5")


@pytest.mark.parametrize("number", [str(2**63), "9" * 40, "9" * 5000, "-1", "0x1", "١", "1.0"])
async def test_numbers_that_no_picture_has(opened: Opened, number: str) -> None:
    async with opened() as env:
        assert (await env.client.get(f"/images/{number}")).status_code == 404
        assert (await env.client.get(f"/images/{number}/events")).status_code == 404
        assert (await env.client.get("/images/9223372036854775807")).status_code == 404


async def test_slow_clients_of_one_address_leave_places_for_others(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(protocol, "PACE_SECONDS", 0.5)
    head = b"POST /images HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100000\r\n\r\nx"
    async with opened() as env:
        address = env.client.base_url
        slow = [await asyncio.open_connection(address.host, address.port) for _ in range(web.MAX_UPLOADS)]
        for _, writer in slow:
            writer.write(head)
        async with asyncio.timeout(60):
            while (await env.post()).status_code != 202:  # noqa: ASYNC110
                await asyncio.sleep(0.1)
        for _, writer in slow:
            writer.close()


async def test_event_streams_are_counted_before_they_begin(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(web, "MAX_SUBSCRIBERS_PER_ADDRESS", 3)
    async with opened() as env:
        image = (await env.post()).json()["id"]
        address = env.client.base_url
        streams = [await asyncio.open_connection(address.host, address.port) for _ in range(30)]
        for _, writer in streams:
            writer.write(b"GET /images/%d/events HTTP/1.1\r\nHost: localhost\r\n\r\n" % image)
        lines = await asyncio.gather(*(reader.readline() for reader, _ in streams))
        assert sum(b" 200 " in line for line in lines) == 3
        for _, writer in streams:
            writer.close()


async def test_a_body_that_does_not_come_holds_a_place_for_so_long_only(
    opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, freed = asyncio.Event(), asyncio.Event()

    async def stalled() -> AsyncIterator[bytes]:
        yield PNG[:10]
        begun.set()
        await freed.wait()

    monkeypatch.setattr(web, "MAX_UPLOADS", 1)
    monkeypatch.setattr(web, "UPLOAD_SECONDS", 1.0)
    async with opened() as env:
        slow = asyncio.create_task(env.client.post("/images", content=stalled()))
        await begun.wait()
        assert 503 in [(await env.post()).status_code for _ in range(5)]
        for _ in range(100):
            if (await env.post()).status_code == 202:
                break
            await asyncio.sleep(0.1)
        else:
            pytest.fail("the place was never free again")
        freed.set()
        assert (await slow).status_code == 408


async def test_who_may_post(opened: Opened) -> None:
    async with opened(token="secret", names=["show.example"]) as env:
        for headers, status in [
            ({}, 401),
            ({"authorization": "Bearer wrong"}, 401),
            ({"authorization": "Bearer secret"}, 202),
            ({"authorization": "Bearer secret", "host": "show.example"}, 202),
            ({"authorization": "Bearer secret", "host": "evil.example"}, 421),
            ({"authorization": "Bearer secret", "origin": "http://evil.example"}, 403),
        ]:
            assert (await env.post(headers=headers)).status_code == status, headers
        assert (await env.client.get("/healthz")).status_code == 200
        for path in ("/images", "/images/1", "/images/1/events", "/metrics"):
            assert (await env.client.get(path)).status_code == 401


async def test_progress_is_told_as_it_happens(opened: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.05)
    async with opened() as env:
        image = (await env.post()).json()["id"]
        lines: list[str] = []

        async def listen() -> None:
            async with env.client.stream("GET", f"/images/{image}/events") as response:
                assert response.headers["content-type"].startswith("text/event-stream")
                async for line in response.aiter_lines():
                    lines.extend([line])

        listening = asyncio.create_task(listen())
        while not lines or not any(line.startswith(":") for line in lines):  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        updates, outbox = env.relay.updates, env.outbox
        outbox.begin(image)
        entry = outbox.entry(image)
        progress = Progress(picture_id=image, index=0, layer=0, done=1, total=3, seconds=0.25)
        updates.publish(entry, progress=progress)
        outbox.finish(image, EntryState.DELIVERED)
        updates.publish(outbox.entry(image))
        await asyncio.wait_for(listening, 120)
        events = [line.removeprefix("event: ") for line in lines if line.startswith("event: ")]
        assert events == ["queued", "progress", "delivered"]
        told = [json.loads(line.removeprefix("data: ")) for line in lines if line.startswith("data: ")]
        assert told[1]["progress"] == {"layer": 0, "done": 1, "total": 3, "seconds": 0.25}
        async with env.client.stream("GET", f"/images/{image}/events") as response:
            assert "event: delivered" in (await response.aread()).decode()
        assert (await env.client.get("/images/99/events")).status_code == 404
        assert updates.subscribers == 0


async def test_closing_ends_what_listens(opened: Opened) -> None:
    async with opened() as env:
        image = (await env.post()).json()["id"]
        client = env.client
        ended = asyncio.Event()

        async def listen() -> None:
            async with client.stream("GET", f"/images/{image}/events") as response:
                async for _ in response.aiter_lines():
                    pass
            ended.set()

        listening = asyncio.create_task(listen())
        while env.relay.updates.subscribers == 0:  # noqa: ASYNC110
            await asyncio.sleep(0.01)
        env.relay.updates.close()
        await asyncio.wait_for(ended.wait(), 120)
        await listening


async def test_health_tells_how_we_are(opened: Opened) -> None:
    condition = "ok"
    async with opened(condition=lambda: condition) as env:
        await env.post()
        assert (await env.client.get("/healthz")).json() == {
            "status": "ok",
            "connected": False,
            "trouble": "not connected yet",
            "queued": 1,
            "sent": 0,
        }
        condition = "draining"
        assert (await env.client.get("/healthz")).status_code == 503
