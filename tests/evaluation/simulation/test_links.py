"""Each link model against its closed form."""

import itertools
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from evaluation.simulation.links.clock import DirectionClock, Fate, Passage
from evaluation.simulation.links.loss import FourState, GilbertElliott, LossModel, RandomLoss
from evaluation.simulation.links.model import LinkDirection, SimulatedLink
from evaluation.simulation.links.profiles import SIMULATED_LINKS, named_link
from evaluation.simulation.links.service import Opportunities, RatePoint, RateTrace, Slots, Windows
from layercast_common.errors import UsageError

#: Packets of a statistical test.
MANY = 40_000


def bursts(losses: list[bool]) -> list[int]:
    return [len(list(run)) for lost, run in itertools.groupby(losses) if lost]


@pytest.mark.parametrize(
    ("model", "mean", "burst"),
    [
        (RandomLoss(share=0.1), 0.1, 1 / 0.9),
        # Pi = p / (p + r); with 1-h = 1 and 1-k = 0 a burst is the stay in the bad state, 1 / r.
        (GilbertElliott(p=0.02, r=0.25), 0.02 / 0.27, 4.0),
        (GilbertElliott(p=0.05, r=0.2, bad_loss=0.7, good_loss=0.01), 0.2 * 0.7 + 0.8 * 0.01, None),
        # Salsano et al., section 3: with p23 = 1 and p14 = 0 bursts are interrupted by single receptions.
        (FourState(p13=0.02, p31=0.3, p32=0.0), 0.02 / 0.32, 1 / 0.3),
        (FourState(p13=0.02, p31=0.2, p32=0.1, p23=0.5, p14=0.01), None, None),
    ],
    ids=str,
)
def test_losses_have_their_closed_form(model: LossModel, mean: float | None, burst: float | None) -> None:
    assert model.mean == pytest.approx(model.mean if mean is None else mean)
    assert model.mean_burst == pytest.approx(model.mean_burst if burst is None else burst)
    lost = model.sampler(random.Random(5))
    losses = [lost() for _ in range(MANY)]
    assert statistics.fmean(losses) == pytest.approx(model.mean, rel=0.08)
    assert statistics.fmean(bursts(losses)) == pytest.approx(model.mean_burst, rel=0.08)


def test_gilbert_elliott_is_correlated_like_its_chain() -> None:
    model = GilbertElliott(p=0.05, r=0.2)
    lost = model.sampler(random.Random(2))
    values = [float(lost()) for _ in range(MANY)]
    for lag in (1, 2, 4):
        # The second eigenvalue of the chain, to the power of the lag.
        assert correlation(values, lag) == pytest.approx((1 - 0.05 - 0.2) ** lag, abs=0.04)


def correlation(values: list[float], lag: int) -> float:
    return statistics.correlation(values[:-lag], values[lag:])


@pytest.mark.parametrize("correlated", [0.0, 0.6])
@pytest.mark.parametrize(("distribution", "spread"), [("uniform", 0.1 / 3**0.5), ("normal", 0.1), ("pareto", None)])
def test_jitter_keeps_its_distribution_at_any_correlation(
    correlated: float, distribution: str, spread: float | None
) -> None:
    direction = LinkDirection(delay=1.0, jitter=0.1, jitter_correlation=correlated, distribution=distribution)
    clock = DirectionClock(direction, rng=random.Random(1))
    delays = [clock.passage(100, float(now)).arrivals[0] - now for now in range(10_000)]
    assert statistics.fmean(delays) == pytest.approx(1.0, abs=0.01)
    if spread is not None:
        assert statistics.stdev(delays) == pytest.approx(spread, rel=0.05)
    if distribution == "normal":
        assert correlation(delays, 1) == pytest.approx(correlated, abs=0.05)


def arrivals(direction: LinkDirection, packets: list[tuple[int, float]], seed: int = 0) -> list[Passage]:
    clock = DirectionClock(direction, rng=random.Random(seed))
    return [clock.passage(size, now) for size, now in packets]


def test_packets_wait_for_those_before_them() -> None:
    found = arrivals(LinkDirection(rate=8000, delay=0.5, overhead=20), [(80, 0.0), (80, 0.0), (80, 10.0)])
    assert [passage.arrivals for passage in found] == [(0.6,), (0.7,), (10.6,)]


