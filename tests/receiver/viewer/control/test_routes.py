"""The controls over HTTP: what is allowed, to whom, how often, and how much."""

import io
import json
from typing import Any

import httpx
import pytest
from PIL import Image

from codec.layers import Layer
from evaluation.simulation.links.profiles import named_link
from evaluation.simulation.live.api import LiveApi
from evaluation.simulation.live.proxy import LiveLink
from layercast_common.errors import EngineBusyError, OutboxFullError, PictureError, RenderError
from receiver.change import PictureChange
from receiver.permissions import Permissions, Right
from receiver.viewer.control import routes
from receiver.viewer.control.controls import Controls
from tests.receiver.viewer.test_login import bearer, grant
from tests.receiver.viewer.test_server import served, show, until_complete, watching
from tests.support.pictures import draw_picture
from tests.support.scenes import Scene

TEXT, LINES = Layer.SEMANTIC, Layer.STRUCTURE
REDRAW = "/control/pictures/p1/redraw"


class Asked:
    """Notes what was asked for, and answers or fails."""

    def __init__(self, error: Exception | None = None) -> None:
        self.changes: list[tuple[str, PictureChange]] = []
        self.bodies: list[tuple[bytes, str | None]] = []
        self.error = error

    def redraw(self, picture: str, change: PictureChange, stream: object = None) -> int:
        self.changes.append((picture, change))
        if self.error:
            raise self.error
        return len(self.changes)

    async def send(self, body: bytes, *, prompt: str | None) -> int:
        self.bodies.append((body, prompt))
        if self.error:
            raise self.error
        return len(self.bodies)

    @property
    def controls(self) -> Controls:
        return Controls(redraw=self.redraw, send=self.send)


async def test_nothing_is_allowed_unless_the_operator_says_so() -> None:
    async with served() as (viewer, client):
        show(viewer, Scene())
        assert (await client.get("/api/pictures")).json()["controls"] == []
        for method, path in [
            ("POST", REDRAW),
            ("GET", "/control/link"),
            ("POST", "/control/link"),
            ("POST", "/control/link/cut"),
            ("POST", "/control/images"),
        ]:
            answer = await client.request(method, path, content=b"{}")
            assert answer.status_code == 403
            assert "--allow" in answer.text


