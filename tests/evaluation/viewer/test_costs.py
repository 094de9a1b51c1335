"""The measurement of what the page costs, on a recorded arrival that is over at once."""

import json
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from evaluation.viewer import first_movement, idle
from evaluation.viewer.__main__ import SAMPLE, main
from evaluation.viewer.browser import find_browser
from evaluation.viewer.idle import measure_idle
from receiver.viewer.pictures.recording import recording_from_bytes, recording_to_bytes
from tests.support.browser import NEEDS_BROWSER


def test_a_watcher_s_bytes_and_time(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    picture = recording_from_bytes(SAMPLE.read_bytes())
    quick = replace(
        picture,
        arrivals=tuple(replace(one, at=one.at / 100) for one in picture.arrivals),
        shown=tuple(replace(one, at=one.at / 100) for one in picture.shown),
        ended_at=0.05,
    )
    (tmp_path / "quick.arrival").write_bytes(recording_to_bytes(quick))
    main([str(tmp_path / "quick.arrival"), "--watchers", "2", "--idle", "0", "--json"])
    row = json.loads(capsys.readouterr().out)
    assert row["picture_bytes"] == picture.received
    # The bar of a picture of 650 bytes, its slider included.
    assert 20_000 < row["watcher_bytes"] <= 150_000


@NEEDS_BROWSER
async def test_an_idle_page_is_measured(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(idle, "SETTLING", 1.0)
    picture = recording_from_bytes(SAMPLE.read_bytes())
    browser = find_browser()
    assert browser is not None
    shares = await measure_idle(picture, browser, 1.0)
    assert set(shares) == {"page_share", "server_share"}
    assert all(share >= 0 for share in shares.values())


@NEEDS_BROWSER
async def test_the_demo_moves_before_its_model_is_loaded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(first_movement, "SETTLING", 0.5)
    browser = find_browser()
    assert browser is not None
    times = await first_movement.measure(browser, 1, (sys.executable, "-m", "layercast", "demo", "--model", "absent"))
    assert 0 < times["served"] < times["moving"] <= times["picture"]
    assert times["demo_cpu"] > 0
    assert times["browser_cpu"] > 0
