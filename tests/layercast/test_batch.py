"""Runs over several pictures: one bad picture costs one line and the exit code, never the rest."""

import json
import os
from pathlib import Path

import pytest
from PIL import Image

from layercast import Bitstream
from tests.layercast.conftest import Run


@pytest.fixture
def three(place: Path, house: Path) -> list[Path]:
    """Return three pictures, the second of which is damaged."""
    broken, other = house.with_name("broken.png"), house.with_name("other.png")
    broken.write_bytes(house.read_bytes()[:100])
    Image.new("RGB", (64, 64), "navy").save(other)
    return [house, broken, other]


def test_encode_goes_on_after_a_damaged_picture(run: Run, three: list[Path]) -> None:
    outcome = run("encode", *three, "-o", "out", "--prompt", "a house", "-q")
    assert outcome.code == 1
    assert len(outcome.err.splitlines()) == 1
    assert "broken.png" in outcome.err
    assert sorted(path.name for path in Path("out").iterdir()) == ["house.lcast", "other.lcast"]


def test_the_report_lists_what_failed(run: Run, three: list[Path]) -> None:
    outcome = run("encode", *three, "-o", "out", "--prompt", "a house", "--json")
    report = json.loads(outcome.out)
    assert [row["file"] for row in report["failed"]] == [str(three[1])]
    assert [row["image"] for row in report["pictures"]] == [str(three[0]), str(three[2])]
    assert outcome.code == 1


def test_a_sidecar_of_another_encoding_costs_a_note(run: Run, three: list[Path]) -> None:
    three[0].with_suffix(".txt").write_bytes("une cigogne près du café".encode("cp1252"))
    outcome = run("encode", three[0], three[2], "-o", "out", "--captioner", "none", "--json")
    first, second = json.loads(outcome.out)["pictures"]
    assert (outcome.code, first["prompt"], first["prompt_source"]) == (0, "une cigogne près du café", "sidecar")
    assert ["is not UTF-8" in note for note in first["notes"]] == [True]
    assert second["notes"] == []


def test_decode_goes_on_after_a_damaged_stream(run: Run, house: Path) -> None:
    assert run("encode", house, "-o", "good.lcast", "--prompt", "a house").code == 0
    Path("bad.lcast").write_bytes(Path("good.lcast").read_bytes()[:-9])
    outcome = run("decode", "bad.lcast", "good.lcast", "-o", "out", "--levels", "semantic", "--steps", "1", "--json")
    report = json.loads(outcome.out)
    assert outcome.code == 1
    assert [row["file"] for row in report["failed"]] == ["bad.lcast"]
    assert [row["file"] for row in report["pictures"]] == ["good.lcast"]


def test_a_fifo_is_refused_at_once(run: Run, place: Path) -> None:
    for name in ("pipe.png", "pipe.lcast"):
        os.mkfifo(name)
        arguments = ("encode", name, "-o", "x.lcast") if name.endswith("png") else ("info", name)
        outcome = run(*arguments)
        assert outcome.code == 1
        assert "not a regular file" in outcome.err


def test_two_spellings_of_one_name_are_one_name(run: Run, house: Path) -> None:
    names = ["caf\u00e9.png", "cafe\u0301.png"]
    for name in names:
        Path(name).write_bytes(house.read_bytes())
    outcome = run("encode", *names, "-o", "out", "--prompt", "a house")
    assert outcome.code == 2
    assert f"{names[0]} and {names[1]} have the same name, 'caf\u00e9'" in outcome.err


def test_the_good_streams_are_whole(run: Run, three: list[Path]) -> None:
    run("encode", *three, "-o", "out", "--prompt", "a house", "-q")
    for path in Path("out").iterdir():
        Bitstream.load(path).decode()
