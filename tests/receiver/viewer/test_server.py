"""A served viewer, over real connections."""

import asyncio
import contextlib
import json
import logging
import signal
import socket
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx
import pytest
from PIL import Image

from codec.layers import Layer
from layercast_common.errors import ListenError
from layercast_common.http import sse
from receiver.viewer import Viewer, ViewerOptions, app, server
from receiver.viewer.options import STATIC
from receiver.viewer.pictures.rivals import fitted_names
from tests.support.pictures import draw_picture
from tests.support.scenes import Scene

TEXT, LINES, COLOURS = Layer.SEMANTIC, Layer.STRUCTURE, Layer.TEXTURE


@contextlib.asynccontextmanager
async def served(**options: Any) -> AsyncIterator[tuple[Viewer, httpx.AsyncClient]]:
    viewer = Viewer(ViewerOptions(**{"clock": lambda: 104.5} | options))
    async with viewer.serve("127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url, timeout=120) as client:
        yield viewer, client


@contextlib.asynccontextmanager
async def watching(client: httpx.AsyncClient) -> AsyncIterator[AsyncIterator[tuple[str, dict[str, Any]]]]:
    """Yield the live channel's messages as (event, data)."""

    async def messages(response: httpx.Response) -> AsyncIterator[tuple[str, dict[str, Any]]]:
        name = ""
        async for line in response.aiter_lines():
            if line.startswith("event: "):
                name = line.removeprefix("event: ")
            elif line.startswith("data: "):
                yield name, json.loads(line.removeprefix("data: "))

    async with client.stream("GET", "/live") as response:
        assert response.status_code == 200
        assert response.headers["content-type"].startswith("text/event-stream")
        yield messages(response)


async def until(
    messages: AsyncIterator[tuple[str, dict[str, Any]]], wanted: Callable[[dict[str, Any]], bool]
) -> dict[str, Any]:
    async for _, data in messages:
        for picture in data["pictures"]:
            if wanted(picture):
                return dict(picture)
    raise AssertionError("the channel closed before the picture was as wanted")


async def until_complete(messages: AsyncIterator[tuple[str, dict[str, Any]]], name: str) -> dict[str, Any]:
    return await until(messages, lambda picture: picture["id"] == name and picture["status"] == "complete")


def show(viewer: Viewer, scene: Scene) -> None:
    for event in scene.whole():
        viewer.publish(event)


async def test_page_and_files_with_security_headers() -> None:
    async with served() as (_, client):
        for path, kind in {
            "/": "text/html",
            "/static/style.css": "text/css",
            "/static/viewer.js": "text/javascript",
            "/static/icon.svg": "image/svg+xml",
            "/api/pictures": "application/json",
            "/healthz": "application/json",
        }.items():
            response = await client.get(path)
            assert response.status_code == 200, path
            assert response.headers["content-type"].startswith(kind)
            policy = response.headers["content-security-policy"]
            assert policy.startswith("default-src 'none'; script-src 'self'; style-src 'self'")
            assert "unsafe" not in policy
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "server" not in response.headers


async def test_pages_load_nothing_from_elsewhere() -> None:
    files = [path for path in STATIC.iterdir() if path.suffix in {".html", ".css", ".js"}]
    assert len(files) >= 3
    for file in files:
        text = file.read_text()
        assert "https://" not in text, file.name
        assert "http://" not in text, file.name
        assert "innerHTML" not in text, file.name
    page = (STATIC / "index.html").read_text()
    assert " style=" not in page
    assert " on" + "click=" not in page


async def test_pictures_and_their_images() -> None:
    async with served() as (viewer, client):
        async with watching(client) as messages:
            show(viewer, Scene())
            picture = await until_complete(messages, "p1")
        listed = (await client.get("/api/pictures")).json()["pictures"]
        assert listed == [picture]
        for path, kind, magic in [
            (picture["frame"]["url"], "image/webp", b"RIFF"),
            (picture["levels"][0]["frame"]["url"], "image/webp", b"RIFF"),
            (f"{picture['frame']['url']}?small", "image/webp", b"RIFF"),
            (picture["layers"][1]["image"], "image/png", b"\x89PNG"),
            (picture["layers"][2]["image"], "image/png", b"\x89PNG"),
        ]:
            response = await client.get(path)
            assert (response.status_code, response.headers["content-type"]) == (200, kind)
            assert response.content.startswith(magic)
            assert "immutable" in response.headers["cache-control"]
        newest = await client.get("/api/pictures/p1/frame.webp")
        assert newest.headers["cache-control"] == "no-store"
        assert newest.content == (await client.get(picture["frame"]["url"])).content
        assert newest.content != (await client.get(picture["levels"][0]["frame"]["url"])).content


async def test_detail_is_a_jpeg() -> None:
    scene = Scene.with_planes()
    async with served() as (viewer, client):
        async with watching(client) as messages:
            viewer.publish(scene.opened())
            viewer.publish(scene.layer(Layer.DETAIL))
            viewer.publish(scene.completed())
            picture = await until_complete(messages, "p1")
        response = await client.get(picture["layers"][-1]["image"])
        assert (response.status_code, response.headers["content-type"]) == (200, "image/jpeg")
        assert response.content.startswith(b"\xff\xd8")


async def test_how_a_picture_arrived_and_what_others_would_show() -> None:
    scene = Scene(canvas=(96, 64))
    async with served() as (viewer, client):
        viewer.show_original("p1", Image.fromarray(draw_picture(96, 64)))
        async with watching(client) as messages:
            show(viewer, scene)
            picture = await until(messages, lambda picture: picture["rivals"] == 3 * (1 + len(fitted_names())))
        assert picture["has_original"]
        arrival = (await client.get("/api/pictures/p1/arrival")).json()
        assert [frame["received"] for frame in arrival["frames"]] == [75, 390, 480]
        assert [stage["name"] for stage in arrival["rivals"]] == ["JPEG", *fitted_names()] * 3
        for url in (arrival["original"], *(stage["url"] for stage in arrival["rivals"] if stage["url"])):
            response = await client.get(url)
            assert (response.status_code, response.content[:4]) == (200, b"RIFF")


async def test_what_is_not_there() -> None:
    paths = [
        "/api/pictures/other/frame.webp",
        "/api/pictures/p1/frame.webp?level=detail",
        "/api/pictures/p1/frame.webp?level=%00",
        "/api/pictures/p1/structure.png",
        "/api/pictures/p1/detail.jpg",
        "/api/pictures/p1/detail.png",
        "/api/pictures/p1/secret.png",
        "/api/pictures/p1/images/0123456789abcdef.webp",
        "/api/pictures/p1/images/..%2Fx.webp",
        "/api/pictures/other/arrival",
        "/api/pictures/..%2F..%2Fetc%2Fpasswd/frame.webp",
        "/api/pictures/%2e%2e/frame.webp",
        "/api/pictures/<script>/frame.webp",
        "/api/pictures/p1%0d%0aset-cookie:x/frame.webp",
        f"/api/pictures/{'p' * 2000}/frame.webp",
        "/static/../app.py",
        "/static/..%2f..%2fapp.py",
        "/static/%2e%2e/app.py",
    ]
    async with served() as (viewer, client):
        viewer.publish(Scene().opened())
        async with watching(client) as messages:
            await anext(messages)
        for path in paths:
            response = await client.get(path)
            assert response.status_code == 404, path
            assert "import" not in response.text
            assert response.headers["x-content-type-options"] == "nosniff"
            assert "set-cookie" not in response.headers


async def test_prompts_travel_as_data() -> None:
    prompt = "<img src=x onerror=alert(1)>\n\nevent: state\ndata: {}"
    async with served() as (viewer, client), watching(client) as messages:
        show(viewer, Scene(prompt=prompt))
        assert (await until_complete(messages, "p1"))["prompt"] == prompt


async def test_late_watcher_gets_everything_then_changes() -> None:
    async with served(address="ws://192.0.2.7:8765") as (viewer, client):
        async with watching(client) as messages:
            show(viewer, Scene(name="early"))
            await until_complete(messages, "early")
        async with watching(client) as messages:
            name, state = await anext(messages)
            assert (name, [picture["id"] for picture in state["pictures"]]) == ("state", ["early"])
            assert (state["now"], state["address"]) == (104.5, "ws://192.0.2.7:8765")
            viewer.publish(Scene(name="next").opened())
            name, changes = await anext(messages)
            assert (name, [picture["id"] for picture in changes["pictures"]]) == ("changes", ["next"])


async def test_several_watchers_see_the_same() -> None:
    async with served() as (viewer, client), contextlib.AsyncExitStack() as stack:
        channels = [await stack.enter_async_context(watching(client)) for _ in range(5)]
        show(viewer, Scene())
        first, *others = [await until_complete(channel, "p1") for channel in channels]
        assert others == [first] * 4
        assert (await client.get("/healthz")).json() == {"status": "ok", "pictures": 1, "watchers": 5}


async def test_watchers_that_leave_give_their_seat_back() -> None:
    async with served() as (_, client):
        async with watching(client) as messages:
            await anext(messages)
        async with watching(client) as messages:
            await anext(messages)
            for _ in range(200):
                if (await client.get("/healthz")).json()["watchers"] == 1:
                    break
                await asyncio.sleep(0.01)
            else:
                pytest.fail("the watcher is still counted")


async def test_seats_are_counted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_WATCHERS", 1)
    async with served() as (_, client), watching(client) as messages:
        await anext(messages)
        response = await client.get("/live")
        assert (response.status_code, response.headers["retry-after"]) == (503, "5")


async def test_seats_are_taken_before_the_channel_begins(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_WATCHERS_PER_ADDRESS", 3)
    async with served() as (_, client):
        address = client.base_url
        channels = [await asyncio.open_connection(address.host, address.port) for _ in range(30)]
        for _, writer in channels:
            writer.write(b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        lines = await asyncio.gather(*(reader.readline() for reader, _ in channels))
        assert sum(b" 200 " in line for line in lines) == 3
        for _, writer in channels:
            writer.close()
        async with asyncio.timeout(60):
            while (await client.get("/healthz")).json()["watchers"]:  # noqa: ASYNC110
                await asyncio.sleep(0.01)
        async with watching(client) as messages:
            await anext(messages)


async def test_silence_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sse, "HEARTBEAT_SECONDS", 0.01)
    async with served() as (_, client), watching(client) as messages:
        await anext(messages)
        name, heartbeat = await anext(messages)
        assert (name, heartbeat["now"], heartbeat["limit"], heartbeat["pictures"]) == ("changes", 104.5, 32, [])


async def test_foreign_pages_may_not_watch() -> None:
    async with served(origins=["https://listed.example"]) as (_, client):
        response = await client.get("/live", headers={"origin": "http://evil.example"})
        assert response.status_code == 403
        for origin in (str(client.base_url).rstrip("/"), "https://listed.example"):
            async with client.stream("GET", "/live", headers={"origin": origin}) as response:
                assert response.status_code == 200


@contextlib.asynccontextmanager
async def stuck_watcher(client: httpx.AsyncClient) -> AsyncIterator[None]:
    """A watcher that opens the live channel and never reads."""
    with socket.socket() as stuck:
        stuck.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 2048)
        stuck.setblocking(False)
        await asyncio.get_running_loop().sock_connect(stuck, (client.base_url.host, client.base_url.port))
        await asyncio.get_running_loop().sock_sendall(stuck, b"GET /live HTTP/1.1\r\nHost: localhost\r\n\r\n")
        yield


async def test_a_slow_watcher_holds_up_nobody(caplog: pytest.LogCaptureFixture) -> None:
    long_prompt = "a very long walk " * 4000
    async with served() as (viewer, client), stuck_watcher(client), watching(client) as messages:
        # Enough to fill the stuck watcher's buffers many times over.
        for n in range(120):
            scene = Scene(name=f"p{n}", prompt=long_prompt)
            viewer.publish(scene.opened())
            viewer.publish(scene.layer(TEXT))
            viewer.publish(scene.completed())
            await until_complete(messages, f"p{n}")
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []


async def test_frames_that_wait_are_replaced_by_newer_ones() -> None:
    viewer = Viewer(ViewerOptions(clock=lambda: 0.0))
    scene = Scene()
    viewer.publish(scene.opened())
    for step in range(1, 500):
        viewer.publish(scene.frame(TEXT, step=step, steps=500, shade=step % 250))
    viewer.publish(scene.completed())
    async with (
        viewer.serve("127.0.0.1", 0) as url,
        httpx.AsyncClient(base_url=url) as client,
        watching(client) as messages,
    ):
        picture = await until_complete(messages, "p1")
    assert picture["frame"]["step"] == 499


async def test_waiting_events_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server, "MAX_QUEUED", 3)
    viewer = Viewer()
    for n in range(9):
        viewer.publish(Scene(name=f"p{n}").opened())
    async with viewer.serve("127.0.0.1", 0) as url, httpx.AsyncClient(base_url=url) as client:
        viewer.publish(Scene(name="p8").completed())
        async with watching(client) as messages:
            await until_complete(messages, "p8")
        listed = (await client.get("/api/pictures")).json()["pictures"]
    assert [picture["id"] for picture in listed] == ["p7", "p8"]