async def test_a_change_reaches_the_receiver() -> None:
    asked = Asked()
    async with served(controls=lambda: asked.controls) as (viewer, client):
        async with watching(client) as messages:
            show(viewer, Scene())
            await until_complete(messages, "p1")
        assert (await client.get("/api/pictures")).json()["controls"] == ["redraw", "send"]
        change = {"layers": ["semantic", "structure"], "prompt": "a barn", "seed": 4, "steps": 9}
        answer = await client.post(REDRAW, json=change)
        assert (answer.status_code, answer.json()) == (202, {"number": 1})
        assert (await client.post("/control/pictures/p2/redraw", json={"seed": 4})).status_code == 404
    expected = PictureChange(layers=frozenset({TEXT, LINES}), prompt="a barn", seed=4, steps=9)
    assert asked.changes == [("p1", expected)]


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"[]",
        b"not json",
        b"[" * 15_000,
        b"\xff",
        b'{"layers": []}',
        b'{"layers": ["texture", "sound"]}',
        b'{"layers": ["texture"], "prompt": "x"}',
        b'{"prompt": " "}',
        json.dumps({"prompt": "x" * 2001}).encode(),
        b'{"seed": -1}',
        b'{"seed": 4294967296}',
        b'{"steps": 51}',
        b'{"steps": 1e999}',
        b'{"model": "sd15"}',
    ],
)
async def test_wrong_changes_are_refused(body: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    async with served(controls=lambda: asked.controls) as (viewer, client):
        show(viewer, Scene())
        answer = await client.post(REDRAW, content=body)
        assert answer.status_code == 422
        assert answer.text
    assert asked.changes == []


@pytest.mark.parametrize(("error", "status"), [(EngineBusyError(4), 503), (RenderError("no model"), 409)])
async def test_refusals_of_the_receiver_are_passed_on(error: Exception, status: int) -> None:
    async with served(controls=lambda: Asked(error).controls) as (viewer, client):
        async with watching(client) as messages:
            show(viewer, Scene())
            await until_complete(messages, "p1")
        answer = await client.post(REDRAW, json={"seed": 1})
        assert (answer.status_code, answer.text) == (status, str(error))


async def test_visitors_are_limited_in_size_and_rate(monkeypatch: pytest.MonkeyPatch) -> None:
    asked = Asked()
    monkeypatch.setattr(routes, "MAX_UPLOAD", 1000)
    async with served(controls=lambda: asked.controls) as (_, client):
        assert (await client.post("/control/images", content=bytes(1001))).status_code == 413
        assert (await client.post("/control/images", content=b"")).status_code == 400
        assert (await client.post("/control/images?prompt=" + "x" * 2001, content=b"x")).status_code == 422
        answer = await client.post("/control/images?prompt=a%20barn", content=b"x" * 1000)
        assert (answer.status_code, answer.json()) == (202, {"waiting": 1})
        often = await client.post("/control/images", content=b"x")
        assert often.status_code == 429
        assert int(often.headers["retry-after"]) <= 5
        assert (await client.post(REDRAW, content=bytes(20_000))).status_code == 413
    assert asked.bodies == [(b"x" * 1000, "a barn")]


@pytest.mark.parametrize(("error", "status"), [(PictureError("no picture"), 422), (OutboxFullError("full"), 503)])
async def test_pictures_that_cannot_be_sent_are_refused(error: Exception, status: int) -> None:
    async with served(controls=lambda: Asked(error).controls) as (_, client):
        answer = await client.post("/control/images", content=b"x")
        assert (answer.status_code, answer.text) == (status, str(error))


async def test_other_sites_and_tokens_without_the_right_change_nothing() -> None:
    asked = Asked()
    everyone = {"controls": lambda: asked.controls}
    async with served(**everyone) as (_, client):
        foreign = {"origin": "http://evil.example"}
        assert (await client.post("/control/images", content=b"x", headers=foreign)).status_code == 403
    permissions = Permissions(
        [grant("watcher", Right.WATCH), grant("driver", Right.WATCH, Right.STEER), grant("both", Right.STEER)]
    )
    async with served(permissions=permissions, **everyone) as (_, client):
        statuses = {}
        for token in ("watcher", "driver", "both", "wrong"):
            answer = await client.post("/control/images", content=b"x", headers=bearer(token))
            statuses[token] = answer.status_code
        assert statuses == {"watcher": 403, "driver": 202, "both": 202, "wrong": 403}
        assert (await client.post("/control/images", content=b"x")).status_code == 401
        # A person logs in once; the cookie has the rights of the token.
        for token, status in [("watcher", 401), ("driver", 202)]:
            client.cookies.clear()
            assert (await client.post("/login", data={"token": token})).status_code == 303
            assert (await client.get("/api/pictures")).status_code == 200
            assert (await client.post("/control/images", content=b"x")).status_code == status
    assert len(asked.bodies) == 3


async def test_tokens_that_watch_may_steer_if_no_token_has_that_right() -> None:
    asked = Asked()
    permissions = Permissions([grant("watcher", Right.WATCH)])
    async with served(permissions=permissions, controls=lambda: asked.controls) as (_, client):
        assert (await client.post("/control/images", content=b"x")).status_code == 401
        assert (await client.post("/control/images", content=b"x", headers=bearer("watcher"))).status_code == 202


async def test_the_link_is_the_one_of_simulate() -> None:
    async with LiveLink(named_link("gsm"), target=("127.0.0.1", 1), listen=("127.0.0.1", 0)) as live:
        api = LiveApi(live, {"profile": "gsm"})
        async with served(controls=lambda: Controls(link=api)) as (_, client):
            state: dict[str, Any] = (await client.get("/control/link")).json()
            assert (state["link"], state["there"]["rate"]) == ("gsm", 9600)
            await changed(client, {"loss": 0.1, "rate": 500})
            assert (live.link.there.rate, live.link.there.loss.mean) == (500, 0.1)
            # A profile replaces what was changed before.
            state = await changed(client, {"profile": "iridium"})
            assert (state["link"], state["there"]["rate"], state["there"]["loss"]) == ("iridium", 2400, 0)
            assert live.link.mtu == named_link("gsm").mtu
            for body in (b"[]", b"{", b'{"rate": -1}', b'{"profile": "string"}'):
                assert (await client.post("/control/link", content=body)).status_code == 422
            assert (await client.post("/control/link/cut")).status_code == 200
            assert live.link.name == "iridium"


async def changed(client: httpx.AsyncClient, changes: dict[str, object]) -> dict[str, Any]:
    answer = await client.post("/control/link", json=changes)
    assert answer.status_code == 200, answer.text
    state: dict[str, Any] = answer.json()
    return state


async def test_originals_are_pictures_of_pictures_that_are_here(monkeypatch: pytest.MonkeyPatch) -> None:
    shown: list[tuple[str, tuple[int, int]]] = []
    controls = Controls(original=lambda name, image: shown.append((name, image.size)))
    out = io.BytesIO()
    Image.fromarray(draw_picture(96, 64)).save(out, "PNG")
    async with served(controls=lambda: controls) as (viewer, client):
        async with watching(client) as messages:
            show(viewer, Scene())
            await until_complete(messages, "p1")
        # The page has no button for it.
        assert (await client.get("/api/pictures")).json()["controls"] == []
        path = "/control/pictures/p1/original"
        assert (await client.post(path, content=out.getvalue())).status_code == 202
        assert (await client.post(path, content=b"no picture")).status_code == 422
        assert (await client.post("/control/pictures/p2/original", content=b"x")).status_code == 404
        monkeypatch.setattr(routes, "MAX_ORIGINAL", 10)
        assert (await client.post(path, content=bytes(11))).status_code == 413
    assert shown == [("p1", (96, 64))]
