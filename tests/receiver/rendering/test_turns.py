from dataclasses import dataclass

import pytest

from receiver.rendering.turns import choose_batch


@dataclass(frozen=True)
class Job:
    name: str
    shown: bool = False
    last_turn: int = -1
    shape: tuple[int, ...] = (1, 4, 8, 8)


@pytest.mark.parametrize(
    ("jobs", "limit", "expected"),
    [
        ([], 4, ""),
        # First come first served, as long as nobody had a turn.
        ([Job("a"), Job("b"), Job("c")], 2, "ab"),
        # A job without a frame comes before all that have one, however long those waited.
        ([Job("a", shown=True, last_turn=1), Job("b", last_turn=9)], 1, "b"),
        # Among equals the longest wait wins.
        ([Job("a", shown=True, last_turn=5), Job("b", shown=True, last_turn=4)], 1, "b"),
        # Room that is left goes to the others.
        ([Job("a", shown=True, last_turn=1), Job("b")], 4, "ba"),
        # Only one shape fits into a batch: the first job's.
        ([Job("a", shape=(1, 4, 8, 6)), Job("b"), Job("c", shape=(1, 4, 8, 6))], 4, "ac"),
    ],
)
def test_batches(jobs: list[Job], limit: int, expected: str) -> None:
    assert "".join(job.name for job in choose_batch(jobs, limit)) == expected


def test_nobody_starves() -> None:
    turns = {"a": -1, "b": -1, "c": -1}
    for turn in range(9):
        chosen = choose_batch([Job(name, shown=True, last_turn=last) for name, last in turns.items()], 1)
        turns[chosen[0].name] = turn
    assert sorted(turns.values()) == [6, 7, 8]
