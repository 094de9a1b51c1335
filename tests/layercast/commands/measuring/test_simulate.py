"""`layercast simulate`."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest

from layercast.cli import main
from layercast.samples import sample_paths


@pytest.fixture
def pictures(tmp_path: Path) -> Path:
    folder = tmp_path / "pictures"
    folder.mkdir()
    shutil.copy(sample_paths()[0], folder / "fox.png")
    (folder / "fox.txt").write_text("a red fox in snow")
    return folder


def simulate(*options: object) -> int:
    return main(["simulate", *map(str, options), "--processes", "1"])


def test_flags_alone_are_enough(pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "out"
    options = ("--images", pictures, "--link", "gsm", "--losses", "0,0.1", "--rivals", "webp", "--rival-sizes", "bytes")
    assert simulate(*options, "-o", out, "--json") == 0
    report = json.loads(capsys.readouterr().out)
    assert [condition["loss"] for condition in report["conditions"]] == [0.0, 0.1]
    assert set(report["conditions"][0]["systems"]) == {"layercast", "webp@bytes"}
    assert report["run"]["speed_up"] > 1
    assert report["run"]["cells"] == 2
    assert {path.name for path in out.iterdir()} >= {"run.jsonl", "summary.csv", "summary.json", "report.html"}
    assert all(Path(file).is_file() for file in report["files"])
    # For people: the same means, and nothing is run again.
    assert simulate(*options, "-o", out) == 0
    shown = capsys.readouterr()
    assert "gsm, 0.1 lost" in shown.out
    assert "times as fast as real time" in shown.out
    assert json.loads((out / "summary.json").read_text())["run"]["reused"] == 2


def test_a_file_without_rivals_and_with_a_named_cost(
    pictures: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "s.toml").write_text('images = "pictures"\nlink = "gsm"\n[grid]\norders = ["fidelity"]\n')
    out = tmp_path / "out"
    assert simulate(tmp_path / "s.toml", "-o", out, "--rivals", "none", "--render", "cost=0.5/2", "--json") == 0
    (condition,) = json.loads(capsys.readouterr().out)["conditions"]
    assert list(condition["systems"]) == ["layercast"]
    assert condition["systems"]["layercast"]["first_s"]["mean"] > 2


def test_links_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["simulate", "--list-links", "--json"]) == 0
    links = {link["name"]: link for link in json.loads(capsys.readouterr().out)["links"]}
    assert {"ntn-geo", "ntn-leo", "iridium-sbd", "lora-sf12", "2g-edge", "sat-l-band", "iridium"} <= set(links)
    assert main(["simulate", "--list-links"]) == 0
    assert "sat-l-band" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (("-o", "x"), "needs a scenario file or --images"),
        (("--images", "."), "-o DIR"),
        (("--images", "pictures", "--link", "pigeon", "-o", "x"), "no link is called 'pigeon'"),
        (("--images", "pictures", "--rates", "fast", "-o", "x"), "numbers separated by commas"),
        (("--images", "pictures", "--figure", "beauty", "-o", "x"), "figures are"),
        (("none.toml", "--images", "pictures", "-o", "x"), "leave out --images"),
    ],
)
def test_wrong_usage_is_exit_code_2(
    pictures: Path,
    options: tuple[str, ...],
    text: str,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(pictures.parent)
    assert simulate(*options) == 2
    assert text in capsys.readouterr().err
    assert not Path("x").exists()


def test_a_live_link_stands_between_real_programs() -> None:
    with socket.create_server(("127.0.0.1", 0)) as receiver:
        options = ["--live", "--link", "lte-m", "--listen", "127.0.0.1:0", "--api", "127.0.0.1:0", "--json"]
        to = f"tcp://127.0.0.1:{receiver.getsockname()[1]}"
        command = [sys.executable, "-m", "layercast", "simulate", *options, "--to", to]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            try:
                assert process.stdout is not None
                addresses = json.loads(process.stdout.readline())
                checked, _ = receiver.accept()
                checked.close()
                port = int(addresses["url"].rpartition(":")[2])
                with socket.create_connection(("127.0.0.1", port)) as sender:
                    carried, _ = receiver.accept()
                    sender.sendall(b"hello")
                    assert carried.recv(5, socket.MSG_WAITALL) == b"hello"
                    carried.close()
                with urllib.request.urlopen(f"{addresses['api']}link", timeout=30) as answer:
                    assert json.load(answer)["counters"]["there"] == 5
            finally:
                process.send_signal(signal.SIGTERM)
            assert process.wait(30) == 0


@pytest.mark.parametrize(
    ("options", "status", "text"),
    [
        ((), 2, "--to ws://HOST:PORT"),
        (("--to", "webrtc+http://127.0.0.1:9"), 2, "--to ws://HOST:PORT"),
        (("--to", "ws://127.0.0.1:9", "--link", "gsm,iridium"), 2, "one link"),
        (("--to", "ws://127.0.0.1:9"), 1, "start it first"),
    ],
)
def test_a_live_link_needs_a_receiver(
    options: tuple[str, ...], status: int, text: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["simulate", "--live", *options]) == status
    assert text in capsys.readouterr().err


def test_traces_are_converted_both_ways(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    times = [100 * number for number in range(1, 21)]
    (tmp_path / "a.down").write_text("".join(f"{time}\n" for time in times))
    there, back = tmp_path / "a.csv", tmp_path / "again.down"
    assert main(["simulate", "--convert-trace", str(tmp_path / "a.down"), "-o", str(there), "--json"]) == 0
    facts = json.loads(capsys.readouterr().out)
    assert (facts["seconds"], facts["lines"], facts["mean_bit_per_s"]) == (2.0, 2, 120_000.0)
    assert main(["simulate", "--convert-trace", str(there), "-o", str(back)]) == 0
    assert "20 lines, 120,000 bit/s on average" in capsys.readouterr().out
    assert [int(line) for line in back.read_text().split()] == times


@pytest.mark.parametrize(
    ("options", "code", "reason"),
    [
        (("a.csv",), 2, "-o"),
        (("a.csv", "-o", "b.csv"), 1, "No such file"),
        (("bad.csv", "-o", "b.csv"), 2, "line 1"),
        (("good.csv", "-o", "none/b.csv"), 1, "none"),
        (("good.down", "-o", "b.csv", "--bin", "0"), 2, "longer than 0"),
    ],
)
def test_what_no_trace_conversion_can_do(
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    code: int,
    reason: str,
) -> None:
    monkeypatch.chdir(tmp_path)
    Path("bad.csv").write_text("zero,fast\n")
    Path("good.csv").write_text("0,9600\n5,9600\n")
    Path("good.down").write_text("5\n")
    assert main(["simulate", "--convert-trace", *options]) == code
    assert reason in capsys.readouterr().err
    assert not Path("b.csv").exists()
