"""How two ends of a WebRTC connection find each other: one HTTP request, in the manner of WHIP (RFC 9725).

    POST <path>     Content-Type: application/sdp     Authorization: Bearer <token>     an offer
    201 Created     Content-Type: application/sdp                                       its answer

Candidates are gathered before the offer or the answer is written, so that nothing follows. Whoever cannot show the
token is turned away before anything is made for them.
"""

import asyncio
import http.client
import ssl as tls
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING
from urllib.parse import quote

from layercast_common.errors import AuthenticationError, ConnectError
from layercast_common.http.access import bearer_token, origin_allowed
from layercast_common.urls import Address
from protocol.transports.base import ListenOptions
from protocol.wire.codes import Code, error_of

if TYPE_CHECKING:
    from starlette.applications import Starlette
    from starlette.requests import Request
    from starlette.responses import Response

#: The largest offer or answer, in bytes.
MAX_SDP = 16 * 1024

#: How long the request may take, in seconds.
REQUEST_SECONDS = 10.0

_TYPE = "application/sdp"

#: Makes the answer to an offer from a network address; None where too many wait already.
#: Raises ValueError for what is no offer of ours.
Answer = Callable[[str, str], Awaitable[str | None]]


async def ask(address: Address, offer: str, *, token: str, ssl: tls.SSLContext | None) -> str:
    """The receiver's answer to an offer.

    Raises:
        AuthenticationError: it refuses the token.
        ConnectError: nobody answers, or it is no receiver.
    """
    return await asyncio.to_thread(_ask, address, offer, token, ssl)


def _ask(address: Address, offer: str, token: str, ssl: tls.SSLContext | None) -> str:
    shown = address.public
    connection = (
        http.client.HTTPSConnection(address.host, address.port, timeout=REQUEST_SECONDS, context=ssl)
        if address.scheme.endswith("https")
        else http.client.HTTPConnection(address.host, address.port, timeout=REQUEST_SECONDS)
    )
    # A header holds no other than ASCII characters; a token may be any text.
    headers = {"Content-Type": _TYPE} | ({"Authorization": "Bearer " + quote(token, safe="")} if token else {})
    try:
        connection.request("POST", address.path or "/", body=offer.encode(), headers=headers)
        response = connection.getresponse()
        answer = response.read(MAX_SDP + 1)
    except tls.SSLError as error:
        raise ConnectError(f"no secure connection to {shown}: {error.reason or error}") from error
    except http.client.HTTPException as error:
        raise ConnectError(f"{shown} answers, but is no layercast receiver") from error
    except OSError as error:
        raise ConnectError(
            f"nobody listens at {shown}; start a receiver there: layercast receive --listen {shown}"
        ) from error
    finally:
        connection.close()
    if response.status == http.HTTPStatus.UNAUTHORIZED:
        refusal = error_of(Code.AUTHENTICATION)
        assert isinstance(refusal, AuthenticationError)
        raise refusal
    if response.status == http.HTTPStatus.SERVICE_UNAVAILABLE:
        raise ConnectError(f"the receiver at {shown} has too many connections; try again later")
    if response.status != http.HTTPStatus.CREATED or not 0 < len(answer) <= MAX_SDP:
        raise ConnectError(f"{shown} answers, but is no layercast receiver: HTTP status {response.status}")
    return answer.decode("utf-8", "replace")


def build_app(path: str, answer: Answer, options: ListenOptions) -> "Starlette":
    """The endpoint as an ASGI application, to be served alone or beside other pages.

    Args:
        path: where it is.
        answer: makes the answer to an offer.
        options: which tokens and which pages may ask.
    """
    from starlette.applications import Starlette
    from starlette.responses import PlainTextResponse
    from starlette.routing import Route

    def refuse(status: int, reason: str) -> PlainTextResponse:
        return PlainTextResponse(reason + "\n", status)

    async def take_offer(request: "Request") -> "Response":
        if not origin_allowed(request.headers.get("origin"), request.headers.get("host", ""), options.origins):
            return refuse(403, "this page may not send here")
        if not options.admits(bearer_token(request.headers.get("authorization", ""))):
            return refuse(401, "the token is wrong")
        if request.headers.get("content-type", "").partition(";")[0].strip() != _TYPE:
            return refuse(415, f"an offer is of type {_TYPE}")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_SDP:
                return refuse(413, f"an offer has at most {MAX_SDP} bytes")
        try:
            made = await answer(body.decode(), request.client.host if request.client else "unknown")
        except ValueError:
            return refuse(400, "no offer of a data channel")
        return PlainTextResponse(made, 201, media_type=_TYPE) if made else refuse(503, "too many connections")

    return Starlette(routes=[Route(path, take_offer, methods=["POST"])])
