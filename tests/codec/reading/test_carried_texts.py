"""codec.reading: XMP packets, hidden texts and PNG chunks of strangers give texts, within bounds."""

import gzip
import io
import struct
import zlib
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from codec.image_io import load_picture
from codec.reading.encodings import MAX_SOURCE_LENGTH
from codec.reading.png import read_texts
from codec.reading.stealth import read_stealth
from codec.reading.xmp import MAX_DEPTH, MAX_ELEMENTS, read_xmp
from layercast_common.errors import PictureError
from tests.support.carriers import chunk, plain_png, png_with, stealth_bits, xmp_packet

RDF = 'xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#" xmlns:dc="http://purl.org/dc/elements/1.1/"'


class TestXmp:
    def test_an_element_an_attribute_and_other_encodings(self) -> None:
        packet = xmp_packet("dc:description", "a <fox> & snow")
        assert read_xmp(packet) == {"xmp:dc:description": "a <fox> & snow"}
        assert read_xmp(packet.decode().encode("utf-16")) == {"xmp:dc:description": "a <fox> & snow"}
        attribute = f'<rdf:RDF {RDF}><rdf:Description dc:description="a fox"/></rdf:RDF>'
        assert read_xmp(f'<?xml version="1.0" encoding="utf-16"?>{attribute}') == {"xmp:dc:description": "a fox"}
        items = "<rdf:Alt><rdf:li>a</rdf:li><rdf:li>b</rdf:li></rdf:Alt>"
        both = f"<rdf:RDF {RDF}><dc:description>{items}</dc:description></rdf:RDF>"
        assert read_xmp(both) == {"xmp:dc:description": "a"}
        assert read_xmp(f"<rdf:RDF {RDF}><dc:description>plain</dc:description></rdf:RDF>") == {
            "xmp:dc:description": "plain"
        }

    @pytest.mark.parametrize(
        "packet",
        [
            "",
            "<a>",
            "no packet",
            None,
            b"\xff" * 50,
            f'<!DOCTYPE x [<!ENTITY a "b">]><rdf:RDF {RDF}><dc:description>&a;</dc:description></rdf:RDF>',
            f"<!DOCTYPE x SYSTEM 'file:///etc/passwd'><rdf:RDF {RDF}><dc:description>x</dc:description></rdf:RDF>",
            "<a>" * (MAX_DEPTH + 1) + "</a>" * (MAX_DEPTH + 1),
            "<r>" + "<a/>" * MAX_ELEMENTS + "</r>",
            "<a>" + "x" * MAX_SOURCE_LENGTH + "</a>",
        ],
        ids=lambda packet: str(packet)[:30],
    )
    def test_others_give_nothing(self, packet: object) -> None:
        assert read_xmp(packet) == {}

    @given(st.binary(max_size=300) | st.text(max_size=300))
    def test_anything_gives_texts(self, packet: object) -> None:
        assert isinstance(read_xmp(packet), dict)


class TestStealth:
    @pytest.mark.parametrize("side", [64, 65])
    def test_all_four_kinds(self, side: int) -> None:
        for bands, signature in (("A", b"stealth_pngcomp"), ("A", b"stealth_pnginfo"), ("RGB", b"stealth_rgbcomp"),
                                 ("RGB", b"stealth_rgbinfo")):  # fmt: skip
            assert read_stealth(stealth_bits(signature, "雪の狐", bands, side)) == "雪の狐"

    def test_lengths_are_bounded(self) -> None:
        for length in (0, 7, 1 << 31, 0xFFFF_FFFF, 8 * 64 * 64):
            assert read_stealth(stealth_bits(b"stealth_pngcomp", "a fox", "A", 64, length)) == ""
        assert read_stealth(Image.new("RGBA", (1, 1))) == ""

    def test_a_bomb_gives_nothing(self) -> None:
        text = "a" * (MAX_SOURCE_LENGTH + 1)
        assert len(gzip.compress(text.encode())) < 10_000
        assert read_stealth(stealth_bits(b"stealth_pngcomp", text, "A", 320)) == ""

    @settings(max_examples=50, deadline=None)
    @given(st.binary(max_size=200), st.integers(0, 2000), st.sampled_from([b"stealth_pngcomp", b"stealth_pnginfo"]))
    def test_any_bits_give_a_text(self, body: bytes, length: int, signature: bytes) -> None:
        data = np.unpackbits(np.frombuffer(signature + struct.pack(">I", length) + body, np.uint8))
        alpha = np.zeros(64 * 64, np.uint8)
        alpha[: len(data)] = data
        pixels = np.zeros((64, 64, 4), np.uint8)
        pixels[..., 3] = alpha.reshape(64, 64).T
        assert isinstance(read_stealth(Image.fromarray(pixels)), str)


class TestPngChunks:
    @pytest.mark.parametrize(
        "broken",
        [
            chunk(b"zTXt", b"workflow\0\0" + zlib.compress(b" " * (2 << 20))),
            chunk(b"iTXt", b"workflow\0\1\0\0\0" + zlib.compress(b" " * (2 << 20))),
            chunk(b"zTXt", b"a\0\7abc"),
            chunk(b"tEXt", b"a\0b")[:-1] + b"?",
            chunk(b"iCCP", b"profile\0\7abc"),
        ],
        ids=[
            "zTXt too long",
            "iTXt too long",
            "unknown compression",
            "wrong check",
            "unknown compression of a profile",
        ],
    )
    def test_a_side_chunk_that_cannot_be_read_costs_a_note(self, tmp_path: Path, broken: bytes) -> None:
        (tmp_path / "p.png").write_bytes(png_with([broken]))
        loaded = load_picture(tmp_path / "p.png")
        assert loaded.image.size == (8, 8)
        assert ["are skipped" in note for note in loaded.notes] == [True]

    def test_damaged_pixels_are_still_refused(self, tmp_path: Path) -> None:
        (tmp_path / "p.png").write_bytes(png_with([chunk(b"zTXt", b"a\0\7abc")])[:-40])
        with pytest.raises(PictureError, match="damaged"):
            load_picture(tmp_path / "p.png")

    @settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
    @given(st.binary(max_size=100), st.integers(0, 80))
    def test_any_chunks_give_texts(self, noise: bytes, place: int) -> None:
        data = png_with([chunk(b"comf", b"prompt\0{}"), chunk(b"iTXt", b"a\0\1\0\0\0zz")], at_end=True)
        texts = read_texts(io.BytesIO(data[:place] + noise + data[place:]))
        assert all(len(text) <= MAX_SOURCE_LENGTH for text in texts.values())

    def test_an_ordinary_file_has_nothing_to_strip(self) -> None:
        assert read_texts(io.BytesIO(plain_png())) == {}
