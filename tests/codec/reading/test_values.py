"""codec.reading: colour profiles, white levels and sizes of picture files; the tests make each file themselves."""

import struct
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image, ImageCms, TiffImagePlugin

from codec import image_io
from codec.color_difference import to_lab
from codec.image_io import load_picture
from codec.reading import memory
from codec.reading.flatten import Flattener
from codec.reading.memory import MAX_DECODED_BYTES, MAX_PIXELS, WORKING_SIDE, fits, reduction
from codec.reading.profiles import MAX_PROFILE
from layercast_common.errors import PictureError
from tests.support.pictures import draw_picture

#: Primaries (Bradford-adapted to D50) and gamma of profiles, by name.
SPACES = {
    "Display P3": ([[0.51512, 0.29198, 0.15710], [0.24120, 0.69225, 0.06657], [-0.00105, 0.04189, 0.78407]], 2.2),
    "Adobe RGB": ([[0.60974, 0.20528, 0.14919], [0.31111, 0.62567, 0.06322], [0.01947, 0.06087, 0.74457]], 2.19921875),
}

#: Primaries of sRGB adapted to D50.
SRGB = np.array([[0.43607, 0.38515, 0.14307], [0.22249, 0.71687, 0.06061], [0.01392, 0.09708, 0.71410]])


def s15(value: float) -> bytes:
    return struct.pack(">i", round(value * 65536))


def profile(kind: bytes, tags: dict[bytes, bytes]) -> bytes:
    """Return an ICC profile of version 2 (ICC.1:2001-04)."""
    at = 132 + 12 * len(tags)
    table, bodies = b"", b""
    for name, body in tags.items():
        body += b"\0" * (-len(body) % 4)
        table += name + struct.pack(">II", at + len(bodies), len(body))
        bodies += body
    head = b"\0" * 8 + struct.pack(">I", 0x0210_0000) + b"mntr" + kind + b"XYZ " + b"\0" * 12 + b"acsp" + b"\0" * 28
    head += s15(0.9642) + s15(1) + s15(0.8249)
    head = head.ljust(128, b"\0") + struct.pack(">I", len(tags))
    return struct.pack(">I", at + len(bodies)) + head[4:] + table + bodies


def curve(gamma: float) -> bytes:
    return b"curv\0\0\0\0" + struct.pack(">IH", 1, round(gamma * 256))


def rgb_profile(name: str) -> bytes:
    matrix, gamma = SPACES[name]
    white = b"XYZ \0\0\0\0" + s15(0.9642) + s15(1) + s15(0.8249)
    tags = {b"wtpt": white}
    for index, letter in enumerate((b"r", b"g", b"b")):
        tags[letter + b"XYZ"] = b"XYZ \0\0\0\0" + b"".join(s15(row[index]) for row in matrix)
        tags[letter + b"TRC"] = curve(gamma)
    return profile(b"RGB ", tags)


def gray_profile(gamma: float) -> bytes:
    white = b"XYZ \0\0\0\0" + s15(0.9642) + s15(1) + s15(0.8249)
    return profile(b"GRAY", {b"wtpt": white, b"kTRC": curve(gamma)})


def unbend(values: NDArray[np.float64]) -> NDArray[np.float64]:
    return np.where(values <= 0.04045, values / 12.92, ((values + 0.055) / 1.055) ** 2.4)


def in_space(truth: NDArray[np.uint8], name: str) -> Image.Image:
    """Return an sRGB picture in the colours of another space."""
    matrix, gamma = SPACES[name]
    light = unbend(truth / 255) @ (np.linalg.inv(np.array(matrix)) @ SRGB).T
    return Image.fromarray(np.rint(255 * np.clip(light, 0, 1) ** (1 / gamma)).astype(np.uint8))


def difference(picture: Image.Image, truth: NDArray[np.uint8]) -> float:
    """Return the mean dE76."""
    first, second = (to_lab(np.asarray(pixels, np.uint8)) for pixels in (picture, truth))
    return float(np.sqrt(((first - second) ** 2).sum(axis=-1)).mean())


