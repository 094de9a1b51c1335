"""The codec benchmark in one run, on a few pictures and prompts."""

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import pytest
from PIL import Image

from evaluation.codec import measure_codec, speed
from evaluation.codec.pictures import read_pictures
from layercast_common.errors import PictureError, StorageError, UsageError
from tests.support.pictures import draw_picture

pytest.importorskip("imagecodecs")

_Item = TypeVar("_Item")


class Tracked:
    """Records the items of each step."""

    def __init__(self) -> None:
        self.seen: dict[str, int] = {}

    def __call__(self, items: Sequence[_Item], about: str) -> Iterable[_Item]:
        self.seen[about] = len(items)
        return items


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(draw_picture()).save(folder / "house.png")
    Image.fromarray(draw_picture()[::-1].copy()).save(folder / "upside-down.png")
    return folder


@pytest.fixture
def prompts(tmp_path: Path) -> list[Path]:
    paths = [tmp_path / "plain.txt", tmp_path / "tags.txt"]
    paths[0].write_text("a red house\n\na blue house on a hill\n")
    paths[1].write_text("house, oil painting, highly detailed\n")
    return paths


def test_every_part_is_measured_and_has_its_threshold(
    pictures: Path, prompts: list[Path], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speed, "COLD_STARTS", 1)
    tracked = Tracked()
    report = measure_codec(pictures, prompts, 2, tracked)

    assert [(r.name, r.prompts, r.exact) for r in report.texts] == [("plain.txt", 2, True), ("tags.txt", 1, True)]
    assert all(r.ratio == pytest.approx(r.mean_bytes / r.brotli_bytes) for r in report.texts)
    assert [r.side for r in report.lines] == [64, 128]
    assert all(r.pictures == 2 and (r.unmatched or r.f1 >= r.jpegxl_f1) for r in report.lines)
    assert report.nesting.sides == (64, 128, 256)
    assert report.nesting.ratio > 0.5
    assert [point.cluttered for point in report.pruning[:2]] == [True, False]
    assert report.pruning[0].f1 > report.pruning[-1].f1
    assert 0 < report.colors.mean_bytes <= report.colors.most_bytes
    assert 0 < report.colors.difference < 5
    for result in report.streams:
        parts = result.container + result.text + result.lines + result.colors
        assert parts == pytest.approx(result.mean_bytes)
        assert result.most_bytes <= result.budget
    assert min(report.speed.encode_s, report.speed.decode_s, report.speed.start_s) > 0

    assert {bar.what: bar.bound for bar in report.bars if bar.what.startswith("text")} == {
        "text of plain.txt, of Brotli's bytes": 0.45,
        "text of tags.txt, of Brotli's bytes": 0.45,
    }
    assert len(report.bars) == 12
    assert tracked.seen["text: plain.txt"] == 2
    assert tracked.seen["streams of 330 bytes"] == 2


def test_the_limit_of_pictures(pictures: Path) -> None:
    assert [picture.name for picture in read_pictures(pictures, 1)] == ["house.png"]


@pytest.mark.parametrize("limit", [0, -1])
def test_a_limit_without_pictures_is_an_error(pictures: Path, prompts: list[Path], limit: int) -> None:
    with pytest.raises(UsageError, match="no picture"):
        measure_codec(pictures, prompts, limit, Tracked())


def test_missing_or_broken_files_are_errors(tmp_path: Path, pictures: Path, prompts: list[Path]) -> None:
    empty = tmp_path / "empty.txt"
    empty.write_text("\n \n")
    with pytest.raises(UsageError, match="no prompt"):
        measure_codec(pictures, [*prompts, empty], 2, Tracked())
    for unreadable, match in ((tmp_path / "none.txt", "No such file"), (pictures, "Is a directory")):
        with pytest.raises(StorageError, match=match):
            measure_codec(pictures, [*prompts, unreadable], 2, Tracked())
    (tmp_path / "binary.txt").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(UsageError, match=r"binary\.txt"):
        measure_codec(pictures, [tmp_path / "binary.txt"], 2, Tracked())
    with pytest.raises(StorageError, match="No such file"):
        measure_codec(tmp_path / "nowhere", prompts, 2, Tracked())
    (pictures / "broken.png").write_bytes(b"no picture")
    with pytest.raises(PictureError, match=r"broken\.png"):
        measure_codec(pictures, prompts, 2, Tracked())
