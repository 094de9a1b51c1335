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

from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from layercast_common.http.body import read_body
from layercast_common.http.guard import CHALLENGE, TokenCheck, client_address, token_required
from protocol.wire.limits import MAX_TOKEN
from receiver.permissions import Permissions, Right
from receiver.viewer.control.routes import PREFIX
from receiver.viewer.options import STATIC

#: Lifetime of a login session, in seconds, and limit of sessions.
LOGIN_SECONDS = 12 * 3600.0
MAX_LOGINS = 1024

#: Limit of the login form, in bytes: a token of which each character takes up to twelve.
MAX_FORM = 12 * MAX_TOKEN + 64

COOKIE = "layercast"

#: The rights that a login session may have.
_RIGHTS = frozenset({Right.WATCH, Right.STEER})


class LoginSessions:
    """Login sessions.

    Args:
        clock: monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._sessions: OrderedDict[bytes, tuple[float, frozenset[Right]]] = OrderedDict()

    def open(self, rights: frozenset[Right] = frozenset({Right.WATCH})) -> str:
        """Open a session with these rights and return the content of its cookie. Only a digest of it is stored."""
        cookie = secrets.token_urlsafe(32)
        self._sessions[_digest(cookie)] = self._clock() + LOGIN_SECONDS, rights
        if len(self._sessions) > MAX_LOGINS:
            self._sessions.popitem(last=False)
        return cookie

    def is_valid(self, cookie: str, right: Right = Right.WATCH) -> bool:
        """Return whether a cookie belongs to a session that has a right and has not expired."""
        end, rights = self._sessions.get(_digest(cookie), (0.0, frozenset()))
        return self._clock() < end and right in rights


def viewer_token_check(permissions: Permissions, logins: LoginSessions) -> TokenCheck:
    """Build the token check of the page.

    `/metrics` requires the right to operate. The controls require the right to steer, or the one to watch if no token
    has that one. All other paths require the right to watch.
    """

    async def check(request: Request, token: str) -> Response | None:
        path = request.url.path
        right = Right.OPERATE if path == "/metrics" else Right.WATCH
        if path.startswith(f"{PREFIX}/") and permissions.requires_token(Right.STEER):
            right = Right.STEER
        if not permissions.requires_token(right):
            return None
        if right in _RIGHTS and logins.is_valid(request.cookies.get(COOKIE, ""), right):
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
        rights = frozenset[Right]()
        if permissions is not None:
            rights = frozenset(right for right in _RIGHTS if permissions.allows(token, right))
            # Waits if this address guesses, and counts wrong tokens.
            await permissions.admits(client_address(request), token, next(iter(rights), Right.WATCH))
        if not rights:
            return FileResponse(STATIC / "login.html", 403)
        response = RedirectResponse("./", 303)
        secure = request.url.scheme == "https"
        response.set_cookie(
            COOKIE, logins.open(rights), max_age=int(LOGIN_SECONDS), httponly=True, samesite="strict", secure=secure
        )
        return response

    return login


async def _read_token(request: Request) -> str:
    body = await read_body(request, MAX_FORM, "the login form")
    fields = parse_qs(body.decode("utf-8", "replace"), max_num_fields=4)
    return fields.get("token", [""])[0]


def _digest(cookie: str) -> bytes:
    return hashlib.sha256(cookie.encode("utf-8", "surrogatepass")).digest()
