"""How much repair a section gets: the table of figures that it stands on, and what follows from it."""

import math
import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from protocol.recovery.fec_policy import GROUP, Feedback, groups, repair_count
from protocol.recovery.reed_solomon import MAX_PIECES


@pytest.mark.parametrize(
    ("loss", "text", "lines", "colours", "detail"),
    [
        (0.0, 0, 0, 0, 0),
        (0.01, 1, 1, 0, 1),
        (0.05, 2, 2, 1, 2),
        (0.1, 2, 3, 1, 3),
        (0.3, 2, 3, 1, 3),
        (1.0, 2, 3, 1, 3),
        (None, 2, 3, 1, 3),
    ],
)
def test_repairs_of_a_picture_on_a_one_way_link(
    loss: float | None, text: int, lines: int, colours: int, detail: int
) -> None:
    sections = [(1, 0), (3, 2), (1, 3), (15, 6)]
    wanted = [repair_count(count, urgency, loss=loss, feedback=Feedback.NONE) for count, urgency in sections]
    assert wanted == [text, lines, colours, detail]


@pytest.mark.parametrize(
    ("loss", "least"), [(0.05, (0.995, 0.97, 0.87)), (0.1, (0.995, 0.97, 0.87)), (0.3, (0.96, 0.8, 0.1))]
)
def test_a_bad_link_loses_the_detail_and_not_the_picture(loss: float, least: tuple[float, float, float]) -> None:
    """Whether text, base and all of a picture can be had, of 4,000 pictures."""
    rng = random.Random(1)
    sections = [(1, 0), (3, 2), (1, 3), (15, 6)]
    totals = [k + repair_count(k, urgency, loss=loss, feedback=Feedback.NONE) for k, urgency in sections]
    reached = [0, 0, 0]
    for _ in range(4000):
        came = [sum(rng.random() >= loss for _ in range(n)) >= k for n, (k, _) in zip(totals, sections, strict=True)]
        for i, needed in enumerate((1, 3, 4)):
            reached[i] += all(came[:needed])
    assert all(count / 4000 >= bound for count, bound in zip(reached, least, strict=True))


def test_where_losses_are_soon_known_only_the_first_packet_goes_twice() -> None:
    assert repair_count(1, 0, loss=0.02, feedback=Feedback.PROMPT) == 0
    assert repair_count(1, 0, loss=0.04, feedback=Feedback.PROMPT) == 1
    assert repair_count(3, 2, loss=0.3, feedback=Feedback.PROMPT) == 0


def test_feedback_is_late_where_the_round_trip_is_longer_than_the_group() -> None:
    assert Feedback.of(None, 0.2, 3) is Feedback.NONE
    assert Feedback.of(1.8, 0.2, 3) is Feedback.LATE
    assert Feedback.of(1.8, 0.2, 15) is Feedback.PROMPT


@given(st.integers(1, MAX_PIECES), st.integers(0, 7), st.floats(0, 1), st.sampled_from(Feedback))
def test_a_group_never_outgrows_the_code(fragments: int, urgency: int, loss: float, feedback: Feedback) -> None:
    assert 0 <= repair_count(fragments, urgency, loss=loss, feedback=feedback) <= MAX_PIECES - fragments


@given(st.integers(1, GROUP), st.floats(0, 0.5), st.floats(0, 0.5))
def test_more_loss_never_wants_less(fragments: int, one: float, other: float) -> None:
    low, high = (
        [repair_count(fragments, urgency, loss=loss, feedback=Feedback.NONE) for urgency in range(8)]
        for loss in sorted((one, other))
    )
    assert all(a <= b for a, b in zip(low, high, strict=True))


@given(st.integers(0, 2048))
def test_groups_cover_a_section_in_order(fragments: int) -> None:
    cut = groups(fragments)
    assert [fragment for group in cut for fragment in group] == list(range(fragments))
    assert len(cut) == math.ceil(fragments / GROUP)
    assert not cut or max(map(len, cut)) - min(map(len, cut)) <= 1
