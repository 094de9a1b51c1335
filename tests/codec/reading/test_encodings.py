"""codec.reading.encodings: bytes as what they plainly are."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.reading.encodings import MAX_SOURCE_LENGTH, decode_text, decode_user_comment, repair_latin1


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (b"a fox", ("a fox", "utf-8")),
        (b"a fox\0\0", ("a fox", "utf-8")),
        ("夕方の港".encode(), ("夕方の港", "utf-8")),
        ("a fox 🦊".encode("utf-8-sig"), ("a fox 🦊", "utf-8")),
        ("a föx".encode("utf-16"), ("a föx", "utf-16-le")),
        (b"\xfe\xff" + "夕方".encode("utf-16-be"), ("夕方", "utf-16-be")),
        ("a fox".encode("utf-16-le"), ("a fox", "utf-16-le")),
        ("a fox".encode("utf-16-be") + b"\0\0", ("a fox", "utf-16-be")),
        ("a fox".encode("utf-32"), ("a fox", "utf-32-le")),
        ("près du café".encode("cp1252"), ("près du café", "cp1252")),
        ("a “fox” – €5".encode("cp1252"), ("a “fox” – €5", "cp1252")),
        ("огонь".encode("cp1251"), None),
        ("夕方の港".encode("shift_jis"), None),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", None),
        (b"\xff\xfe\x00\xd8", None),
        (b"", ("", "utf-8")),
        (b"a" * (4 * MAX_SOURCE_LENGTH + 1), None),
    ],
)  # fmt: skip
def test_texts(data: bytes, expected: tuple[str, str] | None) -> None:
    assert decode_text(data) == expected


@pytest.mark.parametrize("text", ["夕方の港、赤い灯台", "près du café", "a fox", "ein Füchslein", "“fox”"])
def test_utf8_read_as_latin1_is_repaired_and_latin1_stays(text: str) -> None:
    assert repair_latin1(text.encode().decode("latin-1")) == text
    assert repair_latin1(text) == text


@given(st.binary(max_size=200))
def test_any_bytes_give_a_text_or_none(data: bytes) -> None:
    found = decode_text(data)
    assert found is None or isinstance(found[0].encode("utf-8", "surrogatepass"), bytes)


def test_user_comments_that_break_the_standard() -> None:
    assert decode_user_comment(b"UNICODE\0" + "夕方の港、赤い灯台!".encode(), big_endian=True) == "夕方の港、赤い灯台!"
    assert decode_user_comment("夕方".encode().decode("latin-1"), big_endian=True) == "夕方"
    assert decode_user_comment("ASCII\0\0\0a fox", big_endian=True) == "a fox"
