"""What people take away from the page, and what they find again in the archive."""

import io
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from PIL import Image

from codec.analysis.prompt.find import find_prompt
from codec.container.bitstream import Bitstream
from codec.image_io import load_picture
from codec.layers import Layer
from receiver.archive.archive import Archive
from receiver.archive.library import Library
from receiver.events import PictureCompleted
from receiver.viewer.pictures.recording import recording_from_bytes
from tests.receiver.viewer.test_server import served, show, until_complete, watching
from tests.support.scenes import Scene

GOLDEN = Path(__file__).parents[2] / "golden"
BEGAN = datetime(2026, 1, 31, 12, 0, 0, tzinfo=UTC)
OLD, NEW = "0123456789abcdef", "fedcba9876543210"


@pytest.fixture(scope="module")
def streams() -> tuple[Bitstream, Bitstream]:
    return Bitstream.load(GOLDEN / "house.lcast"), Bitstream.load(GOLDEN / "planes.lcast")


@pytest.fixture
def folder(tmp_path: Path, streams: tuple[Bitstream, Bitstream]) -> Path:
    """An archive of two pictures; the older one is drawn."""
    archive = Archive(tmp_path / "archive")
    archive.store(OLD, BEGAN, streams[0])
    archive.store_level(OLD, BEGAN, Layer.TEXTURE, Image.new("RGB", streams[0].header.canvas, (10, 200, 30)))
    archive.store(NEW, BEGAN + timedelta(days=1), streams[1])
    return tmp_path / "archive"


async def test_downloads_of_a_picture(tmp_path: Path) -> None:
    recorded: dict[str, bytes] = {}
    scene = Scene(prompt="a red <barn>, \N{SNOWMAN}")
    async with served(on_recorded=recorded.__setitem__) as (viewer, client):
        async with watching(client) as messages:
            for event in scene.whole()[:-1]:
                viewer.publish(event)
            for path in ("picture.png", "stream.lcast", "arrival.html"):
                assert (await client.get(f"/api/pictures/p1/{path}")).status_code == 404
            viewer.publish(PictureCompleted(picture="p1", received=480, at=103.0, stream=b"the stream"))
            await until_complete(messages, "p1")
        files = {
            name: await client.get(f"/api/pictures/p1/{name}")
            for name in ("picture.png", "stream.lcast", "arrival.html", "arrival.webp", "recording.arrival")
        }
    for name, response in files.items():
        assert response.status_code == 200, name
        suffix = name.rpartition(".")[2]
        assert response.headers["content-disposition"] == f'attachment; filename="layercast-p1.{suffix}"'
    assert files["stream.lcast"].content == b"the stream"
    (tmp_path / "saved.png").write_bytes(files["picture.png"].content)
    saved = load_picture(tmp_path / "saved.png")
    # The frame without loss, and a prompt that our own encoder finds again.
    assert saved.image.getpixel((5, 5)) == (30, 30, 30)
    assert find_prompt(saved).text == scene.prompt
    with Image.open(io.BytesIO(files["arrival.webp"].content)) as animation:
        assert (animation.format, getattr(animation, "n_frames", 1)) == ("WEBP", 6)
    page = files["arrival.html"].text
    assert "<barn>" not in page
    assert not re.search(r"(src|href)=\"?http|@import|url\(", page)
    assert files["arrival.html"].headers["content-type"] == "application/octet-stream"
    assert recording_from_bytes(files["recording.arrival"].content).prompt == scene.prompt
    assert recording_from_bytes(recorded["p1"]).received == 480


async def test_the_archive_is_searched_by_words_and_time(folder: Path, streams: tuple[Bitstream, Bitstream]) -> None:
    priors = streams[0].decode()
    assert priors.semantic is not None
    word = priors.semantic.prompt.split()[0]
    async with served(library=Library(folder)) as (_, client):

        async def found(**query: str) -> list[str]:
            response = await client.get("/api/archive", params=query)
            assert response.status_code == 200
            return [one["id"] for one in response.json()["pictures"]]

        assert await found() == [NEW, OLD]
        assert OLD in await found(q=word.upper())
        assert await found(q="no such words anywhere") == []
        assert await found(before="2026-02-01") == [OLD]
        assert await found(after="2026-02-01T00:00:00") == [NEW]
        assert (await client.get("/api/archive?before=yesterday")).status_code == 422
    async with served() as (_, client):
        assert (await client.get("/api/archive")).status_code == 404


async def test_archived_pictures_have_permanent_addresses(folder: Path, streams: tuple[Bitstream, Bitstream]) -> None:
    async with served(library=Library(folder), pictures=1, preload=False) as (viewer, client):
        assert (await client.get("/api/pictures")).json()["pictures"] == []
        picture = (await client.get(f"/api/pictures/{OLD}")).json()
        assert (picture["id"], picture["status"], picture["recorded"]) == (OLD, "complete", True)
        image = await client.get(picture["frame"]["url"])
        with Image.open(io.BytesIO(image.content)) as frame:
            assert frame.size == streams[0].header.canvas
        assert (await client.get(f"/api/pictures/{OLD}/stream.lcast")).content == streams[0].to_bytes()
        png = await client.get(f"/api/pictures/{OLD}/picture.png")
        with Image.open(io.BytesIO(png.content)) as saved:
            assert saved.getpixel((3, 3)) == (10, 200, 30)
        undrawn = (await client.get(f"/api/pictures/{NEW}")).json()
        assert undrawn["frame"] is None
        assert (await client.get(f"/api/pictures/{NEW}/picture.png")).status_code == 404
        assert (await client.get("/api/pictures/00000000000000ff")).status_code == 404
        show(viewer, Scene())


async def test_a_start_shows_the_archive_s_newest_pictures(folder: Path) -> None:
    async with served(library=Library(folder)) as (_, client), watching(client) as messages:
        await until_complete(messages, NEW)
        listed = (await client.get("/api/pictures")).json()["pictures"]
        assert [picture["id"] for picture in listed] == [OLD, NEW]


def test_recorded_arrivals_lie_beside_their_streams(folder: Path) -> None:
    archive = Archive(folder)
    archive.store_arrival(OLD, b"recorded")
    archive.store_arrival("00000000000000ff", b"no such picture")
    library = Library(folder)
    entry = library.entry(OLD)
    assert entry is not None
    assert library.recording(entry) == b"recorded"
    assert sorted(path.suffix for path in folder.iterdir()) == [".arrival", ".lcast", ".lcast", ".png"]


def test_a_folder_that_is_not_there_is_empty(tmp_path: Path) -> None:
    assert Library(tmp_path / "nowhere").search() == []


def test_damaged_streams_are_skipped(folder: Path) -> None:
    for path in folder.glob(f"*{NEW}.lcast"):
        path.write_bytes(b"damaged")
    assert [entry.label for entry in Library(folder).search()] == [OLD]