class TestProfiles:
    truth = np.clip(draw_picture(64, 64).astype(np.int32) // 2 + 60, 0, 255).astype(np.uint8)

    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "WEBP", "JPEG", "AVIF"])
    @pytest.mark.parametrize("name", SPACES)
    def test_rgb(self, tmp_path: Path, name: str, kind: str) -> None:
        options: dict[str, dict[str, Any]] = {
            "WEBP": {"lossless": True},
            "JPEG": {"quality": 100, "subsampling": 0},
            "AVIF": {"quality": 100, "subsampling": "4:4:4"},
        }
        image = in_space(self.truth, name)
        image.save(tmp_path / "p", kind, icc_profile=rgb_profile(name), **options.get(kind, {}))
        assert difference(image, self.truth) > 3
        assert difference(load_picture(tmp_path / "p").image, self.truth) < (2.0 if kind in ("JPEG", "AVIF") else 0.5)

    def test_transparent_and_indexed_pictures(self, tmp_path: Path) -> None:
        image = in_space(self.truth, "Adobe RGB")
        clear = image.convert("RGBA")
        clear.paste((0, 0, 0, 0), (0, 0, 8, 8))
        clear.save(tmp_path / "a.png", icc_profile=rgb_profile("Adobe RGB"))
        loaded = np.asarray(load_picture(tmp_path / "a.png", ground=(9, 99, 9)).image)
        assert (loaded[:8, :8] == (9, 99, 9)).all()
        assert difference(Image.fromarray(loaded[8:]), self.truth[8:]) < 0.5
        image.quantize(256).save(tmp_path / "p.png", icc_profile=rgb_profile("Adobe RGB"))
        expected = np.asarray(image.quantize(256).convert("RGB"))
        assert difference(load_picture(tmp_path / "p.png").image, expected) > 2

    @pytest.mark.parametrize("mode", ["L", "LA", "I;16"])
    def test_gray(self, tmp_path: Path, mode: str) -> None:
        stored = np.rint(255 * unbend(np.arange(256) / 255) ** (1 / 1.8)).astype(np.uint8)[None].repeat(4, 0)
        image = Image.fromarray(stored.astype(np.uint16) * 257) if mode == "I;16" else Image.fromarray(stored)
        (image if mode == "I;16" else image.convert(mode)).save(tmp_path / "p.png", icc_profile=gray_profile(1.8))
        loaded = np.asarray(load_picture(tmp_path / "p.png").image)[0, 32:, 1].astype(int)
        assert np.abs(loaded - np.arange(32, 256)).max() <= 2

    def test_a_gray_picture_may_have_a_profile_of_rgb(self, tmp_path: Path) -> None:
        Image.new("L", (8, 8), 128).save(tmp_path / "p.png", icc_profile=rgb_profile("Display P3"))
        loaded = load_picture(tmp_path / "p.png")
        assert loaded.notes == ()
        assert np.ptp(np.asarray(loaded.image)) <= 2

    def test_cmyk(self, tmp_path: Path) -> None:
        pixels = np.zeros((8, 8, 4), np.uint8)
        pixels[:4, :, 0], pixels[4:, :, 3] = 255, 255
        Image.frombytes("CMYK", (8, 8), pixels.tobytes()).save(tmp_path / "p.tif", icc_profile=cmyk_profile())
        loaded = load_picture(tmp_path / "p.tif")
        assert loaded.notes == ()
        # By the profile, cyan ink is invisible. Pillow's own conversion makes it cyan.
        assert np.asarray(loaded.image)[:4].min() >= 253
        assert np.asarray(loaded.image)[4:].max() <= 3

    @pytest.mark.parametrize(
        "broken",
        [b"junk", rgb_profile("Adobe RGB")[:200], gray_profile(2.2), b"\0" * (MAX_PROFILE + 1), b"\0" * 128],
        ids=["junk", "cut", "of grey", "too large", "zeros"],
    )  # fmt: skip
    def test_a_profile_that_cannot_be_used_costs_a_note(self, broken: bytes) -> None:
        image = Image.new("RGB", (8, 8), (10, 200, 30))
        image.info["icc_profile"] = broken
        loaded = load_picture(image)
        assert np.asarray(loaded.image)[0, 0].tolist() == [10, 200, 30]
        assert ["colour profile is skipped" in note for note in loaded.notes] == [True]

    def test_srgb_stays(self, tmp_path: Path) -> None:
        srgb = ImageCms.ImageCmsProfile(ImageCms.createProfile("sRGB")).tobytes()
        Image.fromarray(self.truth).save(tmp_path / "p.png", icc_profile=srgb)
        loaded = np.asarray(load_picture(tmp_path / "p.png").image).astype(int)
        assert np.abs(loaded - self.truth).max() <= 1

    def test_lab(self) -> None:
        loaded = np.asarray(load_picture(Image.new("LAB", (8, 8), (136, 128, 128))).image)
        assert np.abs(loaded.astype(int) - 127).max() <= 2


