"""codec.image_io: every kind of picture becomes upright RGB; everything else raises an error of one line."""

import io
import struct
import warnings
import zlib
from contextlib import suppress
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import ExifTags, Image

from codec.image_io import jpeg_size, load_picture
from layercast_common.errors import PictureError


def corner(image: Image.Image) -> tuple[int, ...]:
    return tuple(np.asarray(image)[0, 0].tolist())


def png_header(width: int, height: int) -> bytes:
    """Return a PNG that claims a size and has no pixels."""

    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">I", len(body)) + kind + body + struct.pack(">I", zlib.crc32(kind + body))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", header) + chunk(b"IDAT", zlib.compress(b"")) + chunk(b"IEND", b"")


def indexed(transparency: int | bytes | None) -> Image.Image:
    image = Image.new("P", (4, 3), 1)
    image.putpalette([10, 20, 30, 200, 100, 50])
    if transparency is not None:
        image.info["transparency"] = transparency
    return image


def deep(values: np.ndarray) -> Image.Image:
    return Image.fromarray(values)


MODES = [
    pytest.param(Image.new("RGB", (4, 3), (1, 2, 3)), (1, 2, 3), id="RGB"),
    pytest.param(Image.new("1", (4, 3), 1), (255, 255, 255), id="1-bit"),
    pytest.param(Image.new("L", (4, 3), 77), (77, 77, 77), id="L"),
    pytest.param(Image.new("LA", (4, 3), (10, 0)), (255, 255, 255), id="LA clear"),
    pytest.param(Image.new("LA", (4, 3), (10, 255)), (10, 10, 10), id="LA solid"),
    pytest.param(Image.new("La", (4, 3), (0, 0)), (255, 255, 255), id="La premultiplied"),
    pytest.param(Image.new("RGBA", (4, 3), (200, 0, 0, 0)), (255, 255, 255), id="RGBA clear"),
    pytest.param(Image.new("RGBA", (4, 3), (0, 0, 0, 128)), (127, 127, 127), id="RGBA half"),
    pytest.param(Image.new("RGBa", (4, 3), (0, 0, 0, 0)), (255, 255, 255), id="RGBa premultiplied"),
    pytest.param(Image.new("CMYK", (4, 3), (0, 255, 255, 0)), (255, 0, 0), id="CMYK"),
    pytest.param(Image.new("HSV", (4, 3), (0, 255, 255)), (255, 0, 0), id="HSV"),
    pytest.param(indexed(None), (200, 100, 50), id="P"),
    pytest.param(indexed(1), (255, 255, 255), id="P index transparent"),
    pytest.param(indexed(b"\xff\x00"), (255, 255, 255), id="P table transparent"),
    pytest.param(deep(np.full((3, 4), 0x8080, np.uint16)), (128, 128, 128), id="I;16"),
    pytest.param(deep(np.full((3, 4), 0xFFFF, np.int32)), (255, 255, 255), id="I of 16 bits"),
    pytest.param(deep(np.full((3, 4), 200, np.int32)), (200, 200, 200), id="I of 8 bits"),
    pytest.param(deep(np.full((3, 4), 0.5, np.float32)), (128, 128, 128), id="F of 0..1"),
    pytest.param(deep(np.full((3, 4), np.nan, np.float32)), (0, 0, 0), id="F without numbers"),
]


class TestLoad:
    @pytest.mark.parametrize(("image", "expected"), MODES)
    def test_every_mode_becomes_rgb(self, image: Image.Image, expected: tuple[int, int, int]) -> None:
        loaded = load_picture(image).image
        assert (loaded.mode, loaded.size) == ("RGB", (4, 3))
        assert corner(loaded) == pytest.approx(expected, abs=1)

    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "BMP", "TIFF", "GIF", "PPM", "JPEG2000", "TGA"])
    def test_every_format_is_read(self, tmp_path: Path, kind: str) -> None:
        path = tmp_path / "picture"
        Image.new("RGB", (32, 24), (250, 5, 5)).save(path, kind)
        loaded = load_picture(path)
        assert loaded.image.size == (32, 24)
        assert corner(loaded.image) == pytest.approx((250, 5, 5), abs=6)
        assert loaded.path == path

    @pytest.mark.parametrize("kind", ["GIF", "WEBP", "PNG"])
    def test_an_animation_gives_its_first_frame(self, tmp_path: Path, kind: str) -> None:
        frames = [Image.new("RGB", (8, 8), color) for color in ("red", "blue")]
        frames[0].save(tmp_path / "moving", kind, save_all=True, append_images=frames[1:], duration=10)
        red, _, blue = corner(load_picture(tmp_path / "moving").image)
        assert red > 200 > blue

    @pytest.mark.parametrize("orientation", range(1, 9))
    def test_exif_orientation_is_applied(self, tmp_path: Path, orientation: int) -> None:
        # A dark mark at the top left of the upright picture, stored rotated as by a camera.
        upright = np.full((32, 64, 3), 255, np.uint8)
        upright[:16, :16] = 0
        stored = {
            1: upright, 2: upright[:, ::-1], 3: upright[::-1, ::-1], 4: upright[::-1],
            5: upright.swapaxes(0, 1), 6: np.rot90(upright), 7: upright[::-1, ::-1].swapaxes(0, 1),
            8: np.rot90(upright, -1),
        }[orientation]  # fmt: skip
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = orientation
        Image.fromarray(np.ascontiguousarray(stored)).save(tmp_path / "p.jpg", quality=95, exif=exif)
        image = load_picture(tmp_path / "p.jpg").image
        assert image.size == (64, 32)
        dark = np.asarray(image.convert("L")) < 128
        assert dark[:16, :16].all()
        assert dark.sum() == 256

    def test_transparency_shows_the_chosen_ground(self, tmp_path: Path) -> None:
        Image.new("L", (4, 4), 0).save(tmp_path / "p.png", transparency=0)
        assert corner(load_picture(tmp_path / "p.png").image) == (255, 255, 255)
        assert corner(load_picture(tmp_path / "p.png", ground=(9, 8, 7)).image) == (9, 8, 7)

    def test_arrays_and_images_are_copied(self) -> None:
        array = np.zeros((4, 4, 3), np.uint8)
        image = load_picture(array).image
        array[:] = 255
        assert corner(image) == (0, 0, 0)
        original = Image.new("RGB", (4, 4))
        loaded = load_picture(original).image
        original.putpixel((0, 0), (1, 1, 1))
        assert corner(loaded) == (0, 0, 0)

    def test_files_are_closed(self, tmp_path: Path) -> None:
        Image.effect_noise((64, 64), 90).save(tmp_path / "p.png")
        (tmp_path / "cut.png").write_bytes((tmp_path / "p.png").read_bytes()[:500])
        with warnings.catch_warnings():
            warnings.simplefilter("error", ResourceWarning)
            load_picture(str(tmp_path / "p.png"))
            with pytest.raises(PictureError):
                load_picture(tmp_path / "cut.png")


