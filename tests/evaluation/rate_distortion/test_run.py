"""A run over pictures: what it measures, and that it goes on where it was."""

import csv
import os
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from evaluation.rate_distortion.cache import PointCache
from evaluation.rate_distortion.contenders import FormatContender
from evaluation.rate_distortion.files import Results, read_results, with_means, write_results
from evaluation.rate_distortion.pictures import EvaluatedPicture, find_pictures, spread
from evaluation.rate_distortion.points import FigureValue, Point
from evaluation.rate_distortion.run import FinishedPart, RunOptions, measure
from layercast_common.errors import StorageError, UsageError
from tests.support.pictures import draw_picture


@pytest.fixture
def images(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    for number in range(3):
        Image.fromarray(draw_picture(128 + 64 * number, 128)).save(folder / f"{number}.png")
    return folder


@dataclass(frozen=True)
class Counting:
    """A contender whose figure is the budget, and which fails at one picture while a file exists."""

    bomb: Path
    name: str = "counting"
    label: str = "counting"
    settings: str = ""

    def identity(self) -> str:
        return self.name

    def measure(self, subject: EvaluatedPicture, budgets: Sequence[int], figures: Sequence[str]) -> Iterator[Point]:
        for budget in budgets:
            if self.bomb.exists() and subject.path.name == "1.png" and budget == 500:
                raise KeyboardInterrupt
            yield point("counting", subject.path.name, budget, float(budget))


def point(contender: str, picture: str, budget: int, value: float, figure: str = "psnr") -> Point:
    measured = FigureValue(value=value, bytes=budget - 10, recipe=None, encode_s=0.1, decode_s=0.2)
    return Point(contender=contender, picture=picture, budget=budget, size=(100, 80), figures={figure: measured})


def options_of(images: Path, output: Path, **changes: Any) -> RunOptions:
    values: dict[str, Any] = {
        "pictures": find_pictures(images),
        "budgets": (400, 500),
        "figures": ("psnr", "ssim"),
        "contenders": (FormatContender("jpeg"),),
        "output": output,
    }
    return RunOptions(**(values | changes))


@pytest.mark.parametrize("jobs", [1, 2])
def test_formats_on_every_picture(images: Path, tmp_path: Path, jobs: int) -> None:
    pytest.importorskip("imagecodecs")
    done: list[FinishedPart] = []
    options = options_of(images, tmp_path / "out", jobs=jobs)
    points = measure(options, done.append)
    assert [(p.picture, p.budget) for p in points] == [(f"{n}.png", b) for n in range(3) for b in (400, 500)]
    assert sum(part.measured for part in done) == 6
    for each in points:
        assert set(each.figures) == {"psnr", "ssim"}
        assert all(found.bytes <= each.budget for found in each.figures.values())
    again: list[FinishedPart] = []
    assert measure(options, again.append) == points
    assert sum(part.measured for part in again) == 0


def test_a_stopped_run_goes_on(images: Path, tmp_path: Path) -> None:
    bomb = tmp_path / "bomb"
    bomb.touch()
    options = options_of(images, tmp_path / "out", contenders=(Counting(bomb),))
    with pytest.raises(KeyboardInterrupt):
        measure(options)
    bomb.unlink()
    done: list[FinishedPart] = []
    measure(options, done.append)
    # The first picture, and the smaller budget of the second, had been measured.
    assert [part.measured for part in done] == [0, 1, 2]


def test_what_is_on_disk_counts_only_for_the_same_picture(images: Path, tmp_path: Path) -> None:
    options = options_of(images, tmp_path / "out", contenders=(Counting(tmp_path / "none"),))
    measure(options)
    Image.fromarray(draw_picture(64, 64)).save(images / "0.png")
    (images / "1.txt").write_text("another prompt", encoding="utf-8")
    done: list[FinishedPart] = []
    measure(options, done.append)
    assert [part.measured for part in done] == [2, 2, 0]


@pytest.mark.parametrize("content", [b"", b"[{", b'[{"contender": 1}]', b"\xff"])
def test_a_damaged_file_of_points_is_measured_again(tmp_path: Path, content: bytes) -> None:
    PointCache(tmp_path, "key").add(point("a", "0.png", 400, 1.0))
    (file,) = tmp_path.iterdir()
    file.write_bytes(content)
    cache = PointCache(tmp_path, "key")
    assert cache.get(400) is None
    cache.add(point("a", "0.png", 400, 2.0))
    assert PointCache(tmp_path, "key").get(400) == point("a", "0.png", 400, 2.0)


def test_result_files(tmp_path: Path) -> None:
    nothing = Point(contender="b", picture="0.png", budget=400, size=(100, 80), reason="too small")
    points = [point("a", "0.png", 400, 20.0), point("a", "1.png", 400, 22.0), nothing]
    results = Results(
        command="layercast evaluate",
        version="1",
        machine="here",
        pictures=["0.png", "1.png"],
        budgets=[400],
        figures=["psnr"],
        contenders={"a": "", "b": ""},
    )
    write_results(with_means(results, points), tmp_path / "new" / "folder")
    read = read_results(tmp_path / "new" / "folder")
    assert list(read.points) == points
    assert read.means[0].value == 21
    rows = list(csv.DictReader((tmp_path / "new" / "folder" / "per-picture.csv").open()))
    assert [(row["contender"], row["value"], row["reason"]) for row in rows] == [
        ("a", "20.0", ""),
        ("a", "22.0", ""),
        ("b", "", "too small"),
    ]


def test_results_of_another_program(tmp_path: Path) -> None:
    file = tmp_path / "results.json"
    with pytest.raises(StorageError):
        read_results(tmp_path)
    file.write_text('{"results": {"bpp": []}}', encoding="utf-8")
    with pytest.raises(UsageError, match=r"not a results\.json"):
        read_results(file)


def test_folders_without_pictures(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no picture"):
        find_pictures(tmp_path)
    with pytest.raises(StorageError):
        find_pictures(tmp_path / "missing")
    for suffix in (".png", ".webp"):
        (tmp_path / f"a{suffix}").touch()
    with pytest.raises(UsageError, match="differ only in their suffix"):
        find_pictures(tmp_path)


def test_pictures_are_spread_evenly() -> None:
    paths = [Path(str(number)) for number in range(7)]
    assert [path.name for path in spread(paths, 3)] == ["0", "2", "4"]
    assert spread(paths, 9) == paths


def test_a_figure_that_small_pictures_lack_is_left_out(images: Path, tmp_path: Path) -> None:
    pytest.importorskip("imagecodecs")
    options = options_of(images, tmp_path / "out", figures=("psnr", "ms_ssim"), budgets=(900,), canvas=(128, 128))
    assert [set(each.figures) for each in measure(options)] == [{"psnr"}] * 3


def test_processes_end_with_the_parent(images: Path, tmp_path: Path) -> None:
    """A run that is killed leaves no process behind, and its results."""
    pytest.importorskip("imagecodecs")
    code = (
        "import sys; from pathlib import Path\n"
        "from evaluation.rate_distortion.contenders import FormatContender\n"
        "from evaluation.rate_distortion.pictures import find_pictures\n"
        "from evaluation.rate_distortion.run import RunOptions, measure\n"
        "if __name__ == '__main__':\n"
        "    measure(RunOptions(pictures=find_pictures(Path(sys.argv[1])) * 2000, budgets=(400,), figures=('psnr',),\n"
        "        contenders=(FormatContender('jpeg'),), output=Path(sys.argv[2]), jobs=2))\n"
    )
    script = tmp_path / "run.py"
    script.write_text(code)
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])}
    process = subprocess.Popen([sys.executable, script, images, tmp_path / "out"], env=environment)
    deadline = time.monotonic() + 300
    while len(list((tmp_path / "out").rglob("*.json"))) < 3 and time.monotonic() < deadline:
        time.sleep(0.1)
    children = Path(f"/proc/{process.pid}/task/{process.pid}/children").read_text().split()
    process.kill()
    process.wait()
    assert len(children) >= 2
    while any(is_running(int(child)) for child in children) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not any(is_running(int(child)) for child in children)
    assert len(list((tmp_path / "out" / "cache").glob("*.json"))) == 3


def is_running(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False