def cmyk_profile() -> bytes:
    """Return a profile of CMYK by which the black ink alone is visible."""
    inputs, outputs, grid = 4, 3, 2
    lut = b"mft1\0\0\0\0" + bytes([inputs, outputs, grid, 0])
    lut += b"".join(s15(value) for value in (1, 0, 0, 0, 1, 0, 0, 0, 1))
    lut += bytes(range(256)) * inputs + b"\xff\x80\x80\0\x80\x80" * grid ** (inputs - 1) + bytes(range(256)) * outputs
    white = b"XYZ \0\0\0\0" + s15(0.9642) + s15(1) + s15(0.8249)
    body = profile(b"CMYK", {b"wtpt": white, b"A2B0": lut})
    return body[:12] + b"prtr" + body[16:20] + b"Lab " + body[24:]


def ramp(top: float, kind: type[np.generic]) -> NDArray[np.generic]:
    return np.linspace(0, top, 256)[None].repeat(4, 0).astype(kind)


class TestWhiteLevels:
    @pytest.mark.parametrize(
        ("values", "kind"),
        [
            (ramp(1023, np.uint16), "TIFF"), (ramp(4095, np.uint16), "TIFF"), (ramp(16383, np.uint16), "TIFF"),
            (ramp(65535, np.uint16), "TIFF"), (ramp(255, np.uint16), "TIFF"), (ramp(4095, np.uint16), "PNG"),
            (ramp(65535, np.uint16), "PNG"), (ramp(4095, np.int32), "TIFF"), (ramp(65535, np.int32), "TIFF"),
            (ramp(1, np.float32), "TIFF"), (ramp(255, np.float32), "TIFF"), (ramp(4095, np.float32), "TIFF"),
            (ramp(65535, np.float32), "TIFF"), (ramp(2, np.float32) - 1, "TIFF"),
        ],
        ids=lambda value: value if isinstance(value, str) else f"{value.dtype} to {value.max():g}",
    )  # fmt: skip
    def test_a_ramp_has_the_full_range(self, tmp_path: Path, values: NDArray[np.generic], kind: str) -> None:
        Image.fromarray(values).save(tmp_path / "p", kind)
        loaded = np.asarray(load_picture(tmp_path / "p").image)[0, :, 0].astype(int)
        assert np.abs(loaded - np.arange(256)).max() <= 1

    def test_a_dark_png_of_16_bits_stays_dark(self, tmp_path: Path) -> None:
        Image.fromarray(ramp(16000, np.uint16)).save(tmp_path / "p.png")
        assert np.asarray(load_picture(tmp_path / "p.png").image).max() == 62

    def test_highlights_above_a_white_of_one_are_clipped(self) -> None:
        values = ramp(1, np.float32).copy()
        values[0, 0], values[0, 1] = 9.0, np.inf
        loaded = np.asarray(load_picture(Image.fromarray(values)).image)
        assert loaded[0, 0, 0] == 255
        assert loaded[1, 128, 0] == pytest.approx(128, abs=2)

    def test_signed_values_start_at_the_darkest(self) -> None:
        loaded = np.asarray(load_picture(Image.fromarray(ramp(3000, np.int32) - 1000)).image)[0, :, 0]
        assert (loaded[0], loaded[-1]) == (0, 255)

    def test_a_tiff_may_state_its_white_and_that_zero_is_white(self, tmp_path: Path) -> None:
        tags = TiffImagePlugin.ImageFileDirectory_v2()
        tags[281] = 2047
        Image.fromarray(ramp(2000, np.uint16)).save(tmp_path / "p.tif", tiffinfo=tags)
        assert np.asarray(load_picture(tmp_path / "p.tif").image).max() == 249
        data = bytearray((tmp_path / "p.tif").read_bytes())
        at = data.index(struct.pack("<HHI", 262, 3, 1)) + 8
        data[at] = 0
        loaded = np.asarray(load_picture(bytes(data)).image)
        assert (loaded[0, 0, 0], loaded[0, -1, 0]) == (255, 6)

    @pytest.mark.parametrize("channels", [3, 4])
    @pytest.mark.parametrize("kind", ["PNG", "TIFF", "TIFF LZW"])
    @pytest.mark.parametrize("top", [1023, 4095, 65535])
    def test_colours_of_12_bits_in_16(self, kind: str, channels: int, top: int) -> None:
        pixels = np.stack([ramp(top, np.uint16)] * 2 + [ramp(top, np.uint16)[:, ::-1]], axis=-1)
        if channels == 4:
            pixels = np.concatenate([pixels, np.full((*pixels.shape[:2], 1), top, np.uint16)], axis=-1)
        loaded = np.asarray(load_picture(deep_colors(pixels, kind)).image).astype(int)
        assert np.abs(loaded[0, :, 0] - np.arange(256)).max() <= 1
        assert np.abs(loaded[0, :, 2] - np.arange(255, -1, -1)).max() <= 1