async def test_an_event_that_cannot_be_shown_darkens_nothing(caplog: pytest.LogCaptureFixture) -> None:
    async with served() as (viewer, client), watching(client) as messages:
        broken = Scene(name="broken")
        viewer.publish(broken.opened())
        bad = broken.frame()
        bad.frame.image.close()
        viewer.publish(bad)
        show(viewer, Scene(name="good"))
        assert (await until_complete(messages, "good"))["frame"]
    assert [record.getMessage() for record in caplog.records if record.levelno >= logging.ERROR] == [
        "picture broken: an event cannot be shown"
    ]


async def test_closing_with_open_watchers_leaves_nothing(caplog: pytest.LogCaptureFixture) -> None:
    before = asyncio.all_tasks()
    handler = signal.getsignal(signal.SIGINT)
    viewer = Viewer()
    caplog.set_level(logging.WARNING)
    async with httpx.AsyncClient(timeout=120) as client, contextlib.AsyncExitStack() as stack:
        async with viewer.serve("127.0.0.1", 0) as url:
            client.base_url = httpx.URL(url)
            assert viewer.url == url
            assert signal.getsignal(signal.SIGINT) is handler
            channels = [await stack.enter_async_context(watching(client)) for _ in range(3)]
            await stack.enter_async_context(stuck_watcher(client))
            for channel in channels:
                await anext(channel)
        assert viewer.url is None
        # The streams end properly, so that browsers see a server that went away and not a broken answer.
        for channel in channels:
            assert [message async for message in channel] == []
    assert asyncio.all_tasks() == before
    assert [record.getMessage() for record in caplog.records] == []