def test_a_full_queue_drops_the_newest() -> None:
    # One packet is in transmission, two wait: the fourth is dropped, and once one has left there is room again.
    direction = LinkDirection(rate=800, limit=2)
    found = arrivals(direction, [(100, 0.0)] * 4 + [(100, 1.5)])
    assert [passage.fate for passage in found] == [Fate.ARRIVED] * 3 + [Fate.DROPPED, Fate.ARRIVED]
    assert found[4].arrivals == (4.0,)
    by_bytes = arrivals(LinkDirection(rate=800, limit_bytes=250), [(100, 0.0)] * 5)
    assert [passage.fate for passage in by_bytes] == [Fate.ARRIVED] * 3 + [Fate.DROPPED] * 2


def test_queueing_delay_of_poisson_arrivals_is_that_of_m_d_1() -> None:
    rng, load, now, waits = random.Random(3), 0.7, 0.0, []
    clock = DirectionClock(LinkDirection(rate=8), rng=rng)
    for _ in range(MANY):
        now += rng.expovariate(load)
        waits.append(clock.passage(1, now).start - now)
    # Pollaczek and Khinchine: rho / (2 (1 - rho)) service times.
    assert statistics.fmean(waits) == pytest.approx(load / (2 * (1 - load)), rel=0.08)


def test_a_token_bucket_lets_a_burst_leave_at_once() -> None:
    # tc-tbf(8): 250 bytes at once, then 100 bytes a second; after a pause of a second there are tokens for 100 more.
    direction = LinkDirection(rate=800, burst=250)
    found = arrivals(direction, [(100, 0.0)] * 4 + [(100, 10.0)] * 3)
    assert [passage.end for passage in found] == pytest.approx([0, 0, 0.5, 1.5, 10, 10, 10.5])


def test_slots_collect_packets() -> None:
    direction = LinkDirection(slots=Slots(shortest=2, longest=2, packets=2), delay=0.25)
    found = arrivals(direction, [(10, 0.5), (10, 0.6), (10, 0.7), (10, 2.0), (10, 5.0)])
    assert [passage.arrivals for passage in found] == [(2.25,), (2.25,), (4.25,), (4.25,), (6.25,)]
    by_bytes = arrivals(LinkDirection(slots=Slots(shortest=1, longest=1, size=100)), [(60, 0.5), (60, 0.5), (400, 0.5)])
    assert [passage.arrivals for passage in by_bytes] == [(1.0,), (2.0,), (3.0,)]


def test_random_slots_are_uniform() -> None:
    direction = LinkDirection(slots=Slots(shortest=5, longest=12, packets=1))
    leaves = [passage.end for passage in arrivals(direction, [(10, 0.1)] * 5000)]
    gaps = [after - before for before, after in itertools.pairwise(leaves)]
    assert min(gaps) >= 5
    assert max(gaps) <= 12
    assert statistics.fmean(gaps) == pytest.approx(8.5, rel=0.02)
    assert statistics.stdev(gaps) == pytest.approx(7 / 12**0.5, rel=0.05)


def test_a_duty_cycle_is_kept() -> None:
    found = arrivals(LinkDirection(rate=800, duty_cycle=0.1), [(100, 0.0)] * 3)
    assert [(passage.start, passage.end) for passage in found] == [(0, 1), (10, 11), (20, 21)]
    assert sum(passage.airtime for passage in found) == pytest.approx(3)


def test_a_packet_waits_for_a_window_and_is_interrupted_by_its_end() -> None:
    direction = LinkDirection(rate=800, windows=Windows(every=10, visible=2, first=1))
    found = arrivals(direction, [(100, 0.0), (150, 0.0), (100, 14.0)])
    # From 1 to 2; from 2 to 3 and, after the pause, from 11 to 11.5; in the third window from 21.
    assert [(passage.start, passage.end) for passage in found] == [(1, 2), (2, 11.5), (21, 22)]
    outage = arrivals(LinkDirection(rate=800, outages=((1, 5), (5, 6))), [(100, 0.5)])
    assert outage[0].end == pytest.approx(6.5)


def test_a_rate_trace_is_integrated_and_repeats() -> None:
    trace = RateTrace(
        points=(RatePoint(at=0, rate=800), RatePoint(at=1, rate=0), RatePoint(at=2, rate=1600, delay=0.5)), period=3
    )
    found = arrivals(LinkDirection(trace=trace, delay=0.1), [(150, 0.0), (150, 2.0), (100, 4.2)])
    # 800 bits in the first second, and the other 400 at the double rate; then the period starts again.
    assert [passage.end for passage in found] == pytest.approx([2.25, 3.0, 5.5])
    assert found[2].arrivals[0] == pytest.approx(6.0)


