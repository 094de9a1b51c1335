"""codec.analysis.edges, pose and annotators: structure from files and from trained annotators."""

import itertools
import json
import sys
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from codec.analysis.annotators import Annotator, annotate_edges, annotate_pose, skeleton_from_fractions
from codec.analysis.edges import light_on_dark, load_edge_picture
from codec.analysis.pose import load_keypoints
from codec.layers import Skeleton
from layercast_common.errors import MissingExtraError, PictureError

NUMBERS = st.lists(st.none() | st.floats() | st.integers() | st.text(max_size=2), min_size=3 * 18, max_size=3 * 18)
PEOPLE_18 = [[float(i), float(2 * i), 0.9] for i in range(18)]


def flat(points: Iterable[Iterable[float]]) -> list[float]:
    return list(itertools.chain.from_iterable(points))


def ring(ink: object, ground: object, mode: str = "RGB", width: int = 4) -> Image.Image:
    image = Image.new(mode, (256, 256), ground)  # type: ignore[arg-type]
    for at in range(width):
        box = (64 + at, 64 + at, 192 - at, 192 - at)
        for side in ((box[0], box[1], box[2], box[1] + 1), (box[0], box[3] - 1, box[2], box[3]),
                     (box[0], box[1], box[0] + 1, box[3]), (box[2] - 1, box[1], box[2], box[3])):  # fmt: skip
            image.paste(ink, side)  # type: ignore[arg-type]
    return image


class TestDrawings:
    @pytest.mark.parametrize(
        "drawing",
        [
            ring("white", "black"),
            ring("black", "white"),
            ring((90, 90, 90), (190, 190, 190)),
            ring((255, 255, 255, 255), (0, 0, 0, 0), "RGBA"),
            ring((0, 0, 0, 255), (0, 0, 0, 0), "RGBA"),
            ring(1, 0, "1"),
            ring("black", "white", width=2),
        ],
        ids=["light on dark", "dark on light", "gray on gray", "light on clear", "dark on clear", "1-bit", "thin"],
    )
    def test_all_styles_give_the_same_lines(self, tmp_path: Path, drawing: Image.Image) -> None:
        drawing.save(tmp_path / "edges.png")
        edges = load_edge_picture(tmp_path / "edges.png", (512, 512), 64)
        assert (edges.canvas, edges.grid.shape) == ((512, 512), (64, 64))
        rows, columns = np.nonzero(edges.grid)
        assert {rows.min(), columns.min()} <= {15, 16, 17}
        assert {rows.max(), columns.max()} <= {46, 47, 48}
        # One cell wide: a ring of 32 x 32 cells and nothing in it.
        assert 110 <= edges.grid.sum() <= 132
        assert not edges.grid[20:44, 20:44].any()

    def test_a_blank_drawing_has_no_lines(self, tmp_path: Path) -> None:
        Image.effect_noise((64, 64), 4).save(tmp_path / "blank.png")
        assert not load_edge_picture(tmp_path / "blank.png", (256, 256), 32).grid.any()

    def test_another_aspect_is_cropped_like_the_picture(self, tmp_path: Path) -> None:
        drawing = Image.new("L", (300, 200))
        drawing.paste(255, (148, 0, 152, 200))
        drawing.paste(255, (0, 0, 4, 200))
        drawing.save(tmp_path / "edges.png")
        grid = load_edge_picture(tmp_path / "edges.png", (256, 256), 32).grid
        assert set(np.nonzero(grid)[1]) <= {15, 16}
        assert grid[1:-1].any(axis=1).all()

    @given(st.integers(0, 255), st.integers(0, 255))
    def test_light_on_dark(self, ink: int, ground: int) -> None:
        drawing = np.full((9, 9), ground, np.uint8)
        drawing[4] = ink
        lines = light_on_dark(drawing)
        assert lines[0].max() == 0
        assert (lines[4] == (255 if abs(ink - ground) >= 24 else 0)).all()


