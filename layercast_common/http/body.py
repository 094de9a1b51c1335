"""Reads the body of a request within a limit."""

from starlette.exceptions import HTTPException
from starlette.requests import Request


async def read_body(request: Request, limit: int, what: str) -> bytes:
    """Return a request's body.

    Args:
        request: the request.
        limit: the most bytes.
        what: what the body is, with its article, for the error text.

    Raises:
        HTTPException: 413, the body is larger.
    """
    body = bytearray()
    async for part in request.stream():
        body += part
        if len(body) > limit:
            raise HTTPException(413, f"{what} has at most {limit} bytes")
    return bytes(body)
