"""What packets cost: the bars that are bytes hold; those that are time are only measured."""

from evaluation.wire.packets import DATA_OVERHEAD_BAR, GREETING_BAR, greeting_bytes, measure_packets


def test_figures() -> None:
    figures = measure_packets()
    assert figures.data_overhead <= DATA_OVERHEAD_BAR
    assert figures.keyed_overhead == figures.data_overhead + 4
    assert figures.greeting_bytes <= GREETING_BAR
    assert figures.packets_per_second > 0
    assert figures.ratio > 1


def test_a_longer_id_makes_a_longer_greeting() -> None:
    assert greeting_bytes(bytes(16)) == greeting_bytes() + 10
