"""The access guard in front of a small application."""

import httpx
import pytest
from starlette.applications import Starlette
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from layercast_common.http.guard import AccessGuard, AccessPolicy, one_token


async def _answer(_: Request) -> Response:
    return PlainTextResponse("here")


def client(policy: AccessPolicy) -> httpx.AsyncClient:
    routes = [Route("/healthz", _answer), Route("/data", _answer), Route("/live", _answer)]
    app = Starlette(routes=routes, middleware=[Middleware(AccessGuard, policy=policy)])
    return httpx.AsyncClient(transport=httpx.ASGITransport(app), base_url="http://localhost")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        ("/data", {}, 401),
        ("/data", {"authorization": "Bearer wrong"}, 401),
        ("/data", {"authorization": "Bearer %E2%82%AC"}, 200),
        ("/healthz", {}, 200),
        ("/healthz", {"host": "evil.example"}, 421),
        ("/data", {"host": "show.example"}, 401),
        ("/live", {"origin": "http://evil.example", "authorization": "Bearer %E2%82%AC"}, 403),
        ("/live", {"origin": "https://listed.example", "authorization": "Bearer %E2%82%AC"}, 200),
        ("/data", {"origin": "http://evil.example", "authorization": "Bearer %E2%82%AC"}, 200),
    ],
)
async def test_checks_in_order(path: str, headers: dict[str, str], status: int) -> None:
    policy = AccessPolicy(
        names={"show.example"},
        origins={"https://listed.example"},
        origin_paths=("/live",),
        check_token=one_token("€"),
    )
    async with client(policy) as http:
        response = await http.get(path, headers=headers)
    assert response.status_code == status
    assert response.headers.get("www-authenticate") == ("Bearer" if status == 401 else None)


async def test_without_a_token_check_everyone_passes_and_the_option_is_named() -> None:
    async with client(AccessPolicy(name_option="--viewer-name")) as http:
        assert (await http.get("/data")).text == "here"
        refused = await http.get("/data", headers={"host": "evil.example"})
    assert refused.text == "this server does not serve that host name; add it with --viewer-name\n"
