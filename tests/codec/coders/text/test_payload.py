"""codec.coders.text.payload: any Unicode round-trips, no text grows much, a cut payload gives whole characters."""

import brotli
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from codec.coders.text.payload import ESCAPE, MAX_TEXT, MAX_UNITS, decode_text, encode_text
from codec.layers import Semantic
from layercast_common.errors import BitstreamError, UsageError
from tests.support.golden import golden

PROMPTS = {
    "plain": "a red fox jumping over a frozen lake at dawn",
    "tags": "portrait of a knight, oil painting, highly detailed, 8 k, trending on artstation",
    "empty": "",
    "foreign": "雪の中の赤い狐、水彩画",
    "controls": "\0\1 \x7f\r\n\t\0",
    "emoji": "🦊" * 40,
    "long": "one two three " * 250,
}


@pytest.mark.parametrize("prompt", PROMPTS.values(), ids=PROMPTS.keys())
def test_round_trip_is_never_much_longer_than_brotli(prompt: str) -> None:
    payload = encode_text(Semantic(prompt))
    assert decode_text(payload).prompt == prompt
    assert len(payload) <= len(brotli.compress(prompt.encode(), mode=brotli.MODE_TEXT)) + 2


LONG = {
    "Chinese": "雪地里的一只红狐狸,水彩画,柔和的光线,远处有山和一座老灯塔。" * 20,
    "Arabic": "ثعلب أحمر في الثلج عند الفجر، لوحة مائية بألوان هادئة. " * 12,
    "Hindi": "बर्फ में एक लाल लोमड़ी, जलरंग चित्र, सुबह की कोमल रोशनी। " * 12,
    "Russian, once": "Рыжая лиса на заснеженном поле у старого маяка, акварель, мягкий утренний свет.",
    "emoji": "🦊❄️🌅👩‍👩‍👧‍👦🏔️" * 80,
    "mixed": "a fox (狐), лиса, ثعلب, लोमड़ी 🦊, zorro; " * 15,
    "letters of no word": "".join(chr(97 + index * index % 26) for index in range(2000)),
    "letters of many scripts": "".join(chr(0xA0 + index * 7919 % 50000) for index in range(900)),
    "controls": "".join(map(chr, range(32))) * 20,
    "one letter": "a" * MAX_TEXT,
    "English": "a fox walks over the frozen lake while the sun comes up behind the old lighthouse on the hill. " * 9,
}


@pytest.mark.parametrize("prompt", LONG.values(), ids=LONG.keys())
def test_long_and_foreign_text_is_never_longer_than_brotli_and_two(prompt: str) -> None:
    payload = encode_text(Semantic(prompt))
    assert decode_text(payload).prompt == prompt
    assert len(payload) <= len(brotli.compress(prompt.encode(), mode=brotli.MODE_TEXT, quality=11)) + 2


@settings(deadline=None)
@given(st.one_of(st.text(max_size=300), st.text("\0\1ab é\ud7ff\ue000\U0010ffff", max_size=60)))
def test_any_text_round_trips(prompt: str) -> None:
    payload = encode_text(Semantic(prompt))
    assert decode_text(payload).prompt == prompt
    assert len(payload) <= len(brotli.compress(prompt.encode(), mode=brotli.MODE_TEXT, quality=11)) + 2


@pytest.mark.parametrize("prompt", [PROMPTS["tags"], PROMPTS["foreign"], PROMPTS["long"]])
def test_every_cut_decodes_to_the_beginning(prompt: str) -> None:
    payload = encode_text(Semantic(prompt))
    came = [decode_text(payload[:size], cut=True).prompt for size in range(len(payload))]
    assert all(prompt.startswith(text) for text in came)
    assert [len(text) for text in came] == sorted(len(text) for text in came)
    assert len(came[-1]) >= len(prompt) // 2


@settings(max_examples=200, deadline=None)
@given(st.binary(max_size=60), st.booleans())
@example(bytes([ESCAPE]) + brotli.compress(b"a" * 1_000_000), False)
@example(bytes([ESCAPE]) + brotli.compress(b"a" * 1_000_000), True)
@example(b"\0" * 30, False)
def test_any_bytes_decode_or_raise(payload: bytes, cut: bool) -> None:
    try:
        text = decode_text(payload, cut=cut).prompt
    except BitstreamError:
        return
    assert len(text.encode()) <= MAX_TEXT


def test_bounds() -> None:
    assert decode_text(encode_text(Semantic("\1" * MAX_TEXT))).prompt == "\1" * MAX_TEXT
    with pytest.raises(UsageError, match="at most"):
        encode_text(Semantic("x" * (MAX_TEXT + 1)))


@pytest.mark.parametrize("prompt", ["x" * (MAX_UNITS + 1), "\1" * (MAX_UNITS // 2 + 1), "one two three " * 500])
def test_long_texts_are_brotli_streams(prompt: str) -> None:
    payload = encode_text(Semantic(prompt))
    assert payload[0] == ESCAPE
    assert decode_text(payload).prompt == prompt


@pytest.mark.parametrize("prompt", ["\ud800", "a fox \udc00 in snow", "\udfff\ud800"])
def test_half_a_surrogate_pair_is_refused(prompt: str) -> None:
    with pytest.raises(UsageError, match="half a surrogate pair, which is not a character"):
        encode_text(Semantic(prompt))


@pytest.mark.parametrize("name", PROMPTS)
def test_golden(name: str) -> None:
    payload = encode_text(Semantic(PROMPTS[name]))
    assert golden(f"text-{name}.bin", payload) == payload
