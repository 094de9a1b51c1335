"""The header of a stream: canvas, seed and model, which every layer needs.

2 bytes      magic
1 byte       version (high half), flags
2 bytes      COMPACT: width / 64 - 1, height / 64 - 1 (5 bits each), model id (6 bits)
or           width, height, model id as varints
0, 1, 2, 4   seed, big-endian
1 + n        the model's name, if its id is 0
1            GUESSED: which program guessed the prompt, and how sure it is; see codec.container.guess
"""

from dataclasses import dataclass

from codec.container.guess import Guess
from layercast_common.errors import BitstreamError, TruncatedError, UsageError

#: First bytes of every stream. No ASCII or UTF-8 text starts with the first one.
MAGIC = b"\xb1L"

#: Version of the format. It changes when the same bytes would decode to something else.
VERSION = 1

#: Largest canvas: pixels a side, and pixels in all.
MAX_SIDE = 8192
MAX_AREA = 1 << 24

#: Longest name of a model, in bytes of UTF-8.
MAX_MODEL = 200

#: Models that are sent as a number. A number never changes its meaning; unlisted numbers are named "#number".
MODELS = {1: "mini", 2: "sd15", 3: "sd15-lcm", 4: "sd14", 5: "sd-turbo", 6: "sdxl", 7: "sdxl-turbo", 8: "sd21"}

_COMPACT = 0x1
_SEED_BYTES = (0, 1, 2, 4)
_SEED_SHIFT = 1
_GUESSED = 0x8
_UNIT = 64
_MODEL_IDS = {name: number for number, name in MODELS.items()}
_MAX_MODEL_ID = 63


