"""Uploads: reads a picture and its encoding options from an HTTP request."""

from dataclasses import dataclass, replace
from typing import Annotated

import msgspec
from msgspec import Meta
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from codec.canvas import parse_canvas
from codec.container.bitstream import Bitstream
from codec.container.header import MAGIC
from codec.encoder.options import EncodeOptions
from codec.encoder.picture import encode_picture
from layercast_common.errors import UsageError

#: Longest `Idempotency-Key` header, in characters.
MAX_KEY = 128


class UploadOptions(msgspec.Struct, forbid_unknown_fields=True):
    """A client's encoding options: fields of the form or of the query."""

    prompt: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    budget: Annotated[int, Meta(ge=1, le=65536)] | None = None
    bpp: Annotated[float, Meta(gt=0, le=24)] | None = None
    canvas: Annotated[str, Meta(max_length=16)] | None = None
    structure: str | None = None
    seed: Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)] | None = None
    name: Annotated[str, Meta(max_length=255)] | None = None
    lifetime: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None

    def override(self, defaults: EncodeOptions) -> EncodeOptions:
        """Return the default options with the client's in place of theirs.

        Raises:
            UsageError: an option is out of range, or options contradict each other.
        """
        overrides: dict[str, object] = {
            name: value for name in ("prompt", "structure", "seed") if (value := getattr(self, name)) is not None
        }
        if self.budget is not None or self.bpp is not None:
            overrides |= {"budget": self.budget, "bpp": self.bpp}
        if self.canvas is not None:
            overrides["canvas"] = parse_canvas(self.canvas)
        return replace(defaults, **overrides)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """An uploaded picture.

    Attributes:
        body: a picture file or a stream.
        name: the client's name for it.
        key: the client's idempotency key: a picture posted twice under one key is sent once.
        lifetime: the picture expires after this many seconds; None for never.
        encoding: how it is encoded.
    """

    body: bytes
    name: str
    key: str | None
    lifetime: float | None
    encoding: EncodeOptions

    def encode(self) -> tuple[Bitstream, int]:
        """Encode the picture. Return the stream and the picture's size as a JPEG in bytes; 0 if a stream was posted.

        Raises:
            CodecError: the body is not a picture or stream, or cannot be encoded with these options.
            UsageError: the options do not make sense for this picture.
            MissingExtraError, MissingModelError, ModelFilesError: an annotator or captioner is missing or damaged.
        """
        if self.body.startswith(MAGIC):
            return Bitstream.from_bytes(self.body), 0
        encoded = encode_picture(self.body, self.encoding)
        return encoded.stream, encoded.jpeg_size


async def read_upload(request: Request, limit: int, defaults: EncodeOptions) -> Upload:
    """Read a request's body and options.

    Args:
        request: a POST of a picture.
        limit: the largest body, in bytes.
        defaults: encoding options that the request may override.

    Raises:
        HTTPException: 400, 413 or 422, with the reason.
    """
    length = request.headers.get("content-length", "0")
    if not (length.isascii() and length.isdigit()):
        raise HTTPException(400, "content-length is not a number")
    # int() refuses strings of thousands of digits.
    if len(length) > 20 or int(length) > limit:
        raise HTTPException(413, f"the body is larger than {limit} bytes")
    request = Request(request.scope, _limit_body(request.receive, limit))
    fields = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        body, name, more = await _read_form(request, limit)
        fields |= more
    else:
        body, name = await request.body(), ""
    if not body:
        raise HTTPException(400, "the request contains no picture; send it as the body, or as the form field 'image'")
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise HTTPException(400, f"Idempotency-Key must have 1 to {MAX_KEY} characters")
    try:
        options = msgspec.convert(fields, UploadOptions, strict=False)
        encoding = options.override(defaults)
    except (msgspec.ValidationError, UsageError) as error:
        raise HTTPException(422, str(error)) from error
    return Upload(
        body=body,
        name=options.name or name,
        key=None if key is None else f"http {key}",
        lifetime=options.lifetime,
        encoding=encoding,
    )


async def _read_form(request: Request, limit: int) -> tuple[bytes, str, dict[str, str]]:
    try:
        async with request.form(max_files=1, max_fields=16, max_part_size=limit) as form:
            image = form.get("image")
            if not isinstance(image, UploadFile):
                raise HTTPException(400, "the form field 'image' contains no file")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            return await image.read(), image.filename or "", fields
    except MultiPartException as error:
        raise HTTPException(400, f"invalid form: {error.message}") from error


def _limit_body(receive: Receive, limit: int) -> Receive:
    """Return `receive` with a limit on the body: its actual size, since content-length may be missing or wrong."""
    received = 0

    async def next_message() -> Message:
        nonlocal received
        message = await receive()
        received += len(message.get("body", b""))
        if received > limit:
            raise HTTPException(413, f"the body is larger than {limit} bytes")
        return message

    return next_message
