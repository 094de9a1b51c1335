from collections import Counter
from dataclasses import dataclass, replace

import pytest

from receiver.rendering.engine.batching import GROW_AFTER, OLDEST_EVERY, BatchLimit, choose_batch


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
        # First come, first served, while no job has been in a pass.
        ([Job("a"), Job("b"), Job("c")], 2, "ab"),
        # A job without a frame precedes all jobs with one, however long they waited.
        ([Job("a", shown=True, last_pass=1), Job("b", last_pass=9)], 1, "b"),
        # Among equals the longest wait wins.
        ([Job("a", shown=True, last_pass=5), Job("b", shown=True, last_pass=4)], 1, "b"),
        # Remaining places go to the other jobs.
        ([Job("a", shown=True, last_pass=1), Job("b")], 4, "ba"),
        # Only one shape fits into a batch: the first job's.
        ([Job("a", shape=(1, 4, 8, 6)), Job("b"), Job("c", shape=(1, 4, 8, 6))], 4, "ac"),
        # A job one step from its first frame precedes jobs that have not started.
        ([Job("a", to_frame=2), Job("b", to_frame=1, last_pass=3)], 1, "b"),
        # A session with many pictures gets no larger share than one with a single picture.
        ([Job("a", session="x", last_pass=8), Job("b", session="x"), Job("c", session="y", last_pass=7)], 1, "c"),
        ([Job("a", session="x"), Job("b", session="x"), Job("c", session="y")], 2, "ac"),
    ],
)
def test_batches(jobs: list[Job], limit: int, expected: str) -> None:
    assert "".join(job.name for job in choose_batch(jobs, limit)) == expected


def serve(jobs: dict[str, Job], number: int) -> str:
    """Run one pass with one job; return its name."""
    (job,) = choose_batch(jobs.values(), 1, number)
    jobs[job.name] = replace(job, last_pass=number)
    return job.name


def test_jobs_get_equal_shares() -> None:
    jobs = {name: Job(name, shown=True) for name in "abc"}
    served = Counter(serve(jobs, number) for number in range(99))
    assert set(served.values()) <= {32, 33, 34}


def test_sessions_get_equal_shares() -> None:
    jobs = {name: Job(name, shown=True, session=name[0]) for name in ("x1", "x2", "x3", "x4", "y1")}
    served = Counter(serve(jobs, number)[0] for number in range(160))
    assert 70 <= served["y"] <= 90


def test_refinements_continue_while_new_pictures_arrive() -> None:
    jobs = {name: Job(name, shown=True) for name in "ab"}
    for number in range(8 * OLDEST_EVERY):
        jobs[f"new {number}"] = Job(f"new {number}", admitted=number, session="flood")
        served = serve(jobs, number)
        if served.startswith("new"):
            del jobs[served]
    assert min(jobs["a"].last_pass, jobs["b"].last_pass) > 5 * OLDEST_EVERY


def test_a_batch_that_did_not_fit_stays_smaller_for_a_while_and_grows_again() -> None:
    limit = BatchLimit(4)
    limit.shrink(4)
    assert limit.size == 2
    limit.shrink(2)
    limit.shrink(1)
    assert limit.size == 1
    for _ in range(GROW_AFTER):
        assert limit.size == 1
        limit.record_pass()
    assert limit.size == 2
    # The next attempt to grow comes later, so that a card that is always full fails ever more rarely.
    limit.shrink(2)
    for _ in range(2 * GROW_AFTER):
        assert limit.size == 1
        limit.record_pass()
    assert limit.size == 2


def test_less_than_one_picture_is_a_batch_of_its_own() -> None:
    limit = BatchLimit(2, least=0)
    limit.shrink(1)
    assert limit.size == 0
    for _ in range(GROW_AFTER):
        limit.record_pass()
    assert limit.size == 1
