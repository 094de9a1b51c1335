"""A picture as a request brings it: its bytes, and how it is to be coded."""

from dataclasses import dataclass, replace
from io import BytesIO
from typing import Annotated

import msgspec
from msgspec import Meta
from PIL import Image, UnidentifiedImageError
from starlette.datastructures import UploadFile
from starlette.exceptions import HTTPException
from starlette.formparsers import MultiPartException
from starlette.requests import Request
from starlette.types import Message, Receive

from codec.container.bitstream import Bitstream
from codec.container.header import MAGIC
from codec.encoder.picture import EncodeOptions, encode_picture
from codec.image_io import parse_canvas
from layercast_common.errors import PictureError, UsageError

#: A key that a client may give (header `Idempotency-Key`), in characters.
MAX_KEY = 128


class UploadOptions(msgspec.Struct, forbid_unknown_fields=True):
    """How a client wants its picture coded: fields of the form, or of the query."""

    prompt: Annotated[str, Meta(min_length=1, max_length=2000)] | None = None
    budget: Annotated[int, Meta(ge=1, le=65536)] | None = None
    bpp: Annotated[float, Meta(gt=0, le=24)] | None = None
    canvas: Annotated[str, Meta(max_length=16)] | None = None
    structure: str | None = None
    seed: Annotated[int, Meta(ge=0, le=0xFFFF_FFFF)] | None = None
    name: Annotated[str, Meta(max_length=255)] | None = None
    lifetime: Annotated[float, Meta(gt=0, le=31_536_000)] | None = None

    def recipe(self, usual: EncodeOptions) -> EncodeOptions:
        """The recipe that these wishes make of the usual one.

        Raises:
            UsageError: they contradict each other.
        """
        wished: dict[str, object] = {
            name: value for name in ("prompt", "structure", "seed") if (value := getattr(self, name)) is not None
        }
        if self.budget is not None or self.bpp is not None:
            wished |= {"budget": self.budget, "bpp": self.bpp}
        if self.canvas is not None:
            wished["canvas"] = parse_canvas(self.canvas)
        return replace(usual, **wished)  # type: ignore[arg-type]


@dataclass(frozen=True, slots=True, kw_only=True)
class Upload:
    """A picture that was posted.

    Attributes:
        body: its file, or a stream's.
        name: what the client calls it.
        key: the client's own key of it, so that it may post it twice and have it sent once.
        lifetime: after how many seconds it is no longer worth sending; None for never.
        recipe: how it is to be coded.
    """

    body: bytes
    name: str
    key: str | None
    lifetime: float | None
    recipe: EncodeOptions

    def code(self) -> tuple[Bitstream, int]:
        """The stream, and the size of the picture as a JPEG in bytes; 0 where a stream was posted.

        Raises:
            CodecError: it is no picture and no stream, or cannot be coded as asked for.
            UsageError: what was asked for makes no sense.
        """
        if self.body.startswith(MAGIC):
            return Bitstream.from_bytes(self.body), 0
        try:
            with Image.open(BytesIO(self.body)) as picture:
                composed = encode_picture(picture, self.recipe)
        except (UnidentifiedImageError, Image.DecompressionBombError, OSError, ValueError, SyntaxError) as error:
            raise PictureError("this is no picture that can be read") from error
        return composed.stream, composed.jpeg_size


async def read_upload(request: Request, limit: int, usual: EncodeOptions) -> Upload:
    """Take a request's body in.

    Args:
        request: a POST of a picture.
        limit: the largest body, in bytes.
        usual: how pictures are coded where the request does not tell.

    Raises:
        HTTPException: 400, 413 or 422, with the reason.
    """
    told = request.headers.get("content-length", "0")
    if not (told.isascii() and told.isdigit()):
        raise HTTPException(400, "the content-length is not a number")
    # Python refuses to read numbers of thousands of digits.
    if len(told) > 20 or int(told) > limit:
        raise HTTPException(413, f"a request has at most {limit} bytes")
    request = Request(request.scope, _bounded(request.receive, limit))
    fields = dict(request.query_params)
    if request.headers.get("content-type", "").startswith("multipart/form-data"):
        body, name, more = await _read_form(request, limit)
        fields |= more
    else:
        body, name = await request.body(), ""
    if not body:
        raise HTTPException(400, "the request holds no picture: send it as the body, or as the field 'image' of a form")
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= MAX_KEY:
        raise HTTPException(400, f"an Idempotency-Key has 1 to {MAX_KEY} characters")
    try:
        wishes = msgspec.convert(fields, UploadOptions, strict=False)
        recipe = wishes.recipe(usual)
    except (msgspec.ValidationError, UsageError) as error:
        raise HTTPException(422, str(error)) from error
    return Upload(
        body=body,
        name=wishes.name or name,
        key=None if key is None else f"http {key}",
        lifetime=wishes.lifetime,
        recipe=recipe,
    )


async def _read_form(request: Request, limit: int) -> tuple[bytes, str, dict[str, str]]:
    try:
        async with request.form(max_files=1, max_fields=16, max_part_size=limit) as form:
            image = form.get("image")
            if not isinstance(image, UploadFile):
                raise HTTPException(400, "the form has no file in the field 'image'")
            fields = {name: value for name, value in form.items() if isinstance(value, str)}
            return await image.read(), image.filename or "", fields
    except MultiPartException as error:
        raise HTTPException(400, f"the form cannot be read: {error.message}") from error


def _bounded(receive: Receive, limit: int) -> Receive:
    """The same messages, until more than `limit` bytes came; what a header says of a body's length need not be true."""
    got = 0

    async def next_message() -> Message:
        nonlocal got
        message = await receive()
        got += len(message.get("body", b""))
        if got > limit:
            raise HTTPException(413, f"a request has at most {limit} bytes")
        return message

    return next_message