def deep_colors(pixels: NDArray[np.uint16], kind: str) -> bytes:
    """Return a file of 16 bits a channel; Pillow writes none."""
    order = [2, 1, 0, 3][: pixels.shape[2]]
    flags = {"PNG": [], "TIFF": [cv2.IMWRITE_TIFF_COMPRESSION, 1], "TIFF LZW": [cv2.IMWRITE_TIFF_COMPRESSION, 5]}[kind]
    done, data = cv2.imencode(".png" if kind == "PNG" else ".tiff", pixels[..., order], flags)
    assert done
    return bytes(data)


class TestSizes:
    @pytest.mark.parametrize("progressive", [False, pytest.param(True, marks=pytest.mark.slow)])
    def test_a_jpeg_of_108_megapixels_is_read_scaled(self, tmp_path: Path, progressive: bool) -> None:
        image = Image.new("L", (12_000, 9_000), 40)
        image.paste(200, (0, 0, 6_000, 4_500))
        image.save(tmp_path / "p.jpg", quality=50, progressive=progressive)
        loaded = load_picture(tmp_path / "p.jpg")
        assert loaded.size == (12_000, 9_000)
        assert max(loaded.image.size) < 2 * WORKING_SIDE
        pixels = np.asarray(loaded.image)
        assert (pixels[10, 10, 0], pixels[-10, -10, 0]) == (pytest.approx(200, abs=2), pytest.approx(40, abs=2))

    @pytest.mark.parametrize(
        "make",
        [
            lambda: Image.new("RGB", (7_000, 50), (200, 100, 50)),
            lambda: Image.new("RGBA", (7_000, 50), (200, 100, 50, 255)),
            lambda: Image.new("RGB", (7_000, 50), (200, 100, 50)).quantize(4),
            lambda: Image.new("L", (7_001, 53), 200),
            lambda: Image.new("1", (7_000, 50), 1),
            lambda: Image.fromarray(np.full((50, 7_000), 51_400, np.uint16)),
        ],
        ids=["RGB", "RGBA", "P", "L", "1", "I;16"],
    )
    def test_other_large_pictures_are_scaled_down(self, tmp_path: Path, make: Callable[[], Image.Image]) -> None:
        image = make()
        image.save(tmp_path / "p.png")
        loaded = load_picture(tmp_path / "p.png")
        assert loaded.size == image.size
        assert loaded.image.size == (-(-image.width // 2), -(-image.height // 2))
        expected = {"RGB": 200, "RGBA": 200, "P": 200, "L": 200, "1": 255, "I;16": 200}[image.mode]
        assert set(np.asarray(loaded.image)[..., 0].ravel().tolist()) == {expected}

    def test_the_size_of_a_turned_picture_is_upright(self) -> None:
        image = Image.new("L", (7_000, 20))
        image.getexif()[274] = 6
        assert load_picture(image).size == (20, 7_000)

    def test_large_pictures_are_decoded_one_at_a_time(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(memory, "LARGE_PIXELS", 100)
        both = threading.Barrier(2)
        met = list[bool]()
        decode = image_io._decode

        def decode_with_another(*arguments: Any) -> Any:
            try:
                both.wait(0.5)
                met.append(True)
            except threading.BrokenBarrierError:
                met.append(False)
            return decode(*arguments)

        monkeypatch.setattr(image_io, "_decode", decode_with_another)
        for side, together in ((11, False), (10, True)):
            both.reset()
            threads = [threading.Thread(target=load_picture, args=(Image.new("L", (side, side)),)) for _ in range(2)]
            for thread in threads:
                thread.start()
            for thread in threads:
                thread.join()
            assert met == [together, together]
            met.clear()

    def test_a_large_picture_that_is_not_scaled_loses_its_transparency_in_strips(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        pixels = np.random.default_rng(0).integers(0, 256, (40, 50, 4), np.uint8)
        whole = load_picture(Image.fromarray(pixels)).image
        monkeypatch.setattr(image_io, "LARGE_PIXELS", 100)
        monkeypatch.setattr(memory, "_STRIP", 300)
        monkeypatch.delattr(Flattener, "whole")
        assert np.array_equal(np.asarray(load_picture(Image.fromarray(pixels)).image), np.asarray(whole))

    def test_the_limits(self) -> None:
        assert reduction((2 * WORKING_SIDE - 1, 1)) == 1
        assert reduction((1, 2 * WORKING_SIDE)) == 2
        assert not fits(Image.new("1", (MAX_PIXELS // 8 + 1, 8)), (1, 1))
        assert not fits(Image.new("L", (8, 8)), (8, 8), MAX_DECODED_BYTES)

    @pytest.mark.parametrize(("kind", "peak"), [("WEBP", 16), ("AVIF", 18), ("JPEG2000", 20)])
    def test_decoders_that_take_much_memory_get_fewer_pixels(
        self, tmp_path: Path, kind: str, peak: int, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        Image.new("RGB", (100, 100)).save(tmp_path / "p", kind)
        needed = peak * 100 * 100 + (tmp_path / "p").stat().st_size
        monkeypatch.setattr(memory, "MAX_DECODED_BYTES", needed)
        load_picture(tmp_path / "p")
        monkeypatch.setattr(memory, "MAX_DECODED_BYTES", needed - 1)
        with pytest.raises(PictureError, match="MiB"):
            load_picture(tmp_path / "p")

    @pytest.mark.parametrize("name", ["p.eps", "p.ico", "p.psd", "p.fits", "p.wmf"])
    def test_other_formats_of_pillow_stay_closed(self, tmp_path: Path, name: str) -> None:
        contents = {
            "p.eps": b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 10 10\n%%EndComments\nshowpage\n",
            "p.psd": b"8BPS\0\1" + b"\0" * 6 + struct.pack(">HIIHH", 3, 4, 4, 8, 3) + b"\0" * 14,
            "p.fits": b"SIMPLE  =                    T".ljust(80) + b"END".ljust(2800),
            "p.wmf": b"\xd7\xcd\xc6\x9a\0\0" + b"\0" * 40,
        }
        (tmp_path / name).write_bytes(contents.get(name, b""))
        if name == "p.ico":
            Image.new("RGB", (16, 16)).save(tmp_path / name)
        with pytest.raises(PictureError, match="not a picture in any format known here"):
            load_picture(tmp_path / name)
