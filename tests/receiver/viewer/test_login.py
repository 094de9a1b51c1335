"""Access to the page, over real connections."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest

from layercast_common import token_attempts
from layercast_common.token_attempts import MAX_TRIES
from receiver.permissions import Grant, Permissions, Right
from receiver.viewer import Viewer, ViewerOptions, app
from receiver.viewer import login as guard
from receiver.viewer.login import LOGIN_SECONDS, LoginSessions
from tests.receiver.viewer.test_server import served, watching


def grant(token: str, *rights: Right) -> Grant:
    (one,) = Permissions.of_token(token)._grants
    return Grant(token, one.digest, ("*",), frozenset(rights))


PERMISSIONS = Permissions(
    [grant("sender", Right.SEND), grant("watcher", Right.WATCH), grant("operator", Right.OPERATE)]
)


@contextlib.asynccontextmanager
async def guarded(**options: Any) -> AsyncIterator[httpx.AsyncClient]:
    options = {"permissions": PERMISSIONS, "metrics": lambda: (b"frames 1\n", "text/plain")} | options
    async with served(**options) as (_, client):
        yield client


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_names_that_are_not_ours_get_nothing() -> None:
    async with served(names=["Show.example"]) as (_, client):
        for host, status in {"evil.example": 421, "show.example:8080": 200, "127.0.0.1": 200, "localhost": 200}.items():
            for path in ("/", "/api/pictures", "/healthz"):
                response = await client.get(path, headers={"host": host})
                assert response.status_code == status, (host, path)
        refused = await client.get("/", headers={"host": "evil.example"})
        assert "--viewer-name" in refused.text
        assert refused.headers["x-content-type-options"] == "nosniff"


async def test_without_a_token_there_is_only_the_way_in() -> None:
    async with guarded() as client:
        page = await client.get("/")
        assert page.status_code == 401
        assert page.headers["www-authenticate"] == "Bearer"
        assert '<form class="login-form" method="post" action="login">' in page.text
        for path in ("/api/pictures", "/live", "/metrics", "/api/pictures/p1/frame.webp"):
            response = await client.get(path)
            assert (response.status_code, response.text) == (401, "a token is required\n"), path
        for path in ("/healthz", "/static/style.css"):
            assert (await client.get(path)).status_code == 200


@pytest.mark.parametrize(
    ("token", "watch", "operate"),
    [("watcher", 200, 403), ("operator", 403, 200), ("sender", 403, 403), ("wrong", 403, 403)],
)
async def test_programs_show_their_token_in_a_header(token: str, watch: int, operate: int) -> None:
    async with guarded() as client:
        assert (await client.get("/api/pictures", headers=bearer(token))).status_code == watch
        metrics = await client.get("/metrics", headers=bearer(token))
        assert metrics.status_code == operate
        assert (metrics.text == "frames 1\n") is (operate == 200)


async def test_people_log_in_once_and_their_token_is_in_no_address() -> None:
    async with guarded() as client:
        done = await client.post("/login", data={"token": "watcher"})
        assert (done.status_code, done.headers["location"]) == (303, "./")
        cookie = done.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=strict" in cookie
        assert "watcher" not in cookie
        assert "Waiting for a picture" in (await client.get("/")).text
        async with watching(client) as messages:
            await anext(messages)
        # A cookie is for watching alone.
        assert (await client.get("/metrics")).status_code == 401
        client.cookies.clear()
        made_up = {"cookie": "layercast=made-up"}
        assert (await client.get("/api/pictures", headers=made_up)).status_code == 401


async def test_a_wrong_login_shows_the_form_again() -> None:
    async with guarded() as client:
        for data in ({"token": "wrong"}, {"token": "sender"}, {}, {"a": "b"}):
            response = await client.post("/login", data=data)
            assert response.status_code == 403
            assert "login-form" in response.text
            assert "set-cookie" not in response.headers
        assert (await client.post("/login", content=b"token=" + b"x" * 9999)).status_code == 413
        foreign = await client.post("/login", data={"token": "watcher"}, headers={"origin": "http://evil.example"})
        assert foreign.status_code == 403


async def test_who_guesses_waits_and_the_right_token_gets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(token_attempts, "WAIT_SECONDS", 0.3)
    permissions = Permissions(PERMISSIONS._grants)
    clock = asyncio.get_running_loop().time
    async with guarded(permissions=permissions) as client:
        for _ in range(MAX_TRIES):
            assert (await client.get("/api/pictures", headers=bearer("wrong"))).status_code == 403
        for token, status in [("wrong", 403), ("watcher", 200)]:
            began = clock()
            assert (await client.get("/api/pictures", headers=bearer(token))).status_code == status
            assert clock() - began >= 0.3
        # The addresses for senders count the same mistakes.
        assert permissions.attempts.wait_seconds("127.0.0.1") == 0.3
        assert (await client.post("/login", data={"token": "watcher"})).status_code == 303


def test_logins_end(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 0.0
    logins = LoginSessions(lambda: now)
    ticket = logins.open()
    now = LOGIN_SECONDS - 1
    assert logins.is_valid(ticket)
    assert not logins.is_valid(ticket + "x")
    now = LOGIN_SECONDS
    assert not logins.is_valid(ticket)
    monkeypatch.setattr(guard, "MAX_LOGINS", 2)
    first, *others = (logins.open() for _ in range(3))
    assert [logins.is_valid(one) for one in (first, *others)] == [False, True, True]


async def test_one_address_does_not_take_every_seat(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(app, "MAX_WATCHERS_PER_ADDRESS", 1)
    async with served() as (_, client), watching(client) as messages:
        await anext(messages)
        assert (await client.get("/live")).status_code == 503


async def test_health_and_metrics() -> None:
    condition = "ok"
    async with served(condition=lambda: condition) as (_, client):
        assert (await client.get("/healthz")).json()["status"] == "ok"
        condition = "draining"
        unwell = await client.get("/healthz")
        assert (unwell.status_code, unwell.json()["status"]) == (503, "draining")
        assert (await client.get("/metrics")).status_code == 404
    assert isinstance(Viewer(ViewerOptions(permissions=PERMISSIONS)), Viewer)
