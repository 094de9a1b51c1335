"""The access guard of our HTTP servers: host name, then origin, then token, before the application sees a request."""

import hmac
from collections.abc import Awaitable, Callable, Collection
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from layercast_common.http.access import bearer_token, host_allowed, origin_allowed
from layercast_common.token_attempts import TokenAttempts

#: Checks the bearer token of a request (empty if it has none): returns the refusal, or None to let the request pass.
TokenCheck = Callable[[Request, str], Awaitable[Response | None]]


#: The header of a 401 answer.
CHALLENGE = {"www-authenticate": "Bearer"}


@dataclass(frozen=True, slots=True, kw_only=True)
class AccessPolicy:
    """Access rules of one HTTP server.

    Attributes:
        names: the server's host names besides "localhost" and IP addresses, in lower case.
        name_option: the command line option that adds a host name, for the error text.
        origins: web origins besides the server's own that may send requests.
        origin_paths: prefixes of the paths at which the origin is checked.
        open_paths: prefixes of the paths that need no token.
        check_token: the token check; None admits everyone.
    """

    names: Collection[str] = ()
    name_option: str = ""
    origins: Collection[str] = ()
    origin_paths: tuple[str, ...] = ("/",)
    open_paths: tuple[str, ...] = ("/healthz",)
    check_token: TokenCheck | None = None


class AccessGuard:
    """ASGI middleware that answers forbidden requests itself: 421 host name, 403 origin, or the token check's refusal.

    Args:
        app: the application.
        policy: the rules.
    """

    def __init__(self, app: ASGIApp, policy: AccessPolicy) -> None:
        self._app = app
        self._policy = policy

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._app
        if scope["type"] == "http":
            app = await self._refuse(Request(scope, receive)) or app
        await app(scope, receive, send)

    async def _refuse(self, request: Request) -> Response | None:
        policy, headers, path = self._policy, request.headers, request.url.path
        host = headers.get("host", "")
        if not host_allowed(host, policy.names):
            hint = f"; add it with {policy.name_option}" if policy.name_option else ""
            return PlainTextResponse(f"this server does not serve that host name{hint}\n", 421)
        if path.startswith(policy.origin_paths) and not origin_allowed(headers.get("origin"), host, policy.origins):
            return PlainTextResponse("requests from this origin are not allowed\n", 403)
        if policy.check_token is None or path.startswith(policy.open_paths):
            return None
        return await policy.check_token(request, bearer_token(headers.get("authorization", "")))


def one_token(expected: str) -> TokenCheck:
    """Build a check for a single token, in constant time. Clients that guess have to wait."""
    attempts = TokenAttempts()

    async def check(request: Request, token: str) -> Response | None:
        if not token:
            return token_required()
        address = client_address(request)
        await attempts.wait(address)
        if hmac.compare_digest(token.encode("utf-8", "surrogatepass"), expected.encode("utf-8", "surrogatepass")):
            return None
        attempts.record_failure(address)
        return token_required()

    return check


def client_address(request: Request) -> str:
    """Return the network address of a request's client."""
    return request.client.host if request.client else "unknown"


def token_required() -> Response:
    """Build the 401 answer that asks for a bearer token."""
    return PlainTextResponse("a token is required\n", 401, headers=CHALLENGE)