def test_mahimahi_opportunities_carry_1500_bytes_that_are_lost_if_unused() -> None:
    direction = LinkDirection(opportunities=Opportunities(times=(100, 200, 200, 1000)))
    packets = [(1000, 0.0), (1000, 0.0), (1500, 0.15), (1500, 0.15), (100, 0.95), (1500, 1.05)]
    # The second packet uses the rest of the first opportunity, and 500 bytes of the next; a packet that comes later
    # than an opportunity gets nothing of it.
    assert [round(one.end, 3) for one in arrivals(direction, packets)] == [0.1, 0.2, 0.2, 1.0, 1.0, 1.1]


def test_mahimahi_delivers_its_trace_to_a_full_queue() -> None:
    trace = Opportunities(times=(3, 7, 7, 20))
    found = arrivals(LinkDirection(opportunities=trace), [(1500, 0.0)] * 9)
    assert [round(1000 * one.end) for one in found] == [3, 7, 7, 20, 23, 27, 27, 40, 43]


@settings(max_examples=60, deadline=None)
@given(
    first=st.floats(-1e4, 1e4),
    every=st.floats(0.5, 1e4),
    share=st.floats(0.01, 1),
    now=st.floats(0, 1e6),
)
def test_the_next_change_of_a_window_is_later(first: float, every: float, share: float, now: float) -> None:
    windows = Windows(every=every, visible=share * every, first=first)
    _, change = windows.state_at(now)
    assert now < change <= now + 2 * every


@settings(max_examples=60, deadline=None)
@given(rates=st.lists(st.floats(0, 1e5), min_size=1, max_size=5), size=st.integers(1, 1400), now=st.floats(0, 1000))
def test_a_trace_serves_exactly_the_bits_of_a_packet(rates: list[float], size: int, now: float) -> None:
    if max(rates) < 100:
        rates = [*rates, 100.0]
    trace = RateTrace(
        points=tuple(RatePoint(at=float(at), rate=rate) for at, rate in enumerate(rates)), period=float(len(rates))
    )
    passage = arrivals(LinkDirection(trace=trace), [(size, now)])[0]
    bits, at = 0.0, passage.start
    while at < passage.end:
        point, change = trace.point_at(at)
        bits += point.rate * (min(change, passage.end) - at)
        at = change
    assert bits == pytest.approx(8 * size, rel=1e-6)


def test_duplicates_reordering_and_corruption_come_as_often_as_they_should() -> None:
    direction = LinkDirection(delay=1.0, duplicate=0.1, reorder=0.2, corrupt=0.05)
    found = arrivals(direction, [(100, float(now)) for now in range(10_000)])
    assert statistics.fmean(len(one.arrivals) for one in found) == pytest.approx(1.1, rel=0.02)
    early = [one.arrivals[0] < one.end + 0.5 for one in found]
    assert statistics.fmean(early) == pytest.approx(0.2, rel=0.08)
    assert statistics.fmean(one.fate is Fate.CORRUPTED for one in found) == pytest.approx(0.05, rel=0.15)


def test_the_same_seed_gives_the_same_passages() -> None:
    link = named_link("2g-edge").there
    packets = [(100, number / 50) for number in range(500)]
    assert arrivals(link, packets, seed=4) == arrivals(link, packets, seed=4)
    assert arrivals(link, packets, seed=4) != arrivals(link, packets, seed=5)


def test_profiles_serve() -> None:
    for link in SIMULATED_LINKS.values():
        passage = DirectionClock(link.there, rng=random.Random(0)).passage(50, 0.0)
        assert passage.end < 3600
        assert link.mean_rate >= 0
    with pytest.raises(UsageError, match="no link is called 'pigeon'; there are"):
        named_link("pigeon")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: LinkDirection(rate=-1), "rate is 0 or more"),
        (lambda: LinkDirection(duty_cycle=0), "duty_cycle"),
        (lambda: LinkDirection(distribution="flat"), "there are uniform, normal, pareto"),
        (lambda: LinkDirection(outages=((5, 1),)), "outage"),
        (lambda: GilbertElliott(p=0, r=0), "never leave"),
        (lambda: FourState(p13=0.7, p31=0.2, p14=0.5), "p13"),
        (lambda: Slots(shortest=0, longest=1), "min"),
        (lambda: Windows(every=1, visible=2), "visible"),
        (lambda: SimulatedLink(name="x", there=LinkDirection(), back=LinkDirection(), mtu=10), "packets hold"),
    ],
)
def test_impossible_links_are_refused(make: "object", text: str) -> None:
    assert callable(make)
    with pytest.raises(UsageError, match=text):
        make()
