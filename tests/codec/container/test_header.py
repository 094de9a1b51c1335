"""codec.container.header: small, exact, and robust against invalid bytes."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from codec.container.guess import SOURCES, Guess
from codec.container.header import MAGIC, MAX_AREA, MAX_MODEL, MAX_SIDE, MODELS, Header
from layercast_common.errors import BitstreamError, TruncatedError, UsageError

_sides = st.integers(1, MAX_SIDE) | st.integers(1, 32).map(lambda value: 64 * value)
_models = st.sampled_from([*MODELS.values(), "#9", "#63", "#64", "#0", "#1", "#007"]) | st.text(min_size=1, max_size=40)


@pytest.mark.parametrize(
    ("header", "size"),
    [
        (Header(512, 512), 5),
        (Header(512, 512, 200), 6),
        (Header(2048, 64, 65535, "sdxl"), 7),
        (Header(768, 512, 2**32 - 1), 9),
        (Header(500, 333, 1), 9),
        (Header(512, 512, 1, "me/mine"), 14),
        (Header(512, 512, guess=Guess("mini", 0.1)), 6),
    ],
)
def test_sizes(header: Header, size: int) -> None:
    assert len(header.to_bytes()) == size
    assert Header.parse(header.to_bytes()) == header


@settings(deadline=None)
@given(_sides, _sides, st.integers(0, 2**32 - 1), _models, st.none() | st.integers(0, 255).map(Guess.from_byte))
def test_any_header_round_trips(width: int, height: int, seed: int, model: str, guess: Guess | None) -> None:
    try:
        header = Header(width, height, seed, model, guess)
    except UsageError:
        assert width * height > MAX_AREA or not 0 < len(model.encode()) <= MAX_MODEL
        return
    assert Header.parse(header.to_bytes()) == header


def test_model_of_a_later_version_keeps_its_number() -> None:
    header = Header(64, 64, 0, "#40")
    assert len(header.to_bytes()) == 5
    assert Header.parse(header.to_bytes()).model == "#40"


@pytest.mark.parametrize("header", [Header(512, 512, 70000, "me/mine"), Header(500, 333, 1)])
def test_every_cut_is_truncated(header: Header) -> None:
    data = header.to_bytes()
    for size in range(1, len(data)):
        with pytest.raises(TruncatedError):
            Header.parse(data[:size])


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"not a stream",
        MAGIC + b"\x21\0\0",
        MAGIC + b"\x18\0\0",
        MAGIC + b"\x10\0\1\1",
        MAGIC + b"\x10\xff\xff\xff\xff\1\1",
        MAGIC + b"\x10\x80\x80\1\1\1",
        MAGIC + b"\x10\1\1\x7f",
        MAGIC + b"\x11\0\0\0",
        MAGIC + b"\x11\0\0\1\xff",
        Header(512, 512).to_bytes() + b"\0",
    ],
)
def test_invalid_headers_are_refused(data: bytes) -> None:
    with pytest.raises(BitstreamError):
        Header.parse(data)


@settings(deadline=None)
@given(st.binary(max_size=30), st.booleans())
def test_any_bytes_parse_or_raise(data: bytes, marked: bool) -> None:
    try:
        header = Header.parse(MAGIC + data if marked else data)
    except BitstreamError:
        return
    assert header.width * header.height <= MAX_AREA


@pytest.mark.parametrize(
    "values",
    [(0, 64), (MAX_SIDE + 1, 64), (MAX_SIDE, MAX_SIDE), (64, 64, -1), (64, 64, 2**32), (64, 64, 0, ""),
     (64, 64, 0, "x" * 201), (64, 64, 0, "\ud800")],
)  # fmt: skip
def test_bounds(values: tuple[int, int, int, str]) -> None:
    with pytest.raises(UsageError):
        Header(*values)


@pytest.mark.parametrize("source", SOURCES.values())
@pytest.mark.parametrize("confidence", [None, 0.0, 0.1, 0.5, 1.0])
def test_a_guess_keeps_source_and_confidence(source: str, confidence: float | None) -> None:
    guess = Guess(source, confidence)
    assert Guess.from_byte(guess.to_byte()) == guess
    assert guess.source == source
    assert guess.confidence == (None if confidence is None else pytest.approx(confidence, abs=0.036))


@pytest.mark.parametrize("values", [("nobody", None), ("mini", -0.1), ("mini", 1.1), ("mini", float("nan"))])
def test_guesses_out_of_range_are_refused(values: tuple[str, float | None]) -> None:
    with pytest.raises(UsageError):
        Guess(*values)
