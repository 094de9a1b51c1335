"""codec.image_metadata: texts and orientation of picture files."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from codec.reading.encodings import decode_user_comment


class TestUserComment:
    @given(
        st.binary(max_size=64), st.sampled_from([b"", b"UNICODE\0", b"ASCII\0\0\0", b"JIS\0\0\0\0\0"]), st.booleans()
    )
    def test_any_bytes_decode_to_something(self, body: bytes, code: bytes, big_endian: bool) -> None:
        assert isinstance(decode_user_comment(code + body, big_endian=big_endian), str)

    @pytest.mark.parametrize("big_endian", [True, False])
    def test_the_byte_order_of_exif_decides_if_the_text_does_not(self, big_endian: bool) -> None:
        body = "雪狐".encode("utf-16-be" if big_endian else "utf-16-le")
        assert decode_user_comment(b"UNICODE\0" + body, big_endian=big_endian) == "雪狐"

    def test_shift_jis_and_text_and_nothing(self) -> None:
        assert decode_user_comment(b"JIS\0\0\0\0\0" + "雪の狐".encode("shift_jis"), big_endian=True) == "雪の狐"
        assert decode_user_comment("a fox\0\0", big_endian=True) == "a fox"
        assert decode_user_comment(None, big_endian=True) == ""
        assert decode_user_comment(b"\xff\xfe\xfd" * 5, big_endian=True) == ""
