from collections import Counter
from dataclasses import dataclass, replace

import pytest

from receiver.rendering.engine.batching import OLDEST_EVERY, choose_batch


@dataclass(frozen=True)
class Job:
    name: str
    shown: bool = False
    last_pass: int = -1
    shape: tuple[int, ...] = (1, 4, 8, 8)
    session: str = ""
    to_frame: int = 0
    admitted: int = 0


@pytest.mark.parametrize(
    ("jobs", "limit", "expected"),
    [
        ([], 4, ""),
        # First come first served, as long as nobody had a turn.
        ([Job("a"), Job("b"), Job("c")], 2, "ab"),
        # A job without a frame comes before all that have one, however long those waited.
        ([Job("a", shown=True, last_pass=1), Job("b", last_pass=9)], 1, "b"),
        # Among equals the longest wait wins.
        ([Job("a", shown=True, last_pass=5), Job("b", shown=True, last_pass=4)], 1, "b"),
        # Room that is left goes to the others.
        ([Job("a", shown=True, last_pass=1), Job("b")], 4, "ba"),
        # Only one shape fits into a batch: the first job's.
        ([Job("a", shape=(1, 4, 8, 6)), Job("b"), Job("c", shape=(1, 4, 8, 6))], 4, "ac"),
        # Who is one step from a first frame gets there before others begin.
        ([Job("a", to_frame=2), Job("b", to_frame=1, last_pass=3)], 1, "b"),
        # A session with many pictures gets no more than one with a single one.
        ([Job("a", session="x", last_pass=8), Job("b", session="x"), Job("c", session="y", last_pass=7)], 1, "c"),
        ([Job("a", session="x"), Job("b", session="x"), Job("c", session="y")], 2, "ac"),
    ],
)
def test_batches(jobs: list[Job], limit: int, expected: str) -> None:
    assert "".join(job.name for job in choose_batch(jobs, limit)) == expected


def serve(jobs: dict[str, Job], turn: int) -> str:
    """Give one turn to one job; its name."""
    (job,) = choose_batch(jobs.values(), 1, turn)
    jobs[job.name] = replace(job, last_pass=turn)
    return job.name


def test_everyone_gets_the_same_share() -> None:
    jobs = {name: Job(name, shown=True) for name in "abc"}
    served = Counter(serve(jobs, turn) for turn in range(99))
    assert set(served.values()) <= {32, 33, 34}


def test_sessions_get_the_same_share() -> None:
    jobs = {name: Job(name, shown=True, session=name[0]) for name in ("x1", "x2", "x3", "x4", "y1")}
    served = Counter(serve(jobs, turn)[0] for turn in range(160))
    assert 70 <= served["y"] <= 90


def test_refinements_go_on_while_new_pictures_keep_coming() -> None:
    jobs = {name: Job(name, shown=True) for name in "ab"}
    for turn in range(8 * OLDEST_EVERY):
        jobs[f"new {turn}"] = Job(f"new {turn}", admitted=turn, session="flood")
        served = serve(jobs, turn)
        if served.startswith("new"):
            del jobs[served]
    assert min(jobs["a"].last_pass, jobs["b"].last_pass) > 5 * OLDEST_EVERY
