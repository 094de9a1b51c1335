"""Who gets in: names that we go by, tokens for those who must show one, and not too many tries.

A person types the token into a page once and gets a cookie that no script can read; a program sends it as a header
(`Authorization: Bearer ...`). It stands in no address, which would end in logs and histories.
"""

import hashlib
import secrets
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable
from urllib.parse import parse_qs

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response
from starlette.types import ASGIApp, Receive, Scope, Send

from layercast_common.http.access import bearer_token, host_allowed, origin_allowed
from protocol.wire.limits import MAX_TOKEN
from receiver.permissions import Permissions, Right
from receiver.viewer.event_stream import STATIC, ViewerConfig

#: How long a login lasts, in seconds, and how many there may be.
LOGIN_SECONDS = 12 * 3600.0
MAX_LOGINS = 1024

#: Wrong tokens that one address may try within a time, in seconds; and addresses that are remembered.
MAX_TRIES = 10
TRIES_SECONDS = 60.0
MAX_ADDRESSES = 4096

#: The largest login form, in bytes: a token, each character of which may take twelve.
MAX_FORM = 12 * MAX_TOKEN + 64

COOKIE = "layercast"

#: What anyone may fetch: whether we are well, and the looks of the login page.
_OPEN = ("/healthz", "/login", "/static/")


class LoginSessions:
    """Those who showed their token.

    Args:
        clock: steady seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()
        self._tries: OrderedDict[str, list[float]] = OrderedDict()

    def open(self) -> str:
        """A new login: what the cookie holds. Only its digest stays here."""
        ticket = secrets.token_urlsafe(32)
        self._ends[_digest(ticket)] = self._clock() + LOGIN_SECONDS
        if len(self._ends) > MAX_LOGINS:
            self._ends.popitem(last=False)
        return ticket

    def knows(self, ticket: str) -> bool:
        """Whether a cookie is good."""
        return self._clock() < self._ends.get(_digest(ticket), 0.0)

    def may_try(self, address: str) -> bool:
        """Whether an address may show one more token."""
        recent = [at for at in self._tries.get(address, ()) if at > self._clock() - TRIES_SECONDS]
        return len(recent) < MAX_TRIES

    def failed(self, address: str) -> None:
        """Note that an address showed a wrong token."""
        recent = [at for at in self._tries.pop(address, ()) if at > self._clock() - TRIES_SECONDS]
        self._tries[address] = [*recent, self._clock()][-MAX_TRIES:]
        if len(self._tries) > MAX_ADDRESSES:
            self._tries.popitem(last=False)


class Guard:
    """Stands before the application."""

    def __init__(self, app: ASGIApp, setting: ViewerConfig, logins: LoginSessions) -> None:
        self._app = app
        self._setting = setting
        self._logins = logins

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        app: ASGIApp = self._app
        if scope["type"] == "http":
            app = self._refusal(Request(scope, receive)) or app
        await app(scope, receive, send)

    def _refusal(self, request: Request) -> Response | None:
        host = request.headers.get("host", "")
        if not host_allowed(host, self._setting.names):
            return PlainTextResponse("no page of this name is here; start with --viewer-name to serve it\n", 421)
        permissions, path = self._setting.permissions, request.url.path
        right = Right.OPERATE if path == "/metrics" else Right.WATCH
        if permissions is None or path.startswith(_OPEN) or not permissions.wants_token(right):
            return None
        if right is Right.WATCH and self._logins.knows(request.cookies.get(COOKIE, "")):
            return None
        token = bearer_token(request.headers.get("authorization", ""))
        if not token:
            return _ask_for_token(path)
        if not _try(self._logins, permissions, request, token, right):
            return PlainTextResponse("the token is wrong, or there were too many wrong ones\n", 403)
        return None


def login(setting: ViewerConfig, logins: LoginSessions) -> Callable[[Request], Awaitable[Response]]:
    """The endpoint that takes the form of the login page."""

    async def take_form(request: Request) -> Response:
        if not origin_allowed(request.headers.get("origin"), request.headers.get("host", ""), setting.origins):
            raise HTTPException(403, "this origin may not log in")
        token = await _token_in(request)
        permissions = setting.permissions
        if permissions is None or not _try(logins, permissions, request, token, Right.WATCH):
            return FileResponse(STATIC / "login.html", 403)
        response = RedirectResponse("./", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, logins.open(), max_age=int(LOGIN_SECONDS), httponly=True, samesite="strict", secure=secure
        )
        return response

    return take_form


def _ask_for_token(path: str) -> Response:
    challenge = {"www-authenticate": "Bearer"}
    if path == "/":
        return FileResponse(STATIC / "login.html", 401, headers=challenge)
    return PlainTextResponse("a token is needed\n", 401, headers=challenge)


def _try(logins: LoginSessions, permissions: Permissions, request: Request, token: str, right: Right) -> bool:
    address = request.client.host if request.client else "unknown"
    if not logins.may_try(address):
        return False
    if permissions.allows(token, right):
        return True
    logins.failed(address)
    return False


async def _token_in(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise HTTPException(413, "a login form is smaller")
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    return fields.get("token", [""])[0]


def _digest(ticket: str) -> bytes:
    return hashlib.sha256(ticket.encode("utf-8", "surrogatepass")).digest()