class TestKeypoints:
    def load(self, tmp_path: Path, document: object) -> Skeleton:
        (tmp_path / "pose.json").write_text(json.dumps(document))
        return load_keypoints(tmp_path / "pose.json", (512, 256))

    @pytest.mark.parametrize(
        ("sizes", "expected"),
        [
            ({}, (17.0, 34.0)),
            ({"canvas_width": 1024, "canvas_height": 1024}, (8.5, 8.5)),
            ({"canvas_width": "wide", "canvas_height": 0}, (17.0, 34.0)),
        ],
    )
    @pytest.mark.parametrize("listed", [True, False])
    def test_pixels(self, tmp_path: Path, sizes: dict[str, Any], expected: tuple[float, float], listed: bool) -> None:
        document = {"people": [{"pose_keypoints_2d": flat(PEOPLE_18)}]} | sizes
        skeleton = self.load(tmp_path, [document] if listed else document)
        assert skeleton.canvas == (512, 256)
        assert skeleton.people[0][17] == expected

    def test_shares(self, tmp_path: Path) -> None:
        points = [[0.5, 0.25, 1.0]] * 17 + [[0, 0, 0]]
        skeleton = self.load(tmp_path, {"people": [{"pose_keypoints_2d": flat(points)}, {}]})
        assert skeleton.people == (((256.0, 64.0),) * 17 + (None,), (None,) * 18)

    def test_points_that_only_the_newer_body_model_has_are_dropped(self, tmp_path: Path) -> None:
        points = [[float(i), 0.0, 1.0] for i in range(25)]
        (person,) = self.load(tmp_path, {"people": [{"pose_keypoints_2d": flat(points)}]}).people
        assert [point and point[0] for point in person] == [*range(8), *range(9, 19)]

    @pytest.mark.parametrize(
        ("content", "message"),
        [
            (b"{}", "no list of people"),
            (b"[]", "no list of people"),
            (b'{"people": {}}', "no list of people"),
            (b'{"people": [{"pose_keypoints_2d": [1, 2, 3]}]}', "18 or 25 points"),
            (b'{"people": [{"pose_keypoints_2d": "x"}]}', "18 or 25 points"),
            (b"{", "is not JSON"),
            (b"[" * 100_000, "is not JSON"),
            (b" " * (5 << 20), "too large"),
        ],
        ids=lambda value: str(value)[:30],
    )
    def test_invalid_files_are_refused(self, tmp_path: Path, content: bytes, message: str) -> None:
        (tmp_path / "pose.json").write_bytes(content)
        with pytest.raises(PictureError, match=message):
            load_keypoints(tmp_path / "pose.json", (512, 256))

    def test_no_file(self, tmp_path: Path) -> None:
        with pytest.raises(PictureError, match="cannot be read"):
            load_keypoints(tmp_path / "absent.json", (512, 256))

    @settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
    @given(people=st.lists(st.none() | st.fixed_dictionaries({"pose_keypoints_2d": NUMBERS}), max_size=3))
    def test_any_values_give_points_or_none(self, tmp_path: Path, people: list[Any]) -> None:
        for person in self.load(tmp_path, {"people": people}).people:
            assert len(person) == 18
            assert all(np.isfinite(point).all() for point in person if point is not None)


class TestAnnotators:
    @pytest.fixture(autouse=True)
    def no_controlnet_aux(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setitem(sys.modules, "controlnet_aux", None)

    def test_the_missing_extra_is_named(self) -> None:
        picture = np.zeros((64, 64, 3), np.uint8)
        for annotator in (Annotator.PIDINET, Annotator.HED):
            with pytest.raises(MissingExtraError, match=rf"structure by {annotator} .*layercast\[annotators\]"):
                annotate_edges(picture, annotator, 32)
        with pytest.raises(MissingExtraError, match="structure by openpose"):
            annotate_pose(picture)

    def test_fractions_become_canvas_pixels(self) -> None:
        skeleton = skeleton_from_fractions([[(0.5, 0.25), *[None] * 17]], (512, 256))
        assert skeleton == Skeleton((((256.0, 64.0), *[None] * 17),), (512, 256))
