"""Every stage of the recipe that trains mini, on a handful of made-up pictures."""

import json
import shutil
from pathlib import Path

import cv2
import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

pytest.importorskip("torch")
pytest.importorskip("diffusers")

import torch

from codec.analysis.captioning.classifier import SUBJECTS, load_classifier
from codec.layers import ColorMap, Priors, Semantic
from receiver.rendering import load_model, render
from receiver.rendering.model_files.files import RETRIEVAL_FOLDER
from receiver.rendering.retrieval import RetrievalIndex
from training import held_out
from training.captioner import objects
from training.captioner import train as captioner
from training.data import conditions, pack
from training.data.scenes import draw_scene, plan_scenes, read_things
from training.data.tiles import Rows, Source, read_tiles
from training.mini import diffusion, everything, text, vae
from training.mini.network import MiniNetwork
from training.mini.packed import load_tokenizer
from training.mini.transform import build_vae
from training.sizes import MINI, SMOKE, Sizes


def _drawing(seed: int, side: int) -> NDArray[np.uint8]:
    random = np.random.default_rng(seed)
    picture = np.full((side, side, 3), random.integers(0, 256, 3), np.uint8)
    for _ in range(6):
        x, y, radius = (int(value) for value in random.integers(side // 10, side // 2, 3))
        cv2.circle(picture, (2 * x, y), radius, tuple(int(value) for value in random.integers(0, 256, 3)), -1)
    return picture


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Source:
    """Nine sheets, of which one is kept out, and three objects."""
    data = tmp_path_factory.mktemp("data")
    (data / "sheets").mkdir()
    rows = []
    # The ninth name is one that the split keeps out.
    for number in range(9):
        name = f"sheet{number if number < 8 else 11}.webp"
        Image.fromarray(_drawing(number, 1024)).save(data / "sheets" / name, quality=80)
        for corner, subject in enumerate((None, "woman", "man", "city street")):
            left, top = 512 * (corner % 2), 512 * (corner // 2)
            box = [left, top, left + 512, top + 512]
            row = {"sheet": name, "box": box, "subject": subject, "style": "style of nobody", "categories": ["Oil"]}
            rows.append(json.dumps(row))
    (data / "tiles.jsonl").write_text("\n".join(rows), encoding="utf-8")
    objects = tmp_path_factory.mktemp("objects")
    names = ("red ball", "tall tree", "old car", "no entry sign")
    for number in range(len(names)):
        alpha = np.zeros((256, 256), np.uint8)
        cv2.circle(alpha, (128, 128), 90, 255, -1)
        Image.fromarray(np.dstack([_drawing(90 + number, 256), alpha])).save(objects / f"{number}.webp")
    listed = [{"file": f"{number}.webp", "name": name, "size": [256, 256]} for number, name in enumerate(names)]
    (objects / "objects.json").write_text(json.dumps(listed), encoding="utf-8")
    return Source(data, objects)


@pytest.fixture(scope="module")
def trained(source: Source, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The working folder after every stage."""
    torch.set_num_threads(1)
    work = tmp_path_factory.mktemp("work")
    where = ["--work", str(work)]
    pictures = ["--data", str(source.data), "--objects", str(source.objects)]
    everything.main([*pictures, *where, "--out", str(work / "model"), "--smoke"])
    return work


def test_the_packed_pictures_are_those_of_their_rows(trained: Path, source: Source) -> None:
    rows = Rows.load(trained / "train.json")
    pictures = np.load(trained / "train.npy", mmap_mode="r")
    assert len(pictures) == len(rows) == len(rows.views) + len(rows.scenes)
    assert rows.scenes
    for row in (0, len(rows) - 1):
        np.testing.assert_array_equal(pictures[row], rows.draw(row, source, 256))
    assert all(tile.held_out for tile in Rows.load(trained / "held_out.json").tiles)


def test_the_conditions_are_those_of_the_codec(trained: Path) -> None:
    known = conditions.StoredConditions.load(trained, "train")
    rows = Rows.load(trained / "train.json")
    assert len(known.edges) == len(known.colors) == len(known.plain) == len(rows)
    drawn = known.edge_image(0, 0)
    assert set(np.unique(drawn)) == {0, 255}
    pictures = np.load(trained / "train.npy", mmap_mode="r")
    cells = cv2.resize(pictures[0], (16, 16), interpolation=cv2.INTER_AREA)
    assert np.abs(cells.astype(float) - known.colors[0, 0]).mean() < 12


def test_the_exported_model_draws_any_subset(trained: Path) -> None:
    model = load_model(trained / "model")
    colors = ColorMap(np.full((8, 8, 3), (200, 40, 40), np.uint8), (256, 256))
    for priors in (
        Priors((256, 256)),
        Priors((256, 256), semantic=Semantic("ein Wort, das 我 nicht kenne")),
        Priors((256, 256), texture=colors),
    ):
        frames = list(render(priors, 1, model=model, steps=2))
        assert frames[-1].final
        assert frames[-1].image.size == (256, 256)


def test_all_that_ships_is_there(trained: Path, source: Source) -> None:
    things = source.objects
    assert things
    assert Sizes.of(trained) == SMOKE
    remembered = RetrievalIndex.load(trained / "model" / RETRIEVAL_FOLDER)
    assert len(remembered) >= len(read_things(things))
    captions = load_classifier(trained / "model" / "captioner-1.npz")
    assert captions.logits(Image.new("RGB", (64, 64))).shape == (len(SUBJECTS) + len(captions.categories),)


def test_what_ships_is_small(trained: Path) -> None:
    assert Sizes.of(trained / "nowhere") == MINI
    parts = (MiniNetwork(load_tokenizer(trained), MINI), build_vae(MINI))
    halves = [2 * sum(parameter.numel() for parameter in part.parameters()) for part in parts]
    assert sum(halves) + _size(trained / "model" / "tokenizer") < 46 << 20
    assert 2 * sum(parameter.numel() for parameter in captioner.Recognizer(60).parameters()) < 4 << 20


@pytest.mark.slow
def test_every_stage_at_full_size(source: Source, tmp_path: Path) -> None:
    pictures = ["--data", str(source.data), "--objects", str(source.objects)]
    where = ["--work", str(tmp_path)]
    pack.main([*pictures, *where, "--scenes", "8"])
    everything.main([*pictures, *where, "--out", str(tmp_path / "model"), "--minutes", "0.1"])
    assert _size(tmp_path / "model") < 48 << 20
    assert (tmp_path / "model" / "captioner-1.npz").stat().st_size < 4 << 20
    frames = list(render(Priors((256, 256)), 1, model=load_model(tmp_path / "model"), steps=2))
    assert frames[-1].image.size == (256, 256)


def _size(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*"))


def test_every_stage_goes_on_where_it_stopped(trained: Path, tmp_path: Path) -> None:
    work = tmp_path / "work"
    shutil.copytree(trained, work)
    where = ["--work", str(work)]
    before = (work / "diffusion.pt").stat().st_mtime_ns
    diffusion.main([*where, "--smoke"])  # its budget is spent: nothing is trained
    diffusion.main([*where, "--steps", "4", "--batch", "2"])
    vae.main([*where, "--steps", "4", "--batch", "2"])
    text.main([*where, "--steps", "4", "--batch", "2"])
    steps = [json.loads(line)["step"] for line in (work / "diffusion.jsonl").read_text().splitlines()]
    assert (work / "diffusion.pt").stat().st_mtime_ns > before
    assert steps == sorted(steps)


def test_a_network_that_tells_objects(source: Source, tmp_path: Path) -> None:
    pictures = ["--data", str(source.data), "--objects", str(source.objects)]
    objects.main([*pictures, "--work", str(tmp_path), "--out", str(tmp_path / "objects.npz"), "--smoke"])
    network = load_classifier(tmp_path / "objects.npz")
    assert set(network.categories) == {"red ball", "tall tree", "old car"}
    assert network.logits(Image.new("RGB", (64, 64))).shape == (len(SUBJECTS) + 3,)


def test_scenes_are_the_same_at_every_look_and_any_size(source: Source) -> None:
    assert source.objects
    things = read_things(source.objects)
    assert {thing.name for thing in things} == {"red ball", "tall tree", "old car"}
    first, again = (list(plan_scenes(things, 9, 4, seed=3)) for _ in range(2))
    assert first == again
    assert {thing.name for scene in first for thing in scene.things} == {thing.name for thing in things}
    scene = next(scene for scene in first if scene.backdrop < 0)
    small, large = (draw_scene(source.objects, scene, None, size).astype(float) for size in (128, 256))
    halved = cv2.resize(large, (128, 128), interpolation=cv2.INTER_AREA)
    assert np.abs(halved - small).mean() < 6


def test_pictures_kept_out_are_written_with_their_prompts(source: Source, tmp_path: Path) -> None:
    held_out.main(["--data", str(source.data), "--out", str(tmp_path), "--count", "4"])
    assert len(list(tmp_path.glob("*.png"))) == len(list(tmp_path.glob("*.txt"))) == 4
    assert sum(tile.held_out for tile in read_tiles(source.data)) == 4


def test_the_split_is_decided_by_the_sheets_name(source: Source) -> None:
    splits = pack.plan(source, crops=1, scenes=4, limit=None, seed=0)
    assert {tile.sheet for tile in splits["held_out"].tiles} == {"sheet11.webp"}
    assert len(splits["train"].views) == 2 * len(splits["train"].tiles)