class TestRefusals:
    @pytest.mark.parametrize("mode", ["RGB", "RGBA", "P"])
    @pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "WEBP", "TIFF"])
    def test_truncated_files(self, tmp_path: Path, kind: str, mode: str) -> None:
        if kind == "JPEG" and mode != "RGB":
            return
        noise = np.random.default_rng(1).integers(0, 256, (64, 64, 3), dtype=np.uint8)
        file = io.BytesIO()
        Image.fromarray(noise).convert(mode).save(file, kind)
        path = tmp_path / "cut"
        path.write_bytes(file.getvalue()[: len(file.getvalue()) // 2])
        with pytest.raises(PictureError, match=r"cut.*(damaged|not a picture)"):
            load_picture(path)

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"just words\n", "is not a picture"),
            (b"", "is not a picture"),
            (png_header(30_000, 30_000), "more than 80,000,000 pixels"),
            (png_header(10_000, 10_000), "more than 80,000,000 pixels"),
            (png_header(9_000, 9_000), "more than 80,000,000 pixels"),
            (png_header(100, 100), "damaged or cut short"),
            (png_header(0, 100), "p.png"),
        ],
    )
    def test_other_files_are_refused(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "p.png").write_bytes(content)
        with pytest.raises(PictureError, match=message) as caught:
            load_picture(tmp_path / "p.png")
        assert "\n" not in str(caught.value)

    def test_missing_paths_are_refused(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="there is no picture"):
            load_picture(tmp_path / "absent.png")
        with pytest.raises(PictureError, match="is a folder"):
            load_picture(tmp_path)
        with pytest.raises(PictureError, match="not a regular file"):
            load_picture("/dev/null")

    @pytest.mark.parametrize(
        "array",
        [
            np.zeros((4, 4), np.uint8),
            np.zeros((4, 4, 4), np.uint8),
            np.zeros((0, 4, 3), np.uint8),
            np.zeros((4, 4, 3), np.float32),
            np.zeros((1, 4, 4, 3), np.uint8),
        ],
        ids=str,
    )
    def test_arrays_of_another_shape_or_type_are_refused(self, array: np.ndarray) -> None:
        with pytest.raises(PictureError, match=r"\(H, W, 3\) uint8"):
            load_picture(array)

    def test_empty_images_and_other_objects_are_refused(self) -> None:
        with pytest.raises(PictureError, match="empty: 0x4"):
            load_picture(Image.new("RGB", (0, 4)))
        with pytest.raises(PictureError, match="not list"):
            load_picture([])  # type: ignore[arg-type]

    @settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
    @given(data=st.data())
    def test_damaged_bytes_give_a_picture_or_a_picture_error(self, tmp_path: Path, data: st.DataObject) -> None:
        exif = Image.Exif()
        exif[ExifTags.Base.Orientation] = 6
        exif.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.UserComment] = b"UNICODE\0" + "a cat".encode("utf-16-le")
        file = io.BytesIO()
        Image.new("RGB", (20, 10), (9, 9, 9)).save(file, data.draw(st.sampled_from(["PNG", "JPEG", "WEBP"])), exif=exif)
        content = bytearray(file.getvalue())
        for _ in range(data.draw(st.integers(1, 4))):
            content[data.draw(st.integers(0, len(content) - 1))] = data.draw(st.integers(0, 255))
        (tmp_path / "p").write_bytes(content)
        with suppress(PictureError):
            assert load_picture(tmp_path / "p").image.mode == "RGB"


def test_jpeg_size_is_that_of_the_file() -> None:
    noise = Image.fromarray(np.random.default_rng(2).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    file = io.BytesIO()
    noise.save(file, "JPEG", quality=75, optimize=True)
    assert jpeg_size(noise) == len(file.getvalue())
    assert jpeg_size(noise, 20) < jpeg_size(noise) < jpeg_size(noise, 95)
