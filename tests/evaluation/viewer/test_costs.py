"""The measurement of what the page costs, on a recorded arrival that is over at once."""

import json
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.viewer.__main__ import SAMPLE, main
from receiver.viewer.pictures.recording import recording_from_bytes, recording_to_bytes


def test_a_watcher_s_bytes_and_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = recording_from_bytes(SAMPLE.read_bytes())
    quick = replace(
        picture,
        arrivals=tuple(replace(one, at=one.at / 100) for one in picture.arrivals),
        shown=tuple(replace(one, at=one.at / 100) for one in picture.shown),
        ended_at=0.05,
    )
    (tmp_path / "quick.arrival").write_bytes(recording_to_bytes(quick))
    main([str(tmp_path / "quick.arrival"), "--watchers", "2", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row["picture_bytes"] == picture.received
    # The bar of a picture of 650 bytes, its slider included.
    assert 20_000 < row["watcher_bytes"] <= 150_000
