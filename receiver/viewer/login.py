"""Login to the page: tokens, and login sessions in cookies.

A person enters the token on the page once and gets a cookie that scripts cannot read. A program sends the token as a
header (`Authorization: Bearer ...`). URLs never contain it: they end up in logs and browser histories.
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

from layercast_common.http.guard import CHALLENGE, TokenCheck, client_address, token_required
from protocol.wire.limits import MAX_TOKEN
from receiver.permissions import Permissions, Right
from receiver.viewer.options import STATIC

#: Lifetime of a login session, in seconds, and limit of sessions.
LOGIN_SECONDS = 12 * 3600.0
MAX_LOGINS = 1024

#: Limit of the login form, in bytes: a token of which each character takes up to twelve.
MAX_FORM = 12 * MAX_TOKEN + 64

COOKIE = "layercast"


class LoginSessions:
    """Login sessions.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._ends: OrderedDict[bytes, float] = OrderedDict()

    def open(self) -> str:
        """Open a session and return the content of its cookie. Only a digest of it is stored."""
        cookie = secrets.token_urlsafe(32)
        self._ends[_digest(cookie)] = self._clock() + LOGIN_SECONDS
        if len(self._ends) > MAX_LOGINS:
            self._ends.popitem(last=False)
        return cookie

    def is_valid(self, cookie: str) -> bool:
        """Return whether a cookie belongs to a session that has not expired."""
        return self._clock() < self._ends.get(_digest(cookie), 0.0)


def viewer_token_check(permissions: Permissions, logins: LoginSessions) -> TokenCheck:
    """Build the token check of the page: `/metrics` requires the right to operate, all other paths the one to watch."""

    async def check(request: Request, token: str) -> Response | None:
        path = request.url.path
        right = Right.OPERATE if path == "/metrics" else Right.WATCH
        if not permissions.requires_token(right):
            return None
        if right is Right.WATCH and logins.is_valid(request.cookies.get(COOKIE, "")):
            return None
        if not token:
            return (
                FileResponse(STATIC / "login.html", 401, headers=CHALLENGE)
                if path in ("/", "/show")
                else token_required()
            )
        if not await permissions.admits(client_address(request), token, right):
            return PlainTextResponse("wrong token\n", 403)
        return None

    return check


def login_endpoint(permissions: Permissions | None, logins: LoginSessions) -> Callable[[Request], Awaitable[Response]]:
    """Build the endpoint for the form of the login page."""

    async def login(request: Request) -> Response:
        token = await _read_token(request)
        if permissions is None or not await permissions.admits(client_address(request), token, Right.WATCH):
            return FileResponse(STATIC / "login.html", 403)
        response = RedirectResponse("./", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, logins.open(), max_age=int(LOGIN_SECONDS), httponly=True, samesite="strict", secure=secure
        )
        return response

    return login


async def _read_token(request: Request) -> str:
    body = b""
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_FORM:
            raise HTTPException(413, f"the login form has at most {MAX_FORM} bytes")
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    return fields.get("token", [""])[0]


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
