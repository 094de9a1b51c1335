"""WebRTC signalling: one HTTP request, similar to WHIP (RFC 9725).

    POST <path>     Content-Type: application/sdp     Authorization: Bearer <token>     an offer
    201 Created     Content-Type: application/sdp                                       its answer

Both descriptions contain all candidates, so no further requests follow. The token is checked before any connection is
created.
"""

import asyncio
import http.client
import ssl as tls
from collections.abc import Awaitable, Callable
from urllib.parse import quote

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from layercast_common.errors import AuthenticationError, ConnectError
from layercast_common.http.access import bearer_token, origin_allowed
from layercast_common.http.guard import client_address
from layercast_common.urls import Address
from protocol.transports.base import ListenOptions
from protocol.wire.codes import Code, error_of

#: The largest offer or answer, in bytes.
MAX_SDP = 16 * 1024

#: How long the request may take, in seconds.
REQUEST_SECONDS = 10.0

_TYPE = "application/sdp"

#: Returns the answer to an offer from a network address; None if too many connections are opening.
#: Raises ValueError if the offer is malformed.
Answer = Callable[[str, str], Awaitable[str | None]]


async def request_answer(address: Address, offer: str, *, token: str, ssl: tls.SSLContext | None) -> str:
    """Send an offer to a receiver, and return its answer.

    Args:
        address: the signalling endpoint.
        offer: the SDP offer.
        token: the token; empty for none.
        ssl: for HTTPS, the trusted certificates; the system's if None.

    Raises:
        AuthenticationError: the receiver refuses the token.
        ConnectError: no receiver answers at the address.
    """
    return await asyncio.to_thread(_post_offer, address, offer, token, ssl)


def _post_offer(address: Address, offer: str, token: str, ssl: tls.SSLContext | None) -> str:
    shown = address.public
    connection = (
        http.client.HTTPSConnection(address.host, address.port, timeout=REQUEST_SECONDS, context=ssl)
        if address.scheme.endswith("https")
        else http.client.HTTPConnection(address.host, address.port, timeout=REQUEST_SECONDS)
    )
    # A header holds only ASCII; a token may be any text.
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
            f"no receiver listens at {shown}; start one there: layercast receive --listen {shown}"
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


def build_app(path: str, answer: Answer, options: ListenOptions) -> Starlette:
    """Build the endpoint as an ASGI application.

    Args:
        path: the path of the endpoint.
        answer: returns the answer to an offer.
        options: the admitted tokens and pages.
    """

    def refuse(status: int, reason: str) -> PlainTextResponse:
        return PlainTextResponse(reason + "\n", status)

    async def handle_offer(request: Request) -> Response:
        if not origin_allowed(request.headers.get("origin"), request.headers.get("host", ""), options.origins):
            return refuse(403, "pages of this origin may not connect")
        peer = client_address(request)
        if not await options.admits(peer, bearer_token(request.headers.get("authorization", ""))):
            return refuse(401, "the token is wrong")
        if request.headers.get("content-type", "").partition(";")[0].strip() != _TYPE:
            return refuse(415, f"the content type of an offer is {_TYPE}")
        body = b""
        async for chunk in request.stream():
            body += chunk
            if len(body) > MAX_SDP:
                return refuse(413, f"an offer has at most {MAX_SDP} bytes")
        try:
            sdp = await answer(body.decode(), peer)
        except ValueError:
            return refuse(400, "the body is no SDP offer of one data channel")
        return PlainTextResponse(sdp, 201, media_type=_TYPE) if sdp else refuse(503, "too many connections")

    return Starlette(routes=[Route(path, handle_offer, methods=["POST"])])