async def test_serving_again_after_closing() -> None:
    viewer = Viewer()
    for name in ("one", "two"):
        async with (
            viewer.serve("127.0.0.1", 0) as url,
            httpx.AsyncClient(base_url=url) as client,
            watching(client) as messages,
        ):
            show(viewer, Scene(name=name))
            await until_complete(messages, name)
    assert len(viewer._broadcaster.history.pictures) == 2


@pytest.mark.parametrize(("host", "port"), [("192.0.2.1", 0), ("no such host", 0), ("127.0.0.1", 70_000)])
async def test_addresses_that_cannot_be(host: str, port: int) -> None:
    with pytest.raises(ListenError, match="cannot listen on"):
        async with Viewer().serve(host, port):
            pass


async def test_a_taken_port_is_one_clear_line() -> None:
    async with Viewer().serve("127.0.0.1", 0) as url:
        port = httpx.URL(url).port
        assert port
        with pytest.raises(ListenError) as caught:
            async with Viewer().serve("127.0.0.1", port):
                pass
    assert str(caught.value) == (
        f"the viewer cannot listen on 127.0.0.1:{port} (Address already in use); choose another --viewer"
    )


async def test_everywhere_is_shown_as_localhost() -> None:
    async with Viewer().serve("0.0.0.0", 0) as url:
        assert url.startswith("http://localhost:")