@dataclass(frozen=True, slots=True)
class Header:
    """Canvas, seed and model of a stream.

    Attributes:
        width: of the canvas, in pixels.
        height: of the canvas, in pixels.
        seed: seed of the noise that rendering starts from, 0 to 2**32 - 1.
        model: name of the model that the picture is encoded for.
        guess: the origin of the prompt if a program guessed it; None if a person or the picture's file gave it.
    """

    width: int
    height: int
    seed: int = 0
    model: str = "mini"
    guess: Guess | None = None

    def __post_init__(self) -> None:
        if not (0 < self.width <= MAX_SIDE and 0 < self.height <= MAX_SIDE and self.width * self.height <= MAX_AREA):
            raise UsageError(
                f"a canvas has up to {MAX_SIDE} pixels a side and {MAX_AREA} in all, not {self.width}x{self.height}"
            )
        if not 0 <= self.seed < 1 << 32:
            raise UsageError(f"a seed is 0 to {(1 << 32) - 1}, not {self.seed}")
        try:
            length = len(self.model.encode())
        except UnicodeEncodeError as error:
            raise UsageError("the model's name contains half a surrogate pair, which is not a character") from error
        if not 0 < length <= MAX_MODEL:
            raise UsageError(f"a model's name has 1 to {MAX_MODEL} bytes, not {length}")

    @property
    def canvas(self) -> tuple[int, int]:
        """(width, height), in pixels."""
        return (self.width, self.height)

    def to_bytes(self) -> bytes:
        """Return the encoded header: 5 to 7 bytes in the common case."""
        compact = self.width % _UNIT == self.height % _UNIT == 0 and max(self.canvas) <= 32 * _UNIT
        seed_code = next(code for code, size in enumerate(_SEED_BYTES) if self.seed < 1 << 8 * size)
        number = _model_id(self.model)
        result = bytearray(MAGIC)
        result.append(
            VERSION << 4 | seed_code << _SEED_SHIFT | (_COMPACT if compact else 0) | (_GUESSED if self.guess else 0)
        )
        if compact:
            packed = (self.width // _UNIT - 1) << 11 | (self.height // _UNIT - 1) << 6 | number
            result += packed.to_bytes(2, "big")
        else:
            result += write_varint(self.width) + write_varint(self.height) + write_varint(number)
        result += self.seed.to_bytes(_SEED_BYTES[seed_code], "big")
        if not number:
            name = self.model.encode()
            result += bytes([len(name)]) + name
        if self.guess:
            result.append(self.guess.to_byte())
        return bytes(result)

    @classmethod
    def parse(cls, data: bytes) -> "Header":
        """Read a header without a stream.

        Raises:
            TruncatedError: the bytes stop within the header.
            BitstreamError: the bytes are not a header, or more bytes follow it.
        """
        header, end = cls.read(data)
        if end != len(data):
            raise BitstreamError(f"{len(data) - end} bytes follow the header")
        return header

    @classmethod
    def read(cls, data: bytes) -> tuple["Header", int]:
        """Read the header at the start of `data`; return it and the index at which it ends.

        Raises:
            TruncatedError: the bytes stop within the header.
            BitstreamError: this is not a layercast stream, or one of an unknown version.
        """
        if not data:
            raise BitstreamError("this is not a layercast stream (it is empty)")
        if data[:2] != MAGIC[: len(data)]:
            raise BitstreamError("this is not a layercast stream (it starts with other bytes)")
        flags = take(data, 2, 1)[0]
        if flags >> 4 != VERSION:
            raise BitstreamError(f"this stream needs a newer layercast (format {flags >> 4})")
        if flags & _COMPACT:
            packed = int.from_bytes(take(data, 3, 2), "big")
            width, height = ((packed >> 11) + 1) * _UNIT, ((packed >> 6 & 31) + 1) * _UNIT
            number, place = packed & 63, 5
        else:
            width, place = read_varint(data, 3)
            height, place = read_varint(data, place)
            number, place = read_varint(data, place)
        seed_bytes = _SEED_BYTES[flags >> _SEED_SHIFT & 3]
        seed = int.from_bytes(take(data, place, seed_bytes), "big")
        model, place = _read_model(data, place + seed_bytes, number)
        guess = None
        if flags & _GUESSED:
            guess, place = Guess.from_byte(take(data, place, 1)[0]), place + 1
        try:
            return cls(width, height, seed, model, guess), place
        except UsageError as error:
            raise BitstreamError(f"the stream's header is out of bounds: {error}") from error


def _model_id(name: str) -> int:
    """Return the number of a model, or 0 if the name itself must be sent."""
    digits = name[1:]
    if name[:1] == "#" and digits.isascii() and digits.isdigit() and str(int(digits)) == digits:
        number = int(digits)
        return number if 0 < number <= _MAX_MODEL_ID and number not in MODELS else 0
    return _MODEL_IDS.get(name, 0)


def _read_model(data: bytes, place: int, number: int) -> tuple[str, int]:
    if number > _MAX_MODEL_ID:
        raise BitstreamError(f"the stream's model number is out of bounds ({number})")
    if number:
        return MODELS.get(number, f"#{number}"), place
    length = take(data, place, 1)[0]
    try:
        return take(data, place + 1, length).decode(), place + 1 + length
    except UnicodeDecodeError as error:
        raise BitstreamError("the model's name in the stream is not UTF-8") from error


def take(data: bytes, start: int, count: int) -> bytes:
    """Return `count` bytes of `data` from `start`.

    Raises:
        TruncatedError: fewer bytes are left.
    """
    if start + count > len(data):
        raise TruncatedError(f"the stream stops after {len(data)} bytes, before its end")
    return data[start : start + count]


def write_varint(value: int) -> bytes:
    """Encode a number as LEB128: seven bits a byte, the lowest first, the top bit set on all but the last."""
    result = bytearray()
    while value > 127:
        result.append(value & 127 | 128)
        value >>= 7
    result.append(value)
    return bytes(result)


def read_varint(data: bytes, start: int) -> tuple[int, int]:
    """Read a LEB128 number of at most three bytes; return it and the index at which it ends.

    Raises:
        TruncatedError: the bytes stop within it.
        BitstreamError: the number is longer than three bytes.
    """
    value = 0
    for index in range(3):
        byte = take(data, start + index, 1)[0]
        value |= (byte & 127) << 7 * index
        if byte < 128:
            return value, start + index + 1
    raise BitstreamError("a number in the stream is longer than three bytes")
