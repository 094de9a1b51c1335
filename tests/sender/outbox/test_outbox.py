"""The outbox: accepted pictures survive any end of the process."""

import itertools
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from codec.container.bitstream import Bitstream, Coder, Header, Section
from codec.layers import Layer
from layercast_common.errors import OutboxError, OutboxFullError
from sender.outbox.entries import PENDING, EntryState, OutboxEntry
from sender.outbox.outbox import Outbox, OutboxLimits
from sender.outbox.reader import read_outbox

ROOT = Path(__file__).parents[3]


def stream(text: str = "a red cat") -> Bitstream:
    return Bitstream(Header(64, 64, 3, "mini"), (Section(Layer.SEMANTIC, Coder.TEXT, text.encode()),))


SIZE = len(stream().to_bytes())


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "pictures.outbox"


@pytest.fixture
def clock() -> Iterator[float]:
    return itertools.count(1000.0)


def states(entries: list[OutboxEntry]) -> list[tuple[int, str]]:
    return [(entry.picture_id, str(entry.state)) for entry in entries]


def test_a_picture_goes_its_way(path: Path, clock: Iterator[float]) -> None:
    with Outbox(path, clock=clock.__next__) as outbox:
        image = outbox.accept(stream(), name="cat.png", jpeg_size=40_000)
        (entry,) = outbox.pending()
        assert entry == outbox.entry(image)
        assert (entry.name, entry.state, entry.attempts, entry.jpeg_size) == ("cat.png", "queued", 0, 40_000)
        assert entry.size == len(stream().to_bytes())
        outbox.begin(image)
        assert states(outbox.pending()) == [(image, "sent")]
        outbox.requeue(image, "the link broke")
        outbox.begin(image)
        assert outbox.load(image) == stream()
        outbox.finish(image, EntryState.DELIVERED)
        assert outbox.pending() == []
        done = outbox.entry(image)
        assert done is not None
        assert (done.state, done.attempts, done.reason) == ("delivered", 2, None)
        assert done.changed_at > done.accepted_at
        with pytest.raises(OutboxError, match="holds no stream of picture 1"):
            outbox.load(image)


def test_the_identity_and_the_numbers_outlive_the_process(path: Path) -> None:
    with Outbox(path) as first:
        numbers = [first.accept(stream()) for _ in range(3)]
        first.begin(numbers[0])
        first.finish(numbers[1], EntryState.DELIVERED)
        first.finish(numbers[2], EntryState.DELIVERED)
        assert first.forget() == 2
        identity = first.identity
    with Outbox(path) as second:
        assert second.identity == identity
        assert len(second.identity.stream_id) == 6
        # What was on its way is to be sent again, and no number is given twice.
        assert states(second.pending()) == [(1, "queued")]
        assert second.accept(stream()) == 4
    with Outbox(path.with_name("other")) as other:
        assert other.identity.stream_id != identity.stream_id


def test_one_process_at_a_time(path: Path) -> None:
    with Outbox(path) as outbox:
        outbox.accept(stream())
        with pytest.raises(OutboxError, match=f"in use by process {os.getpid()}; end that process"):
            Outbox(path)
        assert states(read_outbox(path)) == [(1, "queued")]
    with Outbox(path):
        pass


ACCEPT = """
import os, signal, sys
from tests.sender.outbox.test_outbox import Outbox, stream
outbox = Outbox(sys.argv[1])
for number in range(5):
    outbox.begin(outbox.accept(stream(str(number))))
print("accepted", flush=True)
os.kill(os.getpid(), signal.SIGKILL)
"""


def test_what_was_accepted_survives_kill_9(path: Path) -> None:
    line = [sys.executable, "-c", ACCEPT, str(path)]
    killed = subprocess.run(line, capture_output=True, text=True, check=False, cwd=Path(__file__).parents[3])
    assert (killed.returncode, killed.stdout) == (-signal.SIGKILL, "accepted\n"), killed.stderr
    assert states(read_outbox(path)) == [(number, "sent") for number in range(1, 6)]
    with Outbox(path) as outbox:
        assert states(outbox.pending()) == [(number, "queued") for number in range(1, 6)]
        assert [outbox.load(number) for number in range(1, 6)] == [stream(str(number)) for number in range(5)]


def test_the_same_thing_is_taken_in_once(path: Path) -> None:
    with Outbox(path) as outbox:
        first = outbox.accept(stream(), key="cat.png 12 34")
        outbox.finish(first, EntryState.DELIVERED)
        assert outbox.accept(stream(), key="cat.png 12 34") == first
        assert outbox.accept(stream(), key="cat.png 12 35") == first + 1
        assert outbox.number_of("dog.png") is None


@pytest.mark.parametrize("limits", [OutboxLimits(pending=2), OutboxLimits(pending_bytes=2 * SIZE)])
def test_a_full_outbox_takes_nothing_in(path: Path, limits: OutboxLimits) -> None:
    with Outbox(path, limits=limits) as outbox:
        first = outbox.accept(stream())
        outbox.accept(stream())
        with pytest.raises(OutboxFullError, match="is full: 2 pictures of"):
            outbox.accept(stream())
        outbox.finish(first, EntryState.FAILED, "refused")
        outbox.accept(stream())
        with pytest.raises(OutboxFullError):
            outbox.retry()
        assert states(outbox.entries()) == [(1, "failed"), (2, "queued"), (3, "queued")]


def test_an_outbox_on_a_full_disk_takes_nothing_in(path: Path) -> None:
    with Outbox(path) as outbox:
        first = outbox.accept(stream())
        (pages,) = outbox._database.execute("PRAGMA page_count").fetchone()
        outbox._database.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OutboxFullError, match="cannot grow: its disk is full; free some space"):
            outbox.accept(stream("x" * 60_000))
        assert states(outbox.pending()) == [(first, "queued")]
        outbox._database.execute("PRAGMA max_page_count = 1000000")
        outbox.accept(stream("x" * 60_000))


def test_finished_pictures_are_forgotten_in_time(path: Path, clock: Iterator[float]) -> None:
    with Outbox(path, limits=OutboxLimits(finished=2), clock=clock.__next__) as outbox:
        for _ in range(4):
            outbox.accept(stream())
        for image in (2, 4, 1):
            outbox.finish(image, EntryState.DELIVERED)
        assert states(outbox.entries()) == [(1, "delivered"), (3, "queued"), (4, "delivered")]


def test_a_clock_that_is_set_while_pictures_wait_expires_none(tmp_path: Path) -> None:
    code = """
import sys, time
real, shift = time.time, 0.0
time.time = lambda: real() + shift

from pathlib import Path
from tests.sender.outbox.test_outbox import Outbox, stream

with Outbox(Path(sys.argv[1])) as outbox:
    outbox.accept(stream(), lifetime=3600.0)
    for shift in (400 * 86400.0, -400 * 86400.0):
        assert outbox.expire() == []
"""
    done = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "outbox"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stderr) == (0, "")


def test_what_is_out_of_time_expires(path: Path) -> None:
    now = 1000.0
    with Outbox(path, clock=lambda: now) as outbox:
        short, _ = outbox.accept(stream(), lifetime=10.0), outbox.accept(stream(), lifetime=30.0)
        now += 9.9
        assert outbox.expire() == []
        now += 0.1
        assert outbox.expire() == [short]
        entry = outbox.entry(short)
        assert entry is not None
        assert (entry.state, entry.reason) == ("expired", "its lifetime ended before it could be sent")


def test_what_failed_is_tried_again_under_a_new_number(path: Path) -> None:
    with Outbox(path) as outbox:
        for _ in range(3):
            outbox.accept(stream())
        outbox.finish(1, EntryState.FAILED, "too large")
        outbox.finish(2, EntryState.DELIVERED)
        assert outbox.retry() == 1
        assert states(outbox.entries(PENDING)) == [(3, "queued"), (4, "queued")]
        assert outbox.load(4) == stream()
        assert outbox.accept(stream()) == 5


def test_threads_take_turns(path: Path) -> None:
    with Outbox(path) as outbox:
        threads = [threading.Thread(target=lambda: [outbox.accept(stream()) for _ in range(10)]) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert [entry.picture_id for entry in outbox.pending()] == list(range(1, 41))


def _foreign(path: Path) -> None:
    with sqlite3.connect(path) as database:
        database.execute("CREATE TABLE mine (x)")
    database.close()


def _newer(path: Path) -> None:
    Outbox(path).close()
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 9")
    database.close()


@pytest.mark.parametrize(
    ("spoil", "why"),
    [
        (lambda path: path.write_bytes(b"no database, but long enough to be taken for one" * 9), "is not a database"),
        (lambda path: path.mkdir(), "unable to open"),
        (_foreign, "a database of another program"),
        (_newer, "an outbox of format 9; this version of layercast reads format 1"),
    ],
)
def test_what_is_no_outbox_is_refused_and_left_alone(path: Path, spoil: object, why: str) -> None:
    spoil(path)  # type: ignore[operator]
    before = path.read_bytes() if path.is_file() else None
    with pytest.raises(OutboxError, match=why):
        Outbox(path)
    assert before == (path.read_bytes() if path.is_file() else None)


def test_looking_into_what_is_not_there(path: Path) -> None:
    with pytest.raises(OutboxError, match="does not exist; layercast send --outbox"):
        read_outbox(path)
    with pytest.raises(OutboxError, match="cannot be used: its folder does not exist"):
        Outbox(path / "deeper")
